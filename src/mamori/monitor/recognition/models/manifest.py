"""What a model consisted of when it was unpacked: a list of files with size and SHA-256.

The list lies in the model's own folder and is written last, so later checks can name the file that
was cut short or changed. It guards against damage, not against somebody who may write there.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from mamori.monitor.recognition.models.spec import FilePin

MANIFEST_NAME = "mamori-model.json"
_VERSION = 1
# Large enough that reading, not Python, is what takes the time; small enough to show progress.
BLOCK_BYTES = 1 << 20


def digest_of(path: Path, algorithm: str, read: Callable[[int], None] | None = None) -> str:
    """The checksum of a file as lower-case hexadecimal; ``read`` hears how many bytes went by."""
    digest = hashlib.new(algorithm, usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(BLOCK_BYTES):
            digest.update(block)
            if read is not None:
                read(len(block))
    return digest.hexdigest()


def write_manifest(folder: Path, name: str, origin: str, files: Iterable[FilePin]) -> None:
    """Write the list of ``files`` into ``folder``; ``origin`` says where they came from."""
    content = {
        "version": _VERSION,
        "name": name,
        "origin": origin,
        "files": {
            pin.path: {"size_bytes": pin.size_bytes, "sha256": pin.sha256}
            for pin in sorted(files, key=lambda pin: pin.path)
        },
    }
    text = json.dumps(content, ensure_ascii=False, indent=1)
    (folder / MANIFEST_NAME).write_text(text + "\n", encoding="utf-8")


def read_manifest(folder: Path) -> tuple[FilePin, ...] | None:
    """The files ``folder`` must have; None without a list, ValueError where it is broken."""
    path = folder / MANIFEST_NAME
    if not path.is_file():
        return None
    content: Any = json.loads(path.read_text(encoding="utf-8"))
    try:
        if content["version"] != _VERSION:
            raise ValueError(f"version is {content['version']!r}, allowed is {_VERSION}")
        return tuple(
            FilePin(path=path, size_bytes=pin["size_bytes"], sha256=pin["sha256"])
            for path, pin in content["files"].items()
        )
    except (KeyError, TypeError, AttributeError) as failure:
        raise ValueError(f"not a list of model files: {failure!r}") from failure
