"""What the catalogue says of a model: its engine, its languages, where it comes from, its pins."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

# A name is also the name of a folder: no separators, no leading dot, no two dots in a row.
NAME_PATTERN = r"^[a-z0-9]+([._-][a-z0-9]+)*$"
LANGUAGE_PATTERN = r"^[a-z]{2,3}$"
SHA256_PATTERN = r"^[0-9a-f]{64}$"
MD5_PATTERN = r"^[0-9a-f]{32}$"
# Python's own rule for a top-level package.
PACKAGE_PATTERN = r"^[A-Za-z_][A-Za-z0-9_]*$"
# Plain HTTP only to this machine, where nobody sits in between.
URL_PATTERN = r"^(https://[^/\s]+/|http://127\.0\.0\.1(:\d+)?/)\S*$"


class EngineName(StrEnum):
    """The recognition engines a model can be for."""

    VOSK = "vosk"
    WHISPER = "whisper"


def _must_match(what: str, value: str, pattern: str) -> None:
    if re.fullmatch(pattern, value) is None:
        raise ValueError(f"{what} is {value!r}, allowed is {pattern}")


def _must_be_positive(what: str, value: int) -> None:
    if value <= 0:
        raise ValueError(f"{what} is {value}, allowed is 1 or more")


def is_plain_path(path: str) -> bool:
    """Whether ``path`` is relative, has no empty, ``.`` or ``..`` part and no odd characters."""
    if not path or path.startswith("/") or "\\" in path or ":" in path:
        return False
    if any(ord(character) < 32 or ord(character) == 127 for character in path):
        return False
    return not any(part in {"", ".", ".."} for part in path.split("/"))


@dataclass(frozen=True, slots=True, kw_only=True)
class FilePin:
    """One file of a model as it must be; ``path`` is relative to the model's folder."""

    path: str
    size_bytes: int
    sha256: str

    def __post_init__(self) -> None:
        if not is_plain_path(self.path):
            raise ValueError(f"path is {self.path!r}, allowed is a relative path without '..'")
        if self.size_bytes < 0:
            raise ValueError(f"size_bytes is {self.size_bytes}, allowed is 0 or more")
        _must_match("sha256", self.sha256, SHA256_PATTERN)


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveSource:
    """A zip archive behind a URL.

    ``size_bytes`` and a checksum pin the archive; where they are not known, ``list_url`` is the
    publisher's own list that states them. ``unpacked_limit_bytes`` bounds what may be unpacked.
    """

    url: str
    unpacked_limit_bytes: int
    size_bytes: int | None = None
    md5: str | None = None
    sha256: str | None = None
    list_url: str | None = None

    def __post_init__(self) -> None:
        _must_match("url", self.url, URL_PATTERN)
        _must_be_positive("unpacked_limit_bytes", self.unpacked_limit_bytes)
        if self.size_bytes is not None:
            _must_be_positive("size_bytes", self.size_bytes)
        if self.md5 is not None:
            _must_match("md5", self.md5, MD5_PATTERN)
        if self.sha256 is not None:
            _must_match("sha256", self.sha256, SHA256_PATTERN)
        if self.list_url is not None:
            _must_match("list_url", self.list_url, URL_PATTERN)
        if not self.pinned and self.list_url is None:
            raise ValueError("an archive needs size_bytes with md5 or sha256, or else list_url")

    @property
    def pinned(self) -> bool:
        """Whether size and a checksum are known without asking anybody."""
        return self.size_bytes is not None and (self.md5 or self.sha256) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageSource:
    """A folder inside an installed Python package; ``requirement`` is what pip is told."""

    package: str
    folder: str
    requirement: str

    def __post_init__(self) -> None:
        _must_match("package", self.package, PACKAGE_PATTERN)
        if not is_plain_path(self.folder):
            raise ValueError(f"folder is {self.folder!r}, allowed is a relative path without '..'")


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A file inside an installed package that is, or is part of, the model's file ``file``."""

    file: str
    package: str
    path: str

    def __post_init__(self) -> None:
        _must_match("package", self.package, PACKAGE_PATTERN)
        for what, path in (("file", self.file), ("path", self.path)):
            if not is_plain_path(path):
                raise ValueError(f"{what} is {path!r}, allowed is a relative path without '..'")


@dataclass(frozen=True, slots=True, kw_only=True)
class PartsSource:
    """A model cut into pieces that lie in installed packages; joined once, in this order."""

    pieces: tuple[Piece, ...]
    requirement: str

    def __post_init__(self) -> None:
        if not self.pieces:
            raise ValueError("pieces is empty, allowed is 1 or more")

    @property
    def packages(self) -> tuple[str, ...]:
        """The packages that must be installed, each once."""
        return tuple(dict.fromkeys(piece.package for piece in self.pieces))


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderSource:
    """A model that a person puts in place; nothing fetches it."""


ModelSource = ArchiveSource | PackageSource | PartsSource | FolderSource


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSpec:
    """One model of the catalogue.

    ``languages`` are the codes calls use (ISO 639-1; Whisper adds a few of three letters).
    ``error_figures`` are as published, each with its test set; sets do not compare.
    ``auto_fetch`` marks the one model per language that ``engine = "auto"`` may download.
    ``files`` pins single files; for an archive they are learnt when it is unpacked.
    """

    name: str
    engine: EngineName
    languages: tuple[str, ...]
    licence: str
    source: ModelSource
    error_figures: str = ""
    size_listed: str = ""
    auto_fetch: bool = False
    files: tuple[FilePin, ...] = ()

    def __post_init__(self) -> None:
        _must_match("name", self.name, NAME_PATTERN)
        if not self.languages:
            raise ValueError("languages is empty, allowed is 1 or more codes")
        for language in self.languages:
            _must_match("languages", language, LANGUAGE_PATTERN)
        pinned = {pin.path for pin in self.files}
        if len(pinned) != len(self.files):
            raise ValueError("files names a path twice, allowed is once")
        if isinstance(self.source, PartsSource):
            unpinned = {piece.file for piece in self.source.pieces} - pinned
            if unpinned:
                raise ValueError(f"files lacks {sorted(unpinned)}: every joined file is pinned")

    @property
    def size_bytes(self) -> int | None:
        """What has to be fetched or is installed, in bytes; None where only roughly known."""
        if isinstance(self.source, ArchiveSource):
            return self.source.size_bytes
        return sum(pin.size_bytes for pin in self.files) or None
