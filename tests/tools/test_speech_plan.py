"""What is measured follows from the models and the recordings that are here."""

from functools import partial
from pathlib import Path

import pytest
from tools.measure import speech_plan
from tools.measure.bands import Band
from tools.measure.data import NotHereError
from tools.measure.engines import Engine, Models
from tools.measure.material import Material, Recording
from tools.measure.speech_plan import plan

SAID = "바로 처리해 드리겠습니다"
MODELS = Models(whisper=Path("base"), absent=("Vosk, ja: not measured: no network",))


def some(name, *, language="ko", phrase=None):
    """Seven recordings."""
    recordings = [
        Recording(name=str(n), path=None, text=phrase or "", phrase=phrase) for n in range(7)
    ]
    return Material(name=name, language=language, recordings=tuple(recordings))


def absent():
    raise NotHereError("needs ../shared/data/manifest.csv, which is not here")


def absent_too():
    raise NotHereError("needs ../shared/data/manifest.csv, which is not here")


@pytest.fixture
def sets(monkeypatch):
    """Put these in the place of the recordings."""

    def put(*makers):
        monkeypatch.setattr(speech_plan, "_TRANSCRIBED", makers)
        monkeypatch.setattr(
            speech_plan, "_OTHERS", {"sounds": [partial(some, "sounds")], "shouting": [absent]}
        )

    return put


def test_every_engine_reads_every_set_over_every_line(sets):
    sets(partial(some, "one"))
    jobs = plan(("texts",), MODELS).jobs
    assert [(job.engine, job.line) for job in jobs] == [
        (engine, line) for engine in (Engine.QUICK, Engine.THOROUGH) for line in Band
    ]
    assert all(job.phrases is None for job in jobs)


@pytest.mark.parametrize(("language", "goal_line"), [("ko", Band.MULAW), ("ja", Band.TELEPHONE)])
def test_a_set_with_phrases_is_whole_on_the_line_of_its_goals_and_a_third_elsewhere(
    sets, language, goal_line
):
    sets(partial(some, "one", language=language, phrase=SAID))
    counts = {job.line: len(job.material.recordings) for job in plan(("texts",), MODELS).jobs}
    assert counts == {line: 7 if line is goal_line else 3 for line in Band}

    tempting = [(job.engine, job.line) for job in plan(("texts",), MODELS).jobs if job.tempts]
    assert tempting == [(Engine.QUICK, goal_line)]


def test_a_quick_look_takes_one_recording_in_so_many_on_one_line(sets):
    sets(partial(some, "one"))
    jobs = plan(("texts",), MODELS, every=3).jobs
    assert [each.name for each in jobs[0].material.recordings] == ["0", "3", "6"]
    assert {job.line for job in jobs} == {Band.MULAW}


def test_what_is_absent_is_said_once_for_each_cause_and_the_rest_is_measured(sets):
    sets(absent, absent_too, partial(some, "one"))
    found = plan(("texts", "sounds", "shouting"), MODELS)
    assert {job.material.name for job in found.jobs} == {"one", "sounds"}
    assert found.absent == (
        "Vosk, ja: not measured: no network",
        "absent, absent too: not measured: needs ../shared/data/manifest.csv, which is not here",
    )


def test_without_a_model_there_is_nothing_to_do(sets):
    sets(partial(some, "one"))
    assert plan(("texts", "sounds"), Models()).jobs == ()
