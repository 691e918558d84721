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
    revision: int = 0
    text: str = ""
    hints: set[str] = field(default_factory=set)
    live_crashes: int = 0
    # The utterance engine's side.
    early: EarlyReading | None = None
    crashes: int = 0
    _pieces: list[SpeechAudio] = field(default_factory=list)

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
        """The next stretch."""
        if self.first is None:
            self.first = piece
        self.heard_samples += len(piece.pcm)
        self.span_samples = piece.offset_samples + len(piece.pcm) - self.first.offset_samples
        self.voiced_samples = self.span_samples - piece.quiet_samples
        if self.is_too_long:
            self._pieces.clear()
        else:
            self._pieces.append(piece)

    def audio(self, start_samples: int = 0, end_samples: int | None = None) -> Pcm:
        """The stretch between two positions counted from the utterance's first sample."""
        end_samples = self.span_samples if end_samples is None else end_samples
        audio = np.zeros(max(end_samples - start_samples, 0), np.int16)
        assert self.first is not None or not len(audio)  # noqa: S101 - audio has a first piece
        for piece in self._pieces:
            at = piece.offset_samples - self.first.offset_samples  # type: ignore[union-attr]
            low, high = max(at, start_samples), min(at + len(piece.pcm), end_samples)
            if low < high:
                audio[low - start_samples : high - start_samples] = piece.pcm[low - at : high - at]
        return audio

    def got_no_partials(self, block_samples: int) -> bool:
        """Whether the load kept it from having partials, or all of them."""
        was_left = self.live_wanted and not self.fed_samples
        late = was_left and self.span_samples >= 2 * block_samples
        return not self.by_stream and (self.live_shed or late)

    def restart_live(self) -> None:
        """The recogniser that had it is gone: begin anew with the next one."""
        self.lease = None
        self.fed_samples = 0

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
