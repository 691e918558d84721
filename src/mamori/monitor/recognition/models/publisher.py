"""The publisher's own list of models: size and checksum where the catalogue knows neither."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

from mamori.monitor.recognition.models.download import Downloader
from mamori.monitor.recognition.models.errors import ModelError, ModelFault
from mamori.monitor.recognition.models.spec import MD5_PATTERN, ArchiveSource

# The list has some hundred entries of 300 bytes.
_LIST_LIMIT_BYTES = 4 << 20


def pinned_by_publisher(
    name: str, source: ArchiveSource, downloader: Downloader
) -> tuple[ArchiveSource, int]:
    """``source`` with its pins and its size in bytes; asks the publisher's list where need be.

    The list is JSON: an array of objects with ``name``, ``size`` in bytes and ``md5``.
    ``ModelError`` where it cannot be had or does not state both: nothing is fetched that cannot be
    verified.
    """
    if source.size_bytes is not None and source.pinned:
        return source, source.size_bytes
    if source.list_url is None:
        raise ModelError(ModelFault.UNPINNED, f"no size and checksum are known for model {name}")
    content = downloader.read(source.list_url, limit_bytes=_LIST_LIMIT_BYTES)
    try:
        entries: Any = json.loads(content)
        entry = next(entry for entry in entries if entry["name"] == name)
        size_bytes, md5 = int(entry["size"]), str(entry["md5"]).lower()
    except (ValueError, TypeError, KeyError, StopIteration) as failure:
        raise ModelError(
            ModelFault.UNPINNED,
            f"{source.list_url} states no size and checksum for model {name}: fetch it yourself "
            "and unpack it into the models directory",
        ) from failure
    if size_bytes <= 0 or re.fullmatch(MD5_PATTERN, md5) is None:
        raise ModelError(
            ModelFault.UNPINNED, f"{source.list_url} states no sound checksum for model {name}"
        )
    return replace(source, size_bytes=size_bytes, md5=md5), size_bytes
