"""What every speech recogniser promises: one port, two kinds of engine.

A *stream* engine hears the utterance while it is spoken and gives partials; an *utterance* engine
reads the whole utterance once it has ended. All methods are synchronous and may take long: they run
on worker threads, never on the event loop.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from mamori.errors import MamoriError
from mamori.monitor.events import Pcm


class EngineKind(StrEnum):
    """Whether an engine decodes while speech goes on, or after it."""

    STREAM = "stream"
    UTTERANCE = "utterance"


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineCapabilities:
    """What an engine can do; callers ask this, never the class.

    ``languages`` holds ISO 639-1 codes; ``word_times`` says whether finals carry words with times.
    """

    name: str
    kind: EngineKind
    languages: frozenset[str]
    word_times: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscriptWord:
    """A word with its place in the utterance, in samples from the utterance's first sample."""

    text: str
    start_samples: int
    end_samples: int
    confidence: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcript:
    """What an engine made of one utterance; ``text`` is empty where nothing was said.

    ``confidence`` in [0, 1], None where unknown; ``marks`` such as ``low_confidence``.
    """

    text: str
    words: tuple[TranscriptWord, ...] = ()
    confidence: float | None = None
    marks: tuple[str, ...] = ()


class StreamDecoder(Protocol):
    """The state of a stream engine for one channel; used by one thread at a time."""

    def accept(self, pcm: Pcm) -> str:
        """Decode the next stretch of the utterance; return the partial text so far."""
        ...

    def finish(self) -> Transcript:
        """End the utterance, return its text and be ready for the next one."""
        ...

    def close(self) -> None:
        """Give back what the decoder holds; it is not used afterwards."""
        ...


class StreamEngine(Protocol):
    """Opens decoders on one shared model."""

    capabilities: EngineCapabilities

    def open_decoder(self, *, language: str, sample_rate_hz: int) -> StreamDecoder:
        """A decoder for one channel; RecognitionError when the language is not there."""
        ...

    def close(self) -> None:
        """Unload the models."""
        ...


class UtteranceEngine(Protocol):
    """Reads whole utterances; thread-safe."""

    capabilities: EngineCapabilities

    def transcribe(self, pcm: Pcm, *, language: str, sample_rate_hz: int) -> Transcript:
        """What was said; RecognitionError when the language is not there or decoding fails."""
        ...

    def close(self) -> None:
        """Unload the model."""
        ...


class RecognitionError(MamoriError):
    """Recognition failed; ``recoverable`` says whether the next utterance may work."""
