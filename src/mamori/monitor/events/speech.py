"""Utterances and what was said in them; callers' words and voices are kept out of ``repr``."""

from __future__ import annotations

from dataclasses import dataclass, field
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
    """The next stretch of an utterance's audio, as it was received; the first has the pre-roll.

    A stretch begins where the last one ended, or later where the line lost something between them
    (under 300 ms). Positions in an utterance count from its first sample on the call's timeline,
    holes included: who needs audio without holes fills them with zeros, and who counts what was
    heard adds up ``pcm``. In an utterance of more than 7 s a stretch may come up to 1 s late.

    ``quiet_samples`` is how much of the utterance's end, up to the last sample of ``pcm``, is
    silence, holes included: what an early reading may already take as its end.
    """

    call_id: str
    channel: Channel
    utterance_id: str
    offset_samples: int
    sample_rate_hz: int
    pcm: Pcm = field(repr=False)
    quiet_samples: int = 0

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

    text: str = field(repr=False)
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
    text: str = field(repr=False)
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
    text: str = field(repr=False)
    language: str
    engine: str
    words: tuple[Word, ...] = field(default=(), repr=False)
    confidence: float | None = None
    marks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RereadHypothesis:
    """A second reading of an utterance with suspected phrases before the recogniser's eyes.

    Evidence for a phrase that the first reading nearly held, never the record: that is the
    utterance's FinalHypothesis, which came before and does not change. ``phrases`` are the ones
    that were suspected, at most six.
    """

    type: Literal["reread_hypothesis"] = "reread_hypothesis"
    call_id: str
    channel: Channel
    utterance_id: str
    offset_ms: int
    end_offset_ms: int
    text: str = field(repr=False)
    language: str
    engine: str
    phrases: tuple[str, ...] = field(repr=False)
    confidence: float | None = None
    marks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PhraseHint:
    """A phrase of the policy that seems to be spoken just now; for display, never an alert alone.

    ``offset_ms`` is the beginning of the utterance; one hint per utterance and phrase.
    """

    type: Literal["phrase_hint"] = "phrase_hint"
    call_id: str
    channel: Channel
    utterance_id: str
    offset_ms: int
    phrase: str = field(repr=False)
    engine: str
