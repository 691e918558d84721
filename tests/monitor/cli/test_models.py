"""``mamori models`` as a person or a script sees it: what is printed, and the exit code."""

from __future__ import annotations

import hashlib
import json
import socket
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from mamori.monitor.cli.console import exit_code_of
from mamori.monitor.cli.models import models_app
from mamori.monitor.recognition.models import ModelError, ModelFault

FILES = {
    "model.bin": b"onetwo",
    "config.json": b"{}",
    "tokenizer.json": b"{}",
    "vocabulary.json": b"[]",
}


def objects(output: str) -> list[dict[str, Any]]:
    """What ``--json`` printed: one object a line."""
    return [json.loads(line) for line in output.splitlines()]


@pytest.fixture
def closed_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
    return port


@pytest.fixture
def catalogue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, closed_port: int) -> Path:
    """A model in pieces of an installed package, and one behind a server that is not there."""
    data = tmp_path / "site-packages" / "mamori_test_pieces" / "data"
    data.mkdir(parents=True)
    (data.parent / "__init__.py").touch()
    for name, content in FILES.items():
        (data / name).write_bytes(content)
    monkeypatch.syspath_prepend(str(data.parent.parent))
    text = """
    [[model]]
    name = "pieces"
    engine = "whisper"
    languages = ["ja"]
    licence = "MIT"
    [model.parts]
    requirement = "mamori-test-pieces"
    """
    for name, content in FILES.items():
        text += f"""
        [[model.parts.piece]]
        file = "{name}"
        package = "mamori_test_pieces"
        path = "data/{name}"
        [[model.file]]
        path = "{name}"
        size_bytes = {len(content)}
        sha256 = "{hashlib.sha256(content).hexdigest()}"
        """
    text += f"""
    [[model]]
    name = "far"
    engine = "vosk"
    languages = ["en"]
    licence = "Apache-2.0"
    [model.archive]
    url = "http://127.0.0.1:{closed_port}/far.zip"
    size_bytes = 10
    md5 = "{"0" * 32}"
    unpacked_limit_bytes = 100
    """
    path = tmp_path / "catalogue.toml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def models(tmp_path: Path, catalogue: Path) -> Any:
    def run(command: str, *arguments: str) -> Result:
        folders = ["--models-dir", str(tmp_path / "models"), "--catalogue", str(catalogue)]
        return CliRunner().invoke(models_app, [command, *arguments, *folders])

    return run


def test_the_list_says_of_each_model_where_it_is_or_how_to_get_it(models: Any) -> None:
    result = models("list")
    assert result.exit_code == 0
    assert "not here: mamori models get pieces" in result.stdout
    assert "not here: mamori models get far" in result.stdout
    assert "Apache-2.0" in result.stdout
    models("get", "pieces")
    assert "    here: " in models("list").stdout


def test_the_list_is_json_for_scripts_and_can_be_narrowed(models: Any) -> None:
    rows = objects(models("list", "--json").stdout)
    assert [row["name"] for row in rows] == ["pieces", "far"]
    assert rows[1]["size_bytes"] == 10
    assert rows[1]["folder"] is None
    rows = objects(models("list", "--json", "--engine", "vosk").stdout)
    assert [row["name"] for row in rows] == ["far"]
    rows = objects(models("list", "--json", "--language", "ja").stdout)
    assert [row["name"] for row in rows] == ["pieces"]


def test_get_prints_the_folder(models: Any, tmp_path: Path) -> None:
    result = models("get", "pieces")
    assert result.exit_code == 0
    assert result.stdout.strip() == f"pieces: {tmp_path / 'models' / 'pieces'}"
    (row,) = objects(models("get", "pieces", "--json").stdout)
    assert row == {
        "name": "pieces",
        "folder": str(tmp_path / "models" / "pieces"),
        "error": None,
    }


def test_an_unknown_model_is_exit_2_before_anything_is_fetched(models: Any, tmp_path: Path) -> None:
    result = models("get", "pieces", "nonsense")
    assert result.exit_code == 2
    assert "allowed: far, pieces" in result.stderr
    assert not (tmp_path / "models").exists()


def test_a_server_that_is_not_there_is_exit_3_and_one_line(
    models: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    result = models("get", "far")
    assert result.exit_code == 3
    assert "is not reachable" in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    (row,) = objects(models("get", "far", "--json").stdout)
    assert row["error"]["code"] == "model_unreachable"
    assert row["error"]["recoverable"] is True


def test_check_reads_what_is_here_and_is_exit_1_where_it_is_damaged(
    models: Any, tmp_path: Path
) -> None:
    nothing = models("check")
    assert nothing.exit_code == 0
    assert "no model in" in nothing.stdout
    assert objects(models("check", "--json").stdout) == []
    models("get", "pieces")
    fine = models("check")
    assert fine.exit_code == 0
    assert fine.stdout.startswith("pieces: ok ")
    (tmp_path / "models" / "pieces" / "model.bin").write_bytes(b"oneTwo")
    damaged = models("check")
    assert damaged.exit_code == 1
    assert hashlib.sha256(b"onetwo").hexdigest() in damaged.stdout
    assert hashlib.sha256(b"oneTwo").hexdigest() in damaged.stdout
    (report,) = objects(models("check", "pieces", "--json").stdout)
    assert report["status"] == "corrupt"
    assert report["problems"][0]["file"] == "model.bin"


def test_checking_a_model_by_name_that_is_not_here_is_exit_1(models: Any) -> None:
    result = models("check", "far")
    assert result.exit_code == 1
    assert result.stdout.strip() == "far: missing"


def test_a_bad_catalogue_is_exit_2_with_every_problem(models: Any, catalogue: Path) -> None:
    catalogue.write_text('[[model]]\nname = "A"\ncolour = 1\n', encoding="utf-8")
    result = models("list", "--json")
    assert result.exit_code == 2
    assert result.stdout == ""
    assert len(result.stderr.strip().splitlines()) == 5


def test_an_unknown_option_is_exit_2(models: Any) -> None:
    assert models("list", "--nonsense").exit_code == 2
    assert models("list", "--engine", "sphinx").exit_code == 2


def test_the_directory_comes_from_the_settings(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, catalogue: Path
) -> None:
    monkeypatch.setenv("MAMORI_RECOGNITION__MODELS_DIR", str(tmp_path / "elsewhere"))
    monkeypatch.chdir(tmp_path)
    CliRunner().invoke(models_app, ["get", "pieces", "--catalogue", str(catalogue)])
    assert (tmp_path / "elsewhere" / "pieces" / "model.bin").is_file()


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (ModelFault.UNKNOWN, 2),
        (ModelFault.UNREACHABLE, 3),
        (ModelFault.DISK_FULL, 1),
        (ModelFault.DOWNLOAD_MISMATCH, 1),
        (ModelFault.PACKAGE_MISSING, 1),
    ],
)
def test_each_fault_has_its_exit_code(fault: ModelFault, code: int) -> None:
    assert exit_code_of(ModelError(fault, "x")) == code
