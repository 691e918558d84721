"""Utterances and what was said in them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mamori.monitor.events.media import Pcm, samples_to_ms
from mamori.monitor.events.terms import Channel, SpeechEndCause


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechStarted:
    """An utterance began; ``offset_ms`` is where its audio begins, pre-roll included."""

    type: Literal["speech_started"] = "speech_started"
    call_id: str
    channel: Channel
    utterance_id: str
    offset_ms: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SpeechAudio:
    """The next stretch of an utterance's audio; the first one carries pre-roll and onset."""

    call_id: str
    channel: Channel
    utterance_id: str
    offset_samples: int
    sample_rate_hz: int
    pcm: Pcm

    @property
    def offset_ms(self) -> int:
        """Media time of the first sample."""
        return samples_to_ms(self.offset_samples, self.sample_rate_hz)

    @property
    def end_offset_ms(self) -> int:
        """Media time just after the last sample."""
        return samples_to_ms(self.offset_samples + len(self.pcm), self.sample_rate_hz)


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechEnded:
    """The end of the utterance that one SpeechStarted opened."""

    type: Literal["speech_ended"] = "speech_ended"
    call_id: str
    channel: Channel
    utterance_id: str
    offset_ms: int
    end_offset_ms: int
    cause: SpeechEndCause


SpeechEvent = SpeechStarted | SpeechAudio | SpeechEnded
"""What speech detection says of a channel, and recognition takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """One recognised word on the call's timeline; ``confidence`` in [0, 1]."""

    text: str
    start_ms: int
    end_ms: int
    confidence: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PartialHypothesis:
    """What an utterance sounds like so far; may change, for display only."""

    type: Literal["partial_hypothesis"] = "partial_hypothesis"
    call_id: str
    channel: Channel
    utterance_id: str
    offset_ms: int
    text: str
    revision: int
    engine: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FinalHypothesis:
    """What was said in an utterance; never changes. One per utterance with words.

    ``words`` is empty where the engine gives no word times. ``confidence`` in [0, 1].
    ``marks`` says what a reader must know, such as ``low_confidence``.
    """

    type: Literal["final_hypothesis"] = "final_hypothesis"
    call_id: str
    channel: Channel
    utterance_id: str
    offset_ms: int
    end_offset_ms: int
    text: str
    language: str
    engine: str
    words: tuple[Word, ...] = ()
    confidence: float | None = None
    marks: tuple[str, ...] = ()
