"""The command line in this process, with no settings but the test's own."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Runs ``mamori`` with arguments; what it raises comes through, so no traceback is hidden.

    ``settings`` are keywords such as ``node__language``; ``stdin`` is what it reads.
    """

    def invoke(*arguments: object, stdin: str | bytes | None = None, **settings: object) -> Result:
        from mamori.monitor.cli.main import app

        for name in [name for name in os.environ if name.startswith("MAMORI_")]:
            monkeypatch.delenv(name)
        given = {
            "node__language": "en",
            "node__data_dir": tmp_path / "data",
            "recognition__models_dir": tmp_path / "models",
            "recognition__engine": "none",
            **settings,
        }
        for name, value in given.items():
            monkeypatch.setenv(f"MAMORI_{name.upper()}", str(value))
        monkeypatch.chdir(tmp_path)
        words = [str(argument) for argument in arguments]
        return CliRunner().invoke(app, words, input=stdin, catch_exceptions=False)

    return invoke
