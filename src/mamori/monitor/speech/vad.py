"""Voice activity of one channel: whether a frame is speech."""

from __future__ import annotations

from typing import Final

import numpy as np
import webrtcvad

from mamori.monitor.events import Pcm

SAMPLE_RATES_HZ: Final = (8_000, 16_000)
_FRAME_MS: Final = (10, 20, 30)  # webrtcvad takes exactly these
_FULL_SCALE: Final = 32_768.0


class VoiceActivity:
    """webrtcvad behind a level gate; keeps the adaptive noise model of one channel.

    ``sample_rate_hz`` is 8000 or 16000, ``mode`` 0 (lenient) to 3 (strict); frames whose level is
    below ``silence_dbfs`` are silence without asking, so an empty channel costs next to nothing.
    """

    def __init__(self, *, mode: int, silence_dbfs: float, sample_rate_hz: int) -> None:
        if sample_rate_hz not in SAMPLE_RATES_HZ:
            raise ValueError(f"sample_rate_hz must be one of {SAMPLE_RATES_HZ}")
        self._mode = mode
        self._sample_rate_hz = sample_rate_hz
        self._silence_square = (_FULL_SCALE * 10 ** (silence_dbfs / 20)) ** 2
        self._frame_samples = tuple(sample_rate_hz * ms // 1000 for ms in _FRAME_MS)
        self._vad = webrtcvad.Vad(mode)

    def is_speech(self, pcm: Pcm) -> bool:
        """Whether this frame is speech.

        ``pcm`` has 1 sample to 30 ms; a length other than 10, 20 or 30 ms is filled up with zeros
        for the decision. ValueError for an empty or longer frame.
        """
        samples = len(pcm)
        if not 0 < samples <= self._frame_samples[-1]:
            raise ValueError(f"a frame has 1 to {self._frame_samples[-1]} samples, not {samples}")
        signal = pcm.astype(np.float32)
        if float(signal.dot(signal)) < self._silence_square * samples:
            return False
        data = pcm.tobytes()
        if samples not in self._frame_samples:
            whole = next(size for size in self._frame_samples if size >= samples)
            data += bytes(2 * (whole - samples))
        return bool(self._vad.is_speech(data, self._sample_rate_hz))

    def reset(self) -> None:
        """Forget the noise model: what comes next does not follow what came before."""
        self._vad = webrtcvad.Vad(self._mode)
