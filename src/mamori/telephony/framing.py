"""One channel's samples of any number become exact 20 ms frames on the call's timeline.

Positions come from sample counts alone. Rates other than 8000 and 16000 Hz are resampled as a
stream; whatever the sizes of the pieces that come in, the frames that go out are the same.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import soxr
from numpy.typing import NDArray

from mamori.monitor.events import AudioFrame, Channel, GapCause, MediaGap, Pcm

FRAME_MS: Final = 20  # what telephone packets carry, and a length the voice detector takes
_NARROW_HZ: Final = 8_000
_WIDE_HZ: Final = 16_000  # what recognisers want; speech holds little above 8 kHz


def pipeline_rate_hz(wire_rate_hz: int) -> int:
    """The rate of the frames for audio of this rate: 8000 stays 8000, all else becomes 16000."""
    return _NARROW_HZ if wire_rate_hz == _NARROW_HZ else _WIDE_HZ


class ChannelFramer:
    """The frames and gaps of one channel, contiguous from the start of the call."""

    def __init__(self, *, call_id: str, channel: Channel, wire_rate_hz: int) -> None:
        self._call_id = call_id
        self._channel = channel
        self._wire_rate_hz = wire_rate_hz
        self.sample_rate_hz: Final = pipeline_rate_hz(wire_rate_hz)
        self._frame_samples = self.sample_rate_hz * FRAME_MS // 1000
        self.wire_position = 0
        """Wire samples since the call began, gaps included."""
        self._next_offset = 0  # where the next frame begins, in samples of the frames' rate
        self._held: list[Pcm] = []
        self._held_samples = 0
        self._resampler = self._new_resampler()

    def push(self, pcm: Pcm) -> list[AudioFrame]:
        """Take samples at the wire rate, shape (samples,); return the frames they complete."""
        self.wire_position += len(pcm)
        self._hold(self._resampled(pcm, last=False))
        return self._frames()

    def gap(self, wire_samples: int, cause: GapCause) -> list[AudioFrame | MediaGap]:
        """The next ``wire_samples`` are missing: end the stretch, then say so on the timeline."""
        events: list[AudioFrame | MediaGap] = list(self.flush())
        self.wire_position += wire_samples
        end = self._to_frame_rate(self.wire_position)
        # A gap shorter than half a sample of the frames' rate rounds away.
        if end > self._next_offset:
            events.append(
                MediaGap.at(
                    call_id=self._call_id,
                    channel=self._channel,
                    cause=cause,
                    offset_samples=self._next_offset,
                    duration_samples=end - self._next_offset,
                    sample_rate_hz=self.sample_rate_hz,
                )
            )
            self._next_offset = end
        return events

    def flush(self) -> list[AudioFrame]:
        """The stretch of audio ends: return what is held, the last frame as short as it is."""
        self._hold(self._resampled(np.empty(0, np.int16), last=True))
        self._resampler = self._new_resampler()
        frames = self._frames()
        if self._held_samples:
            rest = self._joined()
            self._held, self._held_samples = [], 0
            frames.append(self._frame(rest))
        return frames

    def _new_resampler(self) -> soxr.ResampleStream | None:
        if self._wire_rate_hz == self.sample_rate_hz:
            return None
        # float32: int16 output would be dithered with a random seed, and a replay would differ.
        return soxr.ResampleStream(
            self._wire_rate_hz, self.sample_rate_hz, 1, dtype="float32", quality="HQ"
        )

    def _resampled(self, pcm: Pcm, *, last: bool) -> Pcm:
        if self._resampler is None:
            return pcm
        out: NDArray[np.float32] = self._resampler.resample_chunk(pcm.astype(np.float32), last=last)
        resampled = np.clip(np.rint(out), -32768, 32767).astype(np.int16)
        resampled.flags.writeable = False
        return resampled

    def _to_frame_rate(self, wire_samples: int) -> int:
        """The same position at the frames' rate, rounded half up as the resampler does."""
        doubled = 2 * wire_samples * self.sample_rate_hz + self._wire_rate_hz
        return doubled // (2 * self._wire_rate_hz)

    def _hold(self, pcm: Pcm) -> None:
        if len(pcm):
            self._held.append(pcm)
            self._held_samples += len(pcm)

    def _joined(self) -> Pcm:
        if len(self._held) == 1:
            return self._held[0]
        joined = np.concatenate(self._held)
        joined.flags.writeable = False
        return joined

    def _frames(self) -> list[AudioFrame]:
        size = self._frame_samples
        if self._held_samples < size:
            return []
        pcm = self._joined()
        whole = len(pcm) // size * size
        frames = [self._frame(pcm[start : start + size]) for start in range(0, whole, size)]
        self._held_samples = len(pcm) - whole
        self._held = [pcm[whole:]] if self._held_samples else []
        return frames

    def _frame(self, pcm: Pcm) -> AudioFrame:
        pcm = pcm[:]
        pcm.flags.writeable = False
        frame = AudioFrame(
            call_id=self._call_id,
            channel=self._channel,
            offset_samples=self._next_offset,
            sample_rate_hz=self.sample_rate_hz,
            pcm=pcm,
        )
        self._next_offset = frame.end_offset_samples
        return frame
