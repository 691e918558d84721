"""What every speech recogniser promises, and what a worker is asked: one port, two kinds of engine.

A *stream* engine hears the utterance while it is spoken and gives partials; an *utterance* engine
reads the whole utterance once it has ended. All methods are synchronous and may take long: they run
in worker processes, one thread each, never on the event loop.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from mamori.errors import MamoriError
from mamori.monitor.events import Pcm

LOW_CONFIDENCE = "low_confidence"
"""The mark of a text that may well be wrong."""
RETRIED = "retried"
"""The mark of a text that was doubtful at first and was read once more."""


class EngineKind(StrEnum):
    """Whether an engine decodes while speech goes on, or after it."""

    STREAM = "stream"
    UTTERANCE = "utterance"


class Depth(StrEnum):
    """How much an utterance engine spends on one utterance."""

    QUICK = "quick"
    """Less than half the processor time, some points of character error worse."""
    THOROUGH = "thorough"


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

    text: str = field(repr=False)
    start_samples: int
    end_samples: int
    confidence: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcript:
    """What an engine made of one utterance; ``text`` is empty where nothing was said.

    ``confidence`` in [0, 1], None where unknown; ``marks`` such as ``low_confidence``.
    """

    text: str = field(repr=False)
    words: tuple[TranscriptWord, ...] = field(default=(), repr=False)
    confidence: float | None = None
    marks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveText:
    """What an open utterance sounds like so far, and phrases that seem to be in it."""

    text: str = field(repr=False)
    hints: tuple[str, ...] = field(default=(), repr=False)


class StreamDecoder(Protocol):
    """A recogniser of a stream engine; used by one thread, for one utterance at a time."""

    def accept(self, pcm: Pcm) -> LiveText:
        """Decode the next stretch of the utterance."""
        ...

    def finish(self) -> Transcript:
        """End the utterance, return its text and be ready for the next one of the same voice."""
        ...

    def drop(self) -> None:
        """Drop an open utterance; keep what was learnt of the voice."""
        ...

    def forget(self) -> None:
        """Drop an open utterance and all that was learnt of the voice; keep what is warm."""
        ...

    def close(self) -> None:
        """Give back what the decoder holds; it is not used afterwards."""
        ...


class StreamEngine(Protocol):
    """Opens decoders on one shared model."""

    capabilities: EngineCapabilities

    def open_decoder(self, *, language: str, sample_rate_hz: int) -> StreamDecoder:
        """A new decoder; RecognitionError when the language is not there."""
        ...

    def close(self) -> None:
        """Unload the models."""
        ...


class UtteranceEngine(Protocol):
    """Reads whole utterances; no state from one to the next."""

    capabilities: EngineCapabilities

    def transcribe(
        self,
        pcm: Pcm,
        *,
        language: str,
        sample_rate_hz: int,
        depth: Depth = Depth.THOROUGH,
        phrases: Sequence[str] = (),
    ) -> Transcript:
        """What was said; RecognitionError when the language is not there or decoding fails.

        ``phrases`` are shown to the engine beforehand, as words that may be in it.
        """
        ...

    def close(self) -> None:
        """Unload the model."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ReadJob:
    """Read a whole utterance with the utterance engine."""

    pcm: Pcm = field(repr=False)
    language: str
    sample_rate_hz: int
    depth: Depth = Depth.THOROUGH
    phrases: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StreamJob:
    """Feed the next stretch of an utterance to the recogniser in ``slot`` of a worker.

    A slot is opened when it is first used. ``voice`` names whose speech it is: a recogniser forgets
    what it learnt of another voice. ``begins`` drops whatever utterance was open in the slot;
    ``finishes`` ends this one. ``pcm`` may be empty.
    """

    slot: int
    voice: str
    pcm: Pcm = field(repr=False)
    language: str
    sample_rate_hz: int
    begins: bool = False
    finishes: bool = False


Job = ReadJob | StreamJob


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamReply:
    """``live`` is the text so far; ``transcript`` is there where the job finished the utterance."""

    live: LiveText
    transcript: Transcript | None = None


Reply = Transcript | StreamReply
"""A ReadJob is answered by a Transcript, a StreamJob by a StreamReply."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """A job's answer and what it cost: processor time of the worker and time on the wall.

    ``queued_s`` is the part of ``wall_s`` in which the worker was ready to go on and had no core.
    """

    reply: Reply
    cpu_s: float
    wall_s: float
    queued_s: float = 0.0


class RecognitionError(MamoriError):
    """Recognition failed; ``recoverable`` says whether the next utterance may work."""


class WorkerLostError(MamoriError):
    """The worker was lost in the middle of the job; code ``crashed``, ``hung`` or ``slow``."""
