"""What recognition is meant to reach, against what was measured."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from tools.measure.bands import Band
from tools.measure.engines import Engine
from tools.measure.figures import Mean, Share, Table, error
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
    korean = [(job, h) for job, hs in results if _is(job, "ko", Band.MULAW) for h in hs]
    if korean:
        heard = [each for _, each in korean]
        phrases = korean[0][0].phrases
        assert phrases is not None
        yield _error(f"{engine}: Korean, {Band.MULAW}", errors(heard, "ko"), _KOREAN_ERROR[engine])
        found, false = phrases_found(heard, phrases).second, false_alarms(heard, phrases)
        yield (
            f"{engine}: Korean phrases found, {Band.MULAW}",
            found.as_count(),
            f"at least {_FOUND_SHARE:.0%}",
            found.hits >= _FOUND_SHARE * found.of,
        )
        yield _none(f"{engine}: Korean phrases nobody said, {Band.MULAW}", false.second)
        yield _none(f"{engine}: the same, look-alikes alone shown", false.lured)
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


def _none(name: str, false: Share) -> _Goal:
    return name, false.as_count(), "0", false.hits == 0
