"""What recognition is meant to reach, against what was measured."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from tools.measure.bands import Band
from tools.measure.engines import Engine
from tools.measure.figures import Mean, Table, error
from tools.measure.reading import Heard
from tools.measure.speech_plan import Job
from tools.measure.speech_tables import errors, false_alarms, phrases_found

# Character error of Korean at mu-law that each engine may have, mean over the recordings.
_KOREAN_ERROR: Final = {Engine.QUICK: 0.16, Engine.THOROUGH: 0.13}
# Kana error of synthesised Japanese at telephone band.
_JAPANESE_ERROR: Final = 0.09
_FOUND_SHARE: Final = 0.85
_READERS: Final = (Engine.QUICK, Engine.THOROUGH)
_Goal = tuple[str, str, str, bool]


def goals_table(results: Sequence[tuple[Job, Sequence[Heard]]]) -> Table:
    """Each goal that was measured: the figure, the goal, and whether it is met."""
    table = Table(
        title="Goals",
        rows_are="figure",
        columns=[("measured", str), ("goal", str), ("met", lambda met: "yes" if met else "**no**")],
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
        heard = [each for job, many in of_engine if job.part == "shouting" for each in many]
        if heard:
            lost = sum(not each.has_words for each in heard)
            yield f"{engine}: shouting lost", f"{lost} of {len(heard)}", "0", lost == 0


def _texts(results: Sequence[tuple[Job, Sequence[Heard]]], engine: Engine) -> Iterator[_Goal]:
    korean = [h for job, hs in results if _is(job, "ko", Band.MULAW) for h in hs]
    if korean:
        yield _error(f"{engine}: Korean, {Band.MULAW}", errors(korean, "ko"), _KOREAN_ERROR[engine])
        phrases = next(job.phrases for job, _ in results if _is(job, "ko", Band.MULAW))
        assert phrases is not None
        found, false = phrases_found(korean, phrases)[1], false_alarms(korean, phrases)[1]
        yield (
            f"{engine}: Korean phrases found, {Band.MULAW}",
            f"{found.hits} of {found.of}",
            f"{_FOUND_SHARE:.0%}",
            found.hits >= _FOUND_SHARE * found.of,
        )
        yield (
            f"{engine}: Korean phrases nobody said, {Band.MULAW}",
            f"{false.hits} of {false.of}",
            "0",
            false.hits == 0,
        )
    japanese = [h for job, hs in results if _is(job, "ja", Band.TELEPHONE) for h in hs]
    if japanese:
        yield _error(
            f"{engine}: synthesised Japanese, {Band.TELEPHONE}",
            errors(japanese, "ja"),
            _JAPANESE_ERROR,
        )


def _is(job: Job, language: str, line: Band) -> bool:
    """Whether it is one of the sets that the goals are about: those with phrases."""
    return job.phrases is not None and job.material.language == language and job.line is line


def _error(name: str, measured: Mean, goal: float) -> _Goal:
    return name, measured.as_text(), f"at most {error(goal)}", measured.mean <= goal
