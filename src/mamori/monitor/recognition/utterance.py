"""One utterance on its way to words: its audio, who reads it, and what is lost if nobody does."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np

from mamori.monitor.events import (
    MediaDropped,
    Pcm,
    SpeechAudio,
    SpeechEnded,
    SpeechStarted,
    samples_to_ms,
)
from mamori.monitor.recognition.leases import Lease
from mamori.monitor.recognition.port import Transcript

LONGEST_UTTERANCE_MS: Final = 30_000
"""What an utterance engine takes at most; an utterance that is longer is lost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlyReading:
    """A reading begun before the utterance ended; it holds if nothing more was said.

    ``voiced_samples`` is how far the utterance had been speech; ``transcript`` None while it runs.
    """

    voiced_samples: int
    transcript: Transcript | None = None


@dataclass(slots=True, kw_only=True, eq=False)
class Utterance:
    """Audio from its first sample on, ``span_samples`` long, holes of the line filled with zeros.

    ``heard_samples`` counts the samples that came. ``by_stream`` says that the stream engine's text
    becomes the final. ``live_shed`` says that it got no partials, or not all, for want of room.
    ``lost_code`` is why it will get no final, known before its end.
    """

    start: SpeechStarted
    sample_rate_hz: int
    by_stream: bool
    live_wanted: bool
    live_shed: bool
    end: SpeechEnded | None = None
    ended_s: float = 0.0
    first: SpeechAudio | None = None
    heard_samples: int = 0
    span_samples: int = 0
    voiced_samples: int = 0
    is_settled: bool = False
    lost_code: str | None = None
    # The stream engine's side.
    lease: Lease | None = None
    fed_samples: int = 0
    unfed_since_s: float = 0.0
    had_live: bool = False
    revision: int = 0
    text: str = field(default="", repr=False)
    hints: set[str] = field(default_factory=set, repr=False)
    live_crashes: int = 0
    # The utterance engine's side.
    early: EarlyReading | None = None
    crashes: int = 0
    _samples: Pcm = field(default_factory=lambda: np.zeros(0, np.int16), repr=False)

    @property
    def utterance_id(self) -> str:
        """The id that all its events carry."""
        return self.start.utterance_id

    @property
    def unfed_samples(self) -> int:
        """Audio that the stream engine has not been given yet."""
        return self.span_samples - self.fed_samples

    @property
    def is_too_long(self) -> bool:
        """Whether it is longer than an engine takes; its audio is then no longer kept."""
        return self.span_samples > LONGEST_UTTERANCE_MS * self.sample_rate_hz // 1000

    def add(self, piece: SpeechAudio) -> None:
        """The next stretch; ValueError for one that does not lie behind the one before it."""
        first = self.first or piece
        start = piece.offset_samples - first.offset_samples
        if start < self.span_samples:
            raise ValueError(f"audio at {piece.offset_samples} goes back in its utterance")
        self.first = first
        end = start + len(piece.pcm)
        self.heard_samples += len(piece.pcm)
        self.span_samples = end
        self.voiced_samples = end - piece.quiet_samples
        if self.is_too_long:
            self._samples = np.zeros(0, np.int16)
            return
        if end > len(self._samples):
            # Doubled, from a second on: an utterance's audio is copied a few times, not each time.
            room = np.zeros(max(end, 2 * len(self._samples), self.sample_rate_hz), np.int16)
            room[: len(self._samples)] = self._samples
            self._samples = room
        self._samples[start:end] = piece.pcm

    def audio(self, start_samples: int = 0, end_samples: int | None = None) -> Pcm:
        """The stretch between two positions counted from the utterance's first sample."""
        end_samples = self.span_samples if end_samples is None else end_samples
        return self._samples[start_samples:end_samples].copy()

    def got_no_partials(self, block_samples: int) -> bool:
        """Whether the load kept it from having partials, or all of them."""
        was_left = self.live_wanted and not self.had_live
        return self.live_shed or (was_left and self.span_samples >= 2 * block_samples)

    def let_go(self) -> Lease | None:
        """Give its recogniser up: the next one hears it from the start."""
        lease, self.lease = self.lease, None
        self.fed_samples = 0
        return lease

    def on_call_clock_ms(self, samples: int) -> int:
        """Media time of a position in the utterance."""
        start = self.first.offset_samples if self.first is not None else 0
        return samples_to_ms(start + samples, self.sample_rate_hz)

    def dropped(
        self, code: str, stage: Literal["recognition", "live_words"] = "recognition"
    ) -> MediaDropped | None:
        """The whole utterance as given up by a stage; None where no audio of it came."""
        if self.first is None:
            return None
        return MediaDropped(
            call_id=self.first.call_id,
            channel=self.first.channel,
            offset_ms=self.first.offset_ms,
            duration_ms=self.on_call_clock_ms(self.span_samples) - self.first.offset_ms,
            duration_samples=self.heard_samples,
            stage=stage,
            code=code,
        )
