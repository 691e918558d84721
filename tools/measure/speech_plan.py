"""Which engine reads which set over which line: all that the models and data here allow."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Final

from tools.measure import data, material
from tools.measure.bands import Band
from tools.measure.data import NotHereError
from tools.measure.engines import Engine, Models
from tools.measure.material import Material
from tools.measure.spotting import PhraseList, phrase_list

PARTS: Final = ("texts", "sounds", "shouting")
VOSK_LANGUAGES: Final = ("ja", "ko")
WHISPER_LANGUAGES: Final = ("ja", "ko", "en")
QUICK_EVERY: Final = 10
"""``--quick`` takes one recording in so many, and each set on the line of its goals alone."""
GOAL_LINES: Final = MappingProxyType({"ko": Band.MULAW, "ja": Band.TELEPHONE})
"""The line of each language's goals: a set is read whole on it, and tried hardest."""
_TRANSCRIBED: Final = (
    material.korean_read,
    material.korean_acted,
    material.japanese_real,
    material.japanese_synthesised,
)
# Of the sets with phrases, on the other lines: they cost as much and decide nothing.
_ELSEWHERE_EVERY: Final = 3
# One line is enough to hear whether words are invented or lost.
_SOUNDS_LINE: Final = Band.MULAW
_Make = Callable[[], Material]
_OTHERS: Final[Mapping[str, Sequence[_Make]]] = MappingProxyType(
    {
        "sounds": [
            partial(make, language)
            for make in (material.sounds, material.announcements)
            for language in WHISPER_LANGUAGES
        ],
        "shouting": [material.shouted, material.angry],
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One engine reads one set over one line."""

    part: str
    engine: Engine
    line: Band
    material: Material
    phrases: PhraseList | None = None

    @property
    def is_on_goal_line(self) -> bool:
        """Whether the goals of its language are about this line."""
        return self.line is GOAL_LINES.get(self.material.language)

    @property
    def tempts(self) -> bool:
        """Whether it is also read with nothing but phrases shown that nobody said.

        Once a language: a thorough reading echoed the same ones as a quick one, at four times the
        cost.
        """
        return self.engine is Engine.QUICK and self.is_on_goal_line


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is measured, and one line for each thing that cannot be."""

    jobs: tuple[Job, ...]
    absent: tuple[str, ...]


class _Sets:
    """The sets that are here; those that are not, by what they lack."""

    def __init__(self, every: int) -> None:
        self._every = every
        self._lacking: dict[str, list[str]] = {}

    def present(self, makers: Iterable[_Make]) -> Iterator[Material]:
        for make in makers:
            try:
                yield make().thinned(self._every)
            except NotHereError as error:
                name = (make.func if isinstance(make, partial) else make).__name__
                names = self._lacking.setdefault(str(error), [])
                if name not in names:
                    names.append(name)

    def absent(self) -> Iterator[str]:
        for problem, names in self._lacking.items():
            yield f"{', '.join(names).replace('_', ' ')}: not measured: {problem}"


def plan(parts: Iterable[str], models: Models, *, every: int = 1) -> Plan:
    """The jobs of these ``PARTS`` with the models and the data that are here.

    ``every`` 1 takes all recordings and lines, n one in n of each set on the line of its goals.
    """
    sets = _Sets(every)
    jobs: list[Job] = []
    for part in parts:
        jobs += _texts(sets, models) if part == "texts" else _others(part, sets, models)
    if every > 1:
        jobs = [job for job in jobs if job.is_on_goal_line or job.part != "texts"]
    return Plan(jobs=tuple(jobs), absent=(*models.absent, *sets.absent()))


def _texts(sets: _Sets, models: Models) -> list[Job]:
    here = list(sets.present(_TRANSCRIBED))
    lists = {language: _phrases(here, language) for language in {each.language for each in here}}
    return [
        Job(
            part="texts",
            engine=engine,
            line=line,
            material=_on(line, each),
            phrases=lists[each.language] if each.has_phrases else None,
        )
        for each in here
        for engine in models.engines(each.language)
        for line in Band
    ]


def _on(line: Band, each: Material) -> Material:
    thins = each.has_phrases and line is not GOAL_LINES[each.language]
    return each.thinned(_ELSEWHERE_EVERY) if thins else each


def _others(part: str, sets: _Sets, models: Models) -> list[Job]:
    return [
        Job(part=part, engine=engine, line=_SOUNDS_LINE, material=each)
        for each in sets.present(_OTHERS[part])
        for engine in models.engines(each.language)
    ]


def _phrases(sets: Sequence[Material], language: str) -> PhraseList:
    recordings = [
        recording
        for each in sets
        if each.language == language and each.has_phrases
        for recording in each.recordings
    ]
    return phrase_list(
        [recording.phrase for recording in recordings if recording.phrase],
        [recording.text for recording in recordings],
        language,
    )


def lacks_everything() -> str | None:
    """One line where the folder of recordings is absent altogether; None where it is there."""
    if data.SHARED_DATA.is_dir():
        return None
    return "nothing measured: needs ../shared/data, the folder of recordings, which is not here"
