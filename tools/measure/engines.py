"""The recognition engines with the models that are on this machine, asked as a node's worker is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from tools.measure.bands import LINE_RATE_HZ, WIDE_RATE_HZ, Band
from tools.measure.reading import Ask

from mamori.config.settings import load_settings
from mamori.errors import MamoriError
from mamori.monitor.app.engines import choose
from mamori.monitor.events import Pcm
from mamori.monitor.recognition.port import Depth, ReadJob, StreamJob, StreamReply, Transcript
from mamori.monitor.recognition.workers.spec import (
    DEFAULT_FACTORY,
    EngineFactory,
    EngineSet,
    EngineSpec,
)

# Recognisers are opened for one rate.
_SLOTS: Final = {LINE_RATE_HZ: 0, WIDE_RATE_HZ: 1}


class Engine(StrEnum):
    """Who reads, and how much it spends."""

    VOSK = "Vosk"
    QUICK = "whisper, quick"
    THOROUGH = "whisper, thorough"


@dataclass(frozen=True, slots=True, kw_only=True)
class Models:
    """Folders of verified models, and one line for each that is absent."""

    vosk: dict[str, Path] = field(default_factory=dict)
    whisper: Path | None = None
    absent: tuple[str, ...] = ()

    def engines(self, language: str) -> tuple[Engine, ...]:
        """Those that can read ``language``."""
        vosk = (Engine.VOSK,) if language in self.vosk else ()
        return vosk if self.whisper is None else (*vosk, Engine.QUICK, Engine.THOROUGH)


def find_models(vosk: Sequence[str], whisper: Sequence[str]) -> Models:
    """Models for these languages, as a node would choose them; nothing is fetched."""
    models_dir = load_settings().recognition.models_dir
    absent: list[str] = []
    found: dict[str, Path] = {}
    for language in vosk:
        try:
            choice = choose(engine="vosk", languages=(language,), models_dir=models_dir)
            found |= choice.stream_models
        except MamoriError as error:
            absent.append(f"Vosk, {language}: not measured: {error}")
    utterance_model = None
    try:
        choice = choose(engine="whisper", languages=tuple(whisper), models_dir=models_dir)
        utterance_model = choice.utterance_model
    except MamoriError as error:
        absent.append(f"whisper: not measured: {error}")
    return Models(vosk=found, whisper=utterance_model, absent=tuple(absent))


class Worker:
    """The engines of a node's worker, in this process; loaded at the first question."""

    def __init__(self, models: Models) -> None:
        self._models = models
        self._engines: EngineSet | None = None

    def ask(self, engine: Engine, line: Band, language: str) -> Ask:
        """Who answers for an engine on a line."""
        if self._engines is None:
            self._engines = _load(self._models)
        asked: dict[str, Any] = {"language": language, "sample_rate_hz": line.rate_hz}
        if engine is Engine.VOSK:
            return partial(_stream, self._engines, slot=_SLOTS[line.rate_hz], **asked)
        depth = Depth.QUICK if engine is Engine.QUICK else Depth.THOROUGH
        return partial(_read, self._engines, depth=depth, **asked)


def _load(models: Models) -> EngineSet:
    spec = EngineSpec(stream_models=models.vosk, utterance_model=models.whisper)
    engines = _factory()(spec)
    engines.start()
    return engines


def _factory() -> EngineFactory:
    module, _, name = DEFAULT_FACTORY.partition(":")
    factory: EngineFactory = getattr(import_module(module), name)
    return factory


def _read(
    engines: EngineSet,
    pcm: Pcm,
    *,
    depth: Depth,
    language: str,
    sample_rate_hz: int,
    voice: str,
    phrases: Sequence[str] = (),
) -> Transcript:
    del voice  # an utterance engine keeps nothing of it
    reply = engines.decode(
        ReadJob(
            pcm=pcm,
            language=language,
            sample_rate_hz=sample_rate_hz,
            depth=depth,
            phrases=tuple(phrases),
        )
    )
    assert isinstance(reply, Transcript)
    return reply


def _stream(
    engines: EngineSet,
    pcm: Pcm,
    *,
    slot: int,
    language: str,
    sample_rate_hz: int,
    voice: str,
    phrases: Sequence[str] = (),
) -> Transcript:
    del phrases  # a stream engine takes none
    reply = engines.decode(
        StreamJob(
            slot=slot,
            voice=voice,
            pcm=pcm,
            language=language,
            sample_rate_hz=sample_rate_hz,
            begins=True,
            finishes=True,
        )
    )
    assert isinstance(reply, StreamReply)
    assert reply.transcript is not None
    return reply.transcript
