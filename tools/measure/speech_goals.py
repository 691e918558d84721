"""What recognition is meant to reach, against what was measured."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from tools.measure.engines import Engine
from tools.measure.figures import Mean, Share, Table, error
from tools.measure.reading import Heard
from tools.measure.speech_plan import GOAL_LINES, Job
from tools.measure.speech_tables import errors, false_alarms, phrases_found
from tools.measure.spotting import PhraseList

# Mean over the recordings, by language, on its line: of characters (ko), of kana (ja).
_ERRORS: Final = {
    Engine.QUICK: {"ko": 0.16, "ja": 0.09},
    Engine.THOROUGH: {"ko": 0.13, "ja": 0.09},
}
LANGUAGES: Final = {"ko": "Korean", "ja": "synthesised Japanese"}
"""Languages with goals, and what is measured of them."""
_FOUND_SHARE: Final = 0.85
_READERS: Final = (Engine.QUICK, Engine.THOROUGH)
_Goal = tuple[str, str, str, bool]


def goals_table(results: Sequence[tuple[Job, Sequence[Heard]]]) -> Table:
    """Each goal that was measured: the figure, the goal, and whether it is met."""
    table = Table(
        title="Goals",
        rows_are="figure",
        columns=[
            ("measured", str),
            ("goal", str),
            ("", lambda met: "met" if met else "**not met**"),
        ],
    )
    for name, measured, goal, met in _goals(results):
        table.rows[name] = [measured, goal, met]
    return table


def _goals(results: Sequence[tuple[Job, Sequence[Heard]]]) -> Iterator[_Goal]:
    for engine in _READERS:
        of_engine = [each for each in results if each[0].engine is engine]
        yield from _texts([each for each in of_engine if each[0].part == "texts"], engine)
        heard = [h for job, hs in of_engine if job.material.name == "sounds" for h in hs]
        if heard:
            words = sum(each.has_words for each in heard)
            yield f"{engine}: sounds with words", f"{words} of {len(heard)}", "0", words == 0
        heard = [h for _, hs in of_engine for h in hs if h.recording.is_abusive]
        if heard:
            lost = sum(each.is_lost for each in heard)
            name = f"{engine}: abuse, shouting, anger lost without a mark"
            yield name, f"{lost} of {len(heard)}", "0", lost == 0


def _texts(results: Sequence[tuple[Job, Sequence[Heard]]], engine: Engine) -> Iterator[_Goal]:
    for language, name in LANGUAGES.items():
        line = GOAL_LINES[language]
        # The sets that the goals are about are those with phrases.
        about = [
            (job.phrases, heard)
            for job, many in results
            if job.material.language == language and job.line is line and job.phrases is not None
            for heard in many
        ]
        if about:
            phrases, heard = about[0][0], [each for _, each in about]
            named = f"{engine}, {line}: {name}"
            yield _error(named, errors(heard, language), _ERRORS[engine][language])
            yield from _spotting(named, heard, phrases)


def _spotting(named: str, heard: Sequence[Heard], phrases: PhraseList) -> Iterator[_Goal]:
    found, false = phrases_found(heard, phrases).second, false_alarms(heard, phrases)
    is_met = found.hits >= _FOUND_SHARE * found.of
    yield f"{named}, phrases found", found.as_count(), f"at least {_FOUND_SHARE:.0%}", is_met
    yield _none(f"{named}, phrases nobody said", false.second)
    if any(each.was_tempted for each in heard):
        yield _none(f"{named}, the same with look-alikes alone shown", false.lured)


def _error(name: str, measured: Mean, goal: float) -> _Goal:
    return name, measured.as_text(), f"at most {error(goal)}", measured.mean <= goal


def _none(name: str, false: Share) -> _Goal:
    return name, false.as_count(), "0", false.hits == 0
