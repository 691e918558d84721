"""A voice that voice activity detection takes for one."""

from collections.abc import Callable

import numpy as np
import pytest

from mamori.monitor.events import Pcm

MakeVoice = Callable[..., Pcm]


def make_voice(duration_ms: int, *, rate: int = 8_000, peak: float = 8_000.0) -> Pcm:
    """Harmonics of 140 Hz, modulated at the pace of syllables."""
    seconds = np.arange(duration_ms * rate // 1000) / rate
    harmonics = sum(np.sin(2 * np.pi * 140 * n * seconds + n * n) / n for n in range(1, 24))
    envelope = 0.6 + 0.4 * np.sin(2 * np.pi * 4 * seconds)
    return np.asarray(peak / 3 * envelope * harmonics, dtype=np.int16)


@pytest.fixture(scope="session")
def voice() -> MakeVoice:
    """``voice(duration_ms, rate=8000, peak=8000.0)`` makes int16 samples."""
    return make_voice
