"""The recognition engines with the models that are on this machine, asked as a node's worker is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final

from tools.measure.bands import Band
from tools.measure.reading import Ask

from mamori.config.models import load_catalogue
from mamori.config.settings import load_settings
from mamori.errors import MamoriError
from mamori.monitor.app.engines import choose
from mamori.monitor.events import Pcm
from mamori.monitor.recognition.config import RecognitionConfig
from mamori.monitor.recognition.engines.vosk import VoskEngine
from mamori.monitor.recognition.engines.whisper import WhisperEngine
from mamori.monitor.recognition.models.spec import EngineName
from mamori.monitor.recognition.models.store import ModelStore
from mamori.monitor.recognition.port import (
    Depth,
    StreamDecoder,
    StreamEngine,
    Transcript,
    UtteranceEngine,
)

# A node feeds a stream engine in pieces of this length.
_PIECE_MS: Final = RecognitionConfig().partial_interval_ms


class Engine(StrEnum):
    """Who reads, and how much it spends."""

    VOSK = "Vosk"
    QUICK = "whisper, quick"
    THOROUGH = "whisper, thorough"

    @property
    def reads_again(self) -> bool:
        """Whether it can be shown phrases and asked once more."""
        return self is not Engine.VOSK


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
    """Verified models for these languages; Vosk's are fetched where the catalogue allows it."""
    models_dir = load_settings().recognition.models_dir
    store = ModelStore(models_dir, load_catalogue())
    absent: list[str] = []
    found: dict[str, Path] = {}
    for language in vosk:
        try:
            _fetch(store, language)
            found |= choose(
                engine="vosk", languages=(language,), models_dir=models_dir
            ).stream_models
        except MamoriError as error:
            absent.append(f"Vosk, {language}: not measured: {error}")
    model = None
    try:
        model = choose(
            engine="whisper", languages=tuple(whisper), models_dir=models_dir
        ).utterance_model
    except MamoriError as error:
        absent.append(f"whisper: not measured: {error}")
    return Models(vosk=found, whisper=model, absent=tuple(absent))


def _fetch(store: ModelStore, language: str) -> None:
    """Get the first Vosk model of the language that may be fetched, where none is here."""
    specs = [
        spec
        for spec in store.catalogue
        if spec.engine is EngineName.VOSK and language in spec.languages
    ]
    if not any(store.locate(spec.name) for spec in specs):
        for spec in (spec for spec in specs if spec.auto_fetch):
            store.get(spec.name)
            return


class Worker:
    """The engines of a node's worker, in this process; each is loaded at its first question."""

    def __init__(
        self,
        models: Models,
        *,
        utterance_engine: Callable[[Path], UtteranceEngine] = WhisperEngine,
        stream_engine: Callable[[dict[str, Path]], StreamEngine] = VoskEngine,
    ) -> None:
        self._models = models
        self._load_utterance, self._load_stream = utterance_engine, stream_engine
        self._utterance: UtteranceEngine | None = None
        self._stream: StreamEngine | None = None
        self._asks: dict[tuple[Engine, int, str], Ask] = {}

    def ask(self, engine: Engine, line: Band, language: str) -> tuple[Ask, bool]:
        """Who answers for an engine on a line, and whether nobody asked before.

        ValueError where the model is absent.
        """
        key = engine, line.rate_hz, language
        is_new = key not in self._asks
        if is_new:
            self._asks[key] = self._open(engine, line.rate_hz, language)
        return self._asks[key], is_new

    def _open(self, engine: Engine, sample_rate_hz: int, language: str) -> Ask:
        if engine is Engine.VOSK:
            decoder = self._streaming().open_decoder(
                language=language, sample_rate_hz=sample_rate_hz
            )
            return _Listening(decoder, sample_rate_hz)
        depth = Depth.QUICK if engine is Engine.QUICK else Depth.THOROUGH
        return _Reading(self._reading(), language, sample_rate_hz, depth)

    def _streaming(self) -> StreamEngine:
        if self._stream is None:
            self._stream = self._load_stream(self._models.vosk)
        return self._stream

    def _reading(self) -> UtteranceEngine:
        if self._utterance is None:
            if self._models.whisper is None:
                raise ValueError("there is no whisper model")
            self._utterance = self._load_utterance(self._models.whisper)
        return self._utterance


@dataclass(frozen=True, slots=True)
class _Reading:
    engine: UtteranceEngine
    language: str
    sample_rate_hz: int
    depth: Depth

    def __call__(self, pcm: Pcm, *, voice: str, phrases: Sequence[str] = ()) -> Transcript:
        del voice  # an utterance engine keeps nothing of it
        return self.engine.transcribe(
            pcm,
            language=self.language,
            sample_rate_hz=self.sample_rate_hz,
            depth=self.depth,
            phrases=tuple(phrases),
        )


@dataclass(slots=True)
class _Listening:
    """One recogniser that is lent to one voice after another."""

    decoder: StreamDecoder
    sample_rate_hz: int
    voice: str | None = None

    def __call__(self, pcm: Pcm, *, voice: str, phrases: Sequence[str] = ()) -> Transcript:
        del phrases  # a stream engine takes none
        if voice != self.voice:
            self.decoder.forget()
            self.voice = voice
        piece = _PIECE_MS * self.sample_rate_hz // 1000
        for start in range(0, len(pcm), piece):
            self.decoder.accept(pcm[start : start + piece])
        return self.decoder.finish()
