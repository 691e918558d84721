"""Verification that what lies in a model's folder is what the catalogue says."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from mamori.monitor.recognition.models.errors import ModelError, ModelFault
from mamori.monitor.recognition.models.layout import missing_files
from mamori.monitor.recognition.models.manifest import MANIFEST_NAME, digest_of, read_manifest
from mamori.monitor.recognition.models.spec import FilePin, ModelSpec


class ModelStatus(StrEnum):
    """What a check found.

    ``ok``: every pinned file is as it must be. ``unpinned``: complete, but nobody stated checksums
    (a folder put there by hand). ``corrupt``: a file is missing or different. ``missing``: no
    folder at all.
    """

    OK = "ok"
    UNPINNED = "unpinned"
    CORRUPT = "corrupt"
    MISSING = "missing"


class ModelOrigin(StrEnum):
    """Where a model was found, in the order of looking."""

    SETTINGS = "settings"
    DIRECTORY = "directory"
    PACKAGE = "package"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileProblem:
    """A file that is not as it must be; ``expected`` and ``actual`` are sizes or checksums."""

    file: str
    problem: str
    expected: str
    actual: str

    def __str__(self) -> str:
        return f"{self.file}: {self.problem}, expected {self.expected}, actual {self.actual}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelReport:
    """The outcome of checking one model; ``checked_bytes`` counts what was read and compared."""

    name: str
    status: ModelStatus
    folder: Path | None = None
    origin: ModelOrigin | None = None
    problems: tuple[FileProblem, ...] = ()
    checked_bytes: int = 0

    @property
    def usable(self) -> bool:
        """Whether an engine may load the model."""
        return self.status in {ModelStatus.OK, ModelStatus.UNPINNED}

    def must_be_usable(self) -> Path:
        """The folder to load; ``ModelError`` naming file, expected and actual hash otherwise."""
        if self.folder is not None and self.usable:
            return self.folder
        if self.status is ModelStatus.MISSING:
            raise ModelError(
                ModelFault.MISSING,
                f"model {self.name} is not here: mamori models get {self.name}",
                recoverable=True,
            )
        found = "; ".join(str(problem) for problem in self.problems)
        raise ModelError(
            ModelFault.CORRUPT, f"model {self.name} in {self.folder} is refused: {found}"
        )


def check_folder(spec: ModelSpec, folder: Path, origin: ModelOrigin) -> ModelReport:
    """Compare every pinned file; the catalogue's pins come before those learnt at unpacking."""
    problems = [
        FileProblem(file=path, problem="missing", expected="a file", actual="nothing")
        for path in missing_files(spec.engine, folder)
    ]
    pins: tuple[FilePin, ...] | None = spec.files or None
    if pins is None:
        try:
            pins = read_manifest(folder)
        except ValueError as failure:
            problems.append(
                FileProblem(
                    file=MANIFEST_NAME,
                    problem="unreadable",
                    expected="a list of files",
                    actual=str(failure),
                )
            )
    known = {problem.file for problem in problems}
    checked_bytes, differing = compare_files(folder, pins or ())
    problems.extend(problem for problem in differing if problem.file not in known)
    status = ModelStatus.UNPINNED if pins is None else ModelStatus.OK
    return ModelReport(
        name=spec.name,
        status=ModelStatus.CORRUPT if problems else status,
        folder=folder,
        origin=origin,
        problems=tuple(problems),
        checked_bytes=checked_bytes,
    )


def compare_files(folder: Path, pins: Iterable[FilePin]) -> tuple[int, list[FileProblem]]:
    """The bytes read, and each file of ``pins`` that ``folder`` lacks or has otherwise."""
    checked_bytes = 0
    problems: list[FileProblem] = []
    for pin in pins:
        path = folder / pin.path
        if not path.is_file():
            problems.append(
                FileProblem(
                    file=pin.path,
                    problem="missing",
                    expected=f"sha256 {pin.sha256}",
                    actual="nothing",
                )
            )
            continue
        # A file of the wrong length is hashed too: the message then names both hashes.
        actual = digest_of(path, "sha256")
        actual_bytes = path.stat().st_size
        checked_bytes += actual_bytes
        if actual != pin.sha256:
            problem = "different" if actual_bytes == pin.size_bytes else "wrong size"
            problems.append(
                FileProblem(
                    file=pin.path,
                    problem=problem,
                    expected=f"{pin.size_bytes} bytes sha256 {pin.sha256}",
                    actual=f"{actual_bytes} bytes sha256 {actual}",
                )
            )
    return checked_bytes, problems
