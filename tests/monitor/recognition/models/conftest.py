"""A real HTTP server that misbehaves on order, and small models to fetch from it."""

from __future__ import annotations

import hashlib
import io
import random
import threading
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from mamori.monitor.recognition.models import (
    ArchiveSource,
    Downloader,
    DownloadPolicy,
    EngineName,
    ModelSpec,
)

MODEL_FILES = {
    "am/final.mdl": random.Random(1).randbytes(300_000),
    "conf/mfcc.conf": b"--low-freq=20\n",
    "conf/model.conf": b"--beam=10.0\n",
    "graph/HCLG.fst": random.Random(2).randbytes(100_000),
}


@dataclass
class Site:
    """What the server has and how it answers; the last order stays in force."""

    port: int = 0
    content: dict[str, bytes] = field(default_factory=dict)
    orders: list[str] = field(default_factory=lambda: ["whole"])
    ranges: list[str | None] = field(default_factory=list)
    release: threading.Event = field(default_factory=threading.Event)

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def next_order(self) -> str:
        return self.orders.pop(0) if len(self.orders) > 1 else self.orders[0]


def _answer(handler: BaseHTTPRequestHandler, site: Site) -> None:
    asked = handler.headers.get("Range")
    site.ranges.append(asked)
    order, _, detail = site.next_order().partition(" ")
    body = site.content.get(handler.path, b"")
    if order == "hang":
        site.release.wait(30)
        return
    if order in {"404", "416", "503"}:
        handler.send_error(int(order))
        return
    if order == "redirect":
        handler.send_response(302)
        handler.send_header("Location", detail)
        handler.send_header("Content-Length", "0")
        handler.end_headers()
        return
    start = 0
    if asked is not None and order != "ignore-range":
        start = int(asked.removeprefix("bytes=").removesuffix("-"))
        first = 0 if order == "wrong-range" else start
        handler.send_response(206)
        handler.send_header("Content-Range", f"bytes {first}-{len(body) - 1}/{len(body)}")
    else:
        handler.send_response(200)
    part = body[start:]
    if order != "no-length":
        handler.send_header("Content-Length", str(len(part)))
    handler.end_headers()
    handler.wfile.write(part[: int(detail)] if order == "cut" else part)


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            _answer(self, site)

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    site.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield site
    site.release.set()
    server.shutdown()
    thread.join()
    server.server_close()


@dataclass
class Quick:
    """A downloader that waits in no time and remembers how long it would have waited."""

    waits: list[float] = field(default_factory=list)

    def downloader(
        self, policy: DownloadPolicy | None = None, clock: Callable[[], float] = lambda: 0.0
    ) -> Downloader:
        return Downloader(
            policy or DownloadPolicy(timeout_s=5.0),
            sleep=self.waits.append,
            clock=clock,
            jitter=lambda: 0.5,
        )


@pytest.fixture
def quick() -> Quick:
    return Quick()


def zip_of(files: dict[str, bytes], top: str = "vosk-model-small-xx-0.1") -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in files.items():
            archive.writestr(f"{top}/{path}" if top else path, content)
    return packed.getvalue()


@pytest.fixture
def model_zip() -> bytes:
    return zip_of(MODEL_FILES)


@pytest.fixture
def model_files() -> dict[str, bytes]:
    return dict(MODEL_FILES)


@pytest.fixture
def spec_for(site: Site) -> Callable[..., ModelSpec]:
    """A catalogue entry for an archive that the server offers as ``/model.zip``."""

    def make(archive: bytes, name: str = "vosk-model-small-xx-0.1", **pins: object) -> ModelSpec:
        site.content["/model.zip"] = archive
        source: dict[str, object] = {
            "size_bytes": len(archive),
            "md5": hashlib.md5(archive, usedforsecurity=False).hexdigest(),
        }
        source.update(pins)
        return ModelSpec(
            name=name,
            engine=EngineName.VOSK,
            languages=("ja",),
            licence="Apache-2.0",
            auto_fetch=True,
            source=ArchiveSource(
                url=site.url("/model.zip"),
                unpacked_limit_bytes=10_000_000,
                **source,  # type: ignore[arg-type]
            ),
        )

    return make
