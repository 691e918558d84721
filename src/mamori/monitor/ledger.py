"""The account of a call's audio: where every sample of every channel went."""

from __future__ import annotations

from mamori.monitor.events import (
    AudioFrame,
    Channel,
    ChannelLedger,
    GapCause,
    GapTotal,
    MediaDropped,
    MediaGap,
    samples_to_ms,
)


class LedgerAccount:
    """One channel's account; it also holds the timeline contiguous. Pure.

    ``received = processed + shed + gap`` holds because each number is counted where it arises: the
    received ones by position on the timeline, the others one by one.
    """

    def __init__(self, channel: Channel, sample_rate_hz: int) -> None:
        self._channel = channel
        self._sample_rate_hz = sample_rate_hz
        self._position_samples = 0
        self._heard_samples = 0
        self._shed_samples = 0
        self._live_shed_samples = 0
        self._gaps: dict[GapCause, int] = {}

    @property
    def position_ms(self) -> int:
        """Media time up to which the channel is accounted for."""
        return samples_to_ms(self._position_samples, self._sample_rate_hz)

    def add_frame(self, frame: AudioFrame) -> None:
        """Count a frame that the stages hear; ValueError when it does not follow on."""
        self._advance(frame.offset_samples, len(frame.pcm), frame.sample_rate_hz)
        self._heard_samples += len(frame.pcm)

    def add_gap(self, gap: MediaGap) -> None:
        """Count a stretch that no stage hears; ValueError when it does not follow on."""
        self._advance(gap.offset_samples, gap.duration_samples, gap.sample_rate_hz)
        self._gaps[gap.cause] = self._gaps.get(gap.cause, 0) + gap.duration_samples

    def add_shed(self, dropped: MediaDropped) -> None:
        """Count audio that was heard and that recognition gave up, or made no live words of."""
        if dropped.stage == "live_words":
            self._live_shed_samples += dropped.duration_samples
        else:
            self._shed_samples += dropped.duration_samples

    def close(self) -> ChannelLedger:
        """The account as it stands."""
        gaps = tuple(
            GapTotal(cause=cause, samples=samples) for cause, samples in sorted(self._gaps.items())
        )
        return ChannelLedger(
            channel=self._channel,
            sample_rate_hz=self._sample_rate_hz,
            received_samples=self._position_samples,
            processed_samples=self._heard_samples - self._shed_samples,
            shed_samples=self._shed_samples,
            gap_samples=sum(self._gaps.values()),
            gaps=gaps,
            live_shed_samples=self._live_shed_samples,
        )

    def _advance(self, offset_samples: int, samples: int, sample_rate_hz: int) -> None:
        if sample_rate_hz != self._sample_rate_hz:
            raise ValueError(
                f"a frame of {sample_rate_hz} Hz in a call of {self._sample_rate_hz} Hz"
            )
        if offset_samples != self._position_samples or samples < 0:
            raise ValueError(
                f"{self._channel} must go on at sample {self._position_samples}, "
                f"not at {offset_samples} with {samples} samples"
            )
        self._position_samples += samples
