"""All audio of one call: bytes of any length in, frames and gaps of every channel out."""

from __future__ import annotations

from itertools import chain
from typing import Final

from mamori.monitor.events import AudioFrame, GapCause, MediaDropped, MediaGap
from mamori.telephony.codecs import MediaFormat, decode, deinterleave
from mamori.telephony.framing import ChannelFramer
from mamori.telephony.inflow import InflowConfig, InflowGuard

MediaEvent = AudioFrame | MediaGap | MediaDropped
"""What audio becomes on the way in."""


class CallIntake:
    """The media of one call across all its connections; ``now_ns`` is any monotonic clock.

    Bytes that do not fill a sample of every channel wait for the next message. Every sample that
    came is in exactly one frame or gap of its channel.
    """

    def __init__(
        self, *, call_id: str, media: MediaFormat, inflow: InflowConfig, now_ns: int
    ) -> None:
        self._call_id = call_id
        self.media: Final = media
        self._guard = InflowGuard(inflow, sample_rate_hz=media.sample_rate_hz, now_ns=now_ns)
        self._framers = [
            ChannelFramer(call_id=call_id, channel=channel, wire_rate_hz=media.sample_rate_hz)
            for channel in media.channels
        ]
        self._carry = b""
        self._skip_groups = 0
        self._pending_drop = 0  # groups refused and not yet told
        self.dropped_samples = 0
        self._heard_ns = now_ns

    @property
    def position_ms(self) -> int:
        """Media time of all audio and gaps so far, what is still untold included."""
        return self._position_groups * 1000 // self.media.sample_rate_hz

    @property
    def _position_groups(self) -> int:
        return self._framers[0].wire_position + self._pending_drop

    def receive(self, data: bytes, now_ns: int) -> list[MediaEvent]:
        """Take the next bytes of the wire, in order."""
        self._heard_ns = now_ns
        group_bytes = self.media.group_bytes
        if self._carry:
            data = self._carry + data
        groups = len(data) // group_bytes
        self._carry = data[groups * group_bytes :]
        first = min(self._skip_groups, groups)
        self._skip_groups -= first
        groups -= first
        if groups == 0:
            return []
        admitted = self._guard.admit(groups, now_ns)
        events: list[MediaEvent] = []
        if admitted:
            start = first * group_bytes
            events += self._tell_drop()
            events += self._push(data[start : start + admitted * group_bytes])
        if admitted < groups:
            events += self._drop(groups - admitted)
        return events

    def wait_ns(self, data_bytes: int, now_ns: int) -> int:
        """How long to wait until this many bytes would come in without a drop."""
        return self._guard.wait_ns(-(-data_bytes // self.media.group_bytes), now_ns)

    def gap(self, duration_ms: int, cause: GapCause, now_ns: int) -> list[MediaEvent]:
        """The sender says that this much of the call is missing from here on."""
        self._heard_ns = now_ns
        groups = duration_ms * self.media.sample_rate_hz // 1000
        return [*self._tell_drop(), *self._gap(groups, cause)]

    @property
    def odd_bytes(self) -> int:
        """Bytes that came and do not yet fill a sample of every channel."""
        return len(self._carry)

    def disconnected(self) -> None:
        """The connection is gone, and with it the rest of an unfinished sample."""
        self._carry = b""
        self._skip_groups = 0

    def reconnected(self, position_ms: int | None, now_ns: int) -> list[MediaEvent]:
        """A new connection goes on with the call; what lies between is lost and becomes a gap.

        ``position_ms`` is the media time of its first sample as the sender states it. Audio from
        before what already came is skipped. A position that wall time does not allow, or none,
        leaves it to the clock: the gap is as long as nothing was heard.
        """
        silent_groups = (now_ns - self._heard_ns) * self.media.sample_rate_hz // 1_000_000_000
        missing = silent_groups
        if position_ms is not None:
            stated = position_ms * self.media.sample_rate_hz // 1000 - self._position_groups
            if stated <= silent_groups + self._guard.ahead_samples:
                missing = stated
        self._heard_ns = now_ns
        if missing < 0:
            self._skip_groups = -missing
            return []
        return [*self._tell_drop(), *self._gap(missing, GapCause.LOSS)]

    def finish(self) -> list[MediaEvent]:
        """The call ends: everything held comes out."""
        told = self._tell_drop()
        tails = [framer.flush() for framer in self._framers]
        return [*told, *chain.from_iterable(zip(*tails, strict=True))]

    def _push(self, data: bytes) -> list[MediaEvent]:
        planes = deinterleave(decode(self.media.encoding, data), len(self._framers))
        framed = [framer.push(pcm) for framer, pcm in zip(self._framers, planes, strict=True)]
        # All channels hold the same number of samples, so their frames pair up in time.
        return list(chain.from_iterable(zip(*framed, strict=True)))

    def _drop(self, groups: int) -> list[MediaEvent]:
        self.dropped_samples += groups
        self._pending_drop += groups
        events: list[MediaEvent] = []
        # Told a second at a time, so that a long flood is visible while it lasts.
        while self._pending_drop >= self.media.sample_rate_hz:
            events += self._tell_drop(self.media.sample_rate_hz)
        return events

    def _tell_drop(self, groups: int | None = None) -> list[MediaEvent]:
        told = self._pending_drop if groups is None else groups
        if told == 0:
            return []
        self._pending_drop -= told
        events: list[MediaEvent] = []
        for event in self._gap(told, GapCause.DROPPED):
            events.append(event)
            if isinstance(event, MediaGap):
                events.append(_dropped(event))
        return events

    def _gap(self, groups: int, cause: GapCause) -> list[AudioFrame | MediaGap]:
        if groups <= 0:
            return []
        gaps = [framer.gap(groups, cause) for framer in self._framers]
        return list(chain.from_iterable(zip(*gaps, strict=True)))


def _dropped(gap: MediaGap) -> MediaDropped:
    return MediaDropped(
        call_id=gap.call_id,
        channel=gap.channel,
        offset_ms=gap.offset_ms,
        duration_ms=gap.duration_ms,
        duration_samples=gap.duration_samples,
        stage="ingest",
        code="flood",
    )
