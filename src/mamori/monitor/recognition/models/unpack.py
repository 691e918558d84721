"""Zip archives from outside: looked through completely before a single byte is written.

``zipfile`` keeps links and ``..`` apart well enough for friendly archives but sets no bound on what
comes out; here an archive that could surprise is refused whole. Only zip is read: every model of
the catalogue is one, and a tar archive can only be judged by unpacking it.
"""

from __future__ import annotations

import hashlib
import shutil
import stat
import unicodedata
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

from mamori.monitor.recognition.models.errors import ModelError, ModelFault, writing_into
from mamori.monitor.recognition.models.manifest import BLOCK_BYTES
from mamori.monitor.recognition.models.spec import FilePin, is_plain_path

# Real models compress to between a half and a quarter; deflate's ceiling is about 1030.
LARGEST_RATIO = 100
# Below this an entry cannot hurt, and a small table of zeros may honestly compress better.
RATIO_FROM_BYTES = 1 << 20
# The models of the catalogue have some twenty files.
MOST_ENTRIES = 10_000
_LOCAL_HEADER_BYTES = 30
_ENCRYPTED = 0x1
_METHODS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})


def refused(archive: Path, why: str) -> ModelError:
    """The error for an archive that is not unpacked."""
    return ModelError(
        ModelFault.ARCHIVE_REFUSED,
        f"archive {archive.name} is refused, nothing was unpacked: {why}",
    )


def unpack_zip(
    archive: Path,
    folder: Path,
    *,
    limit_bytes: int,
    wrote: Callable[[int, int], None] | None = None,
) -> tuple[FilePin, ...]:
    """Unpack ``archive`` into the new ``folder`` and return the files with size and SHA-256.

    A single folder at the top of the archive is left out. ``wrote`` hears bytes done and in all.
    ``ModelError`` where the archive is refused or damaged, or the disk full; the caller removes
    ``folder`` then.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            entries = _files_of(archive, opened, limit_bytes)
            _must_fit(folder.parent, sum(entry.file_size for entry, _ in entries))
            with writing_into(folder.parent):
                folder.mkdir()
                return _write_all(opened, entries, folder, wrote)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as failure:
        raise refused(archive, f"not a sound zip archive ({failure})") from failure


def _must_fit(directory: Path, total_bytes: int) -> None:
    free_bytes = shutil.disk_usage(directory).free
    if free_bytes < total_bytes:
        raise ModelError(
            ModelFault.DISK_FULL,
            f"{directory} has {free_bytes} bytes free, {total_bytes} are needed",
            recoverable=True,
        )


def _files_of(
    archive: Path, opened: zipfile.ZipFile, limit_bytes: int
) -> list[tuple[zipfile.ZipInfo, str]]:
    """Every file with its path below the model's folder, once the whole archive is judged."""
    entries = opened.infolist()
    if not 0 < len(entries) <= MOST_ENTRIES:
        raise refused(archive, f"{len(entries)} entries, allowed are 1 to {MOST_ENTRIES}")
    seen: dict[str, bool] = {}
    for entry in entries:
        _judge_entry(archive, entry)
        name = entry.orig_filename
        key = unicodedata.normalize("NFC", name.rstrip("/")).casefold()
        if key in seen:
            raise refused(archive, f"{name!r} is there twice")
        seen[key] = entry.is_dir()
    for key in seen:
        parents = key.split("/")[:-1]
        for depth in range(1, len(parents) + 1):
            if seen.get("/".join(parents[:depth])) is False:
                raise refused(archive, f"{key!r} lies inside a file")
    _judge_sizes(archive, entries, limit_bytes)
    return _below_top(entries)


def _judge_entry(archive: Path, entry: zipfile.ZipInfo) -> None:
    name = entry.orig_filename
    if not is_plain_path(name.removesuffix("/")):
        raise refused(archive, f"{name!r} leads out of the folder or is no plain path")
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind not in {0, stat.S_IFDIR if entry.is_dir() else stat.S_IFREG}:
        raise refused(archive, f"{name!r} is a link or a device")
    if entry.flag_bits & _ENCRYPTED or entry.compress_type not in _METHODS:
        raise refused(archive, f"{name!r} is encrypted or packed in an unusual way")
    if entry.is_dir() and entry.file_size:
        raise refused(archive, f"{name!r} is a folder with content")


def _judge_sizes(archive: Path, entries: list[zipfile.ZipInfo], limit_bytes: int) -> None:
    total_bytes = sum(entry.file_size for entry in entries)
    if total_bytes > limit_bytes:
        raise refused(archive, f"unpacks to {total_bytes} bytes, allowed are {limit_bytes}")
    archive_bytes = archive.stat().st_size
    if total_bytes > LARGEST_RATIO * archive_bytes:
        raise refused(archive, f"unpacks to over {LARGEST_RATIO} times its size")
    end = 0
    for entry in sorted(entries, key=lambda entry: entry.header_offset):
        if (
            entry.file_size > RATIO_FROM_BYTES
            and entry.file_size > LARGEST_RATIO * entry.compress_size
        ):
            raise refused(
                archive, f"{entry.filename!r} unpacks to over {LARGEST_RATIO} times its size"
            )
        # Entries that share their bytes are how a small archive holds any amount.
        if entry.header_offset < end:
            raise refused(archive, f"{entry.filename!r} overlaps another entry")
        end = entry.header_offset + _LOCAL_HEADER_BYTES + entry.compress_size
    if end > archive_bytes:
        raise refused(archive, "entries reach past its end")


def _below_top(entries: list[zipfile.ZipInfo]) -> list[tuple[zipfile.ZipInfo, str]]:
    files = [(entry, entry.orig_filename) for entry in entries if not entry.is_dir()]
    tops = {name.partition("/")[0] for _, name in files}
    if len(tops) == 1 and all("/" in name for _, name in files):
        return [(entry, name.partition("/")[2]) for entry, name in files]
    return files


def _write_all(
    opened: zipfile.ZipFile,
    entries: list[tuple[zipfile.ZipInfo, str]],
    folder: Path,
    wrote: Callable[[int, int], None] | None,
) -> tuple[FilePin, ...]:
    total_bytes = sum(entry.file_size for entry, _ in entries)
    done_bytes = 0
    pins: list[FilePin] = []
    for entry, path in entries:
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        digest = hashlib.sha256()
        size_bytes = 0
        # zipfile gives no more than the size it declared, and checks the CRC at the end.
        with opened.open(entry) as packed, target.open("xb") as file:
            while block := packed.read(BLOCK_BYTES):
                file.write(block)
                digest.update(block)
                size_bytes += len(block)
                if wrote is not None:
                    wrote(done_bytes + size_bytes, total_bytes)
        done_bytes += size_bytes
        pins.append(FilePin(path=path, size_bytes=size_bytes, sha256=digest.hexdigest()))
    return tuple(pins)
