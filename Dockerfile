# syntax=docker/dockerfile:1
# One image for the node. Wheels only: nothing is compiled, so the slim image is enough.
FROM python:3.13-slim-bookworm AS build
WORKDIR /src
COPY pyproject.toml README.md LICENSE NOTICE ./
COPY src ./src
RUN python -m venv /opt/mamori \
    && /opt/mamori/bin/pip install --no-cache-dir --only-binary :all: --no-binary srt '.[all]'

FROM python:3.13-slim-bookworm
# libgomp is the OpenMP run time that the decoders link to.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libgomp1 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --home-dir /var/lib/mamori --create-home mamori
COPY --from=build /opt/mamori /opt/mamori
ENV PATH=/opt/mamori/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    MAMORI_NODE__DATA_DIR=/var/lib/mamori \
    MAMORI_NODE__LOG_FORMAT=json \
    MAMORI_RECOGNITION__MODELS_DIR=/var/lib/mamori/models \
    MAMORI_TELEPHONY__LISTEN_HOST=0.0.0.0
USER mamori
WORKDIR /var/lib/mamori
VOLUME /var/lib/mamori
EXPOSE 8765
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8766/readyz', timeout=4)"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["mamori"]
CMD ["serve"]
