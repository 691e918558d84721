"""Which engine reads which set over which line: all that the models and data here allow."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Final

from tools.measure import material
from tools.measure.bands import Band
from tools.measure.data import NotHereError
from tools.measure.engines import Engine, Models
from tools.measure.material import Material
from tools.measure.spotting import PhraseList, phrase_list

PARTS: Final = ("texts", "sounds", "shouting")
VOSK_LANGUAGES: Final = ("ja", "ko")
WHISPER_LANGUAGES: Final = ("ja", "ko", "en")
_TRANSCRIBED: Final = (
    material.korean_read,
    material.korean_acted,
    material.japanese_real,
    material.japanese_synthesised,
)
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is measured, and one line for each thing that cannot be."""

    jobs: tuple[Job, ...]
    absent: tuple[str, ...]


def plan(parts: Iterable[str], models: Models) -> Plan:
    """The jobs of these ``PARTS`` with the models and the data that are here."""
    absent = list(models.absent)
    jobs: list[Job] = []
    for part in parts:
        jobs += _texts(models, absent) if part == "texts" else _others(part, models, absent)
    return Plan(jobs=tuple(jobs), absent=tuple(dict.fromkeys(absent)))


def _texts(models: Models, absent: list[str]) -> list[Job]:
    sets = list(_present(_TRANSCRIBED, absent))
    lists = {language: _phrases(sets, language) for language in {each.language for each in sets}}
    return [
        Job(
            part="texts",
            engine=engine,
            line=line,
            material=each,
            phrases=lists[each.language] if each.has_phrases else None,
        )
        for each in sets
        for engine in models.engines(each.language)
        for line in Band
    ]


def _others(part: str, models: Models, absent: list[str]) -> list[Job]:
    return [
        Job(part=part, engine=engine, line=_SOUNDS_LINE, material=each)
        for each in _present(_OTHERS[part], absent)
        for engine in models.engines(each.language)
    ]


def _present(makers: Iterable[_Make], absent: list[str]) -> Iterable[Material]:
    for make in makers:
        try:
            yield make()
        except NotHereError as error:
            name = (make.func if isinstance(make, partial) else make).__name__
            absent.append(f"{name.replace('_', ' ')}: not measured: {error}")


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
