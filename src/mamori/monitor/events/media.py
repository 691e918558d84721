"""Audio on the call's timeline, and the stretches where there is none."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mamori.monitor.events.terms import Channel, GapCause, RecognitionScope

Pcm = NDArray[np.int16]
"""Linear PCM of one channel, shape (samples,), int16, read-only where it is part of an event."""


def samples_to_ms(samples: int, sample_rate_hz: int) -> int:
    """Media time of a sample position in whole milliseconds, rounded down."""
    return samples * 1000 // sample_rate_hz


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AudioFrame:
    """20 ms of one channel (the last frame of a stretch may be shorter).

    Contiguous per channel: ``offset_samples`` is the end of the frame or gap before it.
    """

    call_id: str
    channel: Channel
    offset_samples: int
    sample_rate_hz: int
    pcm: Pcm = field(repr=False)

    @property
    def offset_ms(self) -> int:
        """Media time of the first sample."""
        return samples_to_ms(self.offset_samples, self.sample_rate_hz)

    @property
    def end_offset_samples(self) -> int:
        """Position just after the last sample."""
        return self.offset_samples + len(self.pcm)

    @property
    def end_offset_ms(self) -> int:
        """Media time just after the last sample."""
        return samples_to_ms(self.end_offset_samples, self.sample_rate_hz)


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaGap:
    """A stretch of the timeline that no stage heard, and why."""

    type: Literal["media_gap"] = "media_gap"
    call_id: str
    channel: Channel
    offset_ms: int
    duration_ms: int
    cause: GapCause
    offset_samples: int
    duration_samples: int
    sample_rate_hz: int

    @classmethod
    def at(
        cls,
        *,
        call_id: str,
        channel: Channel,
        cause: GapCause,
        offset_samples: int,
        duration_samples: int,
        sample_rate_hz: int,
    ) -> MediaGap:
        """A gap with its milliseconds worked out from its samples."""
        start_ms = samples_to_ms(offset_samples, sample_rate_hz)
        end_ms = samples_to_ms(offset_samples + duration_samples, sample_rate_hz)
        return cls(
            call_id=call_id,
            channel=channel,
            offset_ms=start_ms,
            duration_ms=end_ms - start_ms,
            cause=cause,
            offset_samples=offset_samples,
            duration_samples=duration_samples,
            sample_rate_hz=sample_rate_hz,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaDropped:
    """Audio that arrived and that one stage gave up, with the reason.

    ``stage`` is ``ingest`` (no stage hears it), ``recognition`` (it gets no final) or
    ``live_words`` (it gets a final, but no partials).
    """

    type: Literal["media_dropped"] = "media_dropped"
    call_id: str
    channel: Channel
    offset_ms: int
    duration_ms: int
    duration_samples: int
    stage: Literal["ingest", "recognition", "live_words"]
    code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StageFailed:
    """A stage stopped working for this call, or for one utterance when it can go on.

    ``code`` is a stable machine word; ``detail`` never holds a caller's words or number.
    """

    type: Literal["stage_failed"] = "stage_failed"
    call_id: str
    offset_ms: int
    stage: str
    code: str
    recoverable: bool
    detail: str = ""
    channel: Channel | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecognitionScopeChanged:
    """How much of the call recognition reads from here on: the node has less, or again more, room.

    A call begins at ``full`` without saying so.
    """

    type: Literal["recognition_scope_changed"] = "recognition_scope_changed"
    call_id: str
    offset_ms: int
    scope: RecognitionScope
