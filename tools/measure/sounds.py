"""Sounds that no voice makes, calculated: silence, noise, and the tones of a telephone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

import numpy as np
from tools.measure.line import Wave

_SECONDS: Final = 10
_SEED: Final = 1
_DTMF_ROWS_HZ: Final = (697, 770, 852, 941)
_DTMF_COLUMNS_HZ: Final = (1209, 1336, 1477)
_KEYS_PER_S: Final = 4
_TONE_AMPLITUDE: Final = 0.1


def _silence(rate_hz: int) -> Wave:
    return np.zeros(_SECONDS * rate_hz)


def _noise(dbfs: float) -> Callable[[int], Wave]:
    def made(rate_hz: int) -> Wave:
        white = np.random.default_rng(_SEED).standard_normal(_SECONDS * rate_hz)
        return np.asarray(white * 10 ** (dbfs / 20))

    return made


def _times(rate_hz: int) -> Wave:
    return np.arange(_SECONDS * rate_hz) / rate_hz


def _ringback(rate_hz: int) -> Wave:
    """Japan's: 400 Hz modulated with 16 Hz, one second of three."""
    t = _times(rate_hz)
    tone = np.sin(2 * np.pi * 400 * t) * (1 + np.sin(2 * np.pi * 16 * t)) / 2
    return np.asarray(_TONE_AMPLITUDE * tone * (t % 3 < 1))


def _keys(rate_hz: int) -> Wave:
    """Twelve keys again and again, half of the time pressed (ITU-T Q.23)."""
    t = _times(rate_hz)
    key = (t * _KEYS_PER_S).astype(int) % 12
    row, column = np.array(_DTMF_ROWS_HZ)[key // 3], np.array(_DTMF_COLUMNS_HZ)[key % 3]
    tone = np.sin(2 * np.pi * row * t) + np.sin(2 * np.pi * column * t)
    return np.asarray(_TONE_AMPLITUDE * tone * (t * _KEYS_PER_S % 1 < 0.5))


def _hum(rate_hz: int) -> Wave:
    """Mains of 50 Hz with odd harmonics, as a bad ground gives."""
    t = _times(rate_hz)
    parts = [np.sin(2 * np.pi * 50 * n * t) / n for n in (1, 3, 5, 7)]
    return np.asarray(_TONE_AMPLITUDE / 2 * np.sum(parts, axis=0))


MADE: Final[Mapping[str, Callable[[int], Wave]]] = MappingProxyType(
    {
        "digital silence": _silence,
        "white noise, -65 dBFS": _noise(-65),
        "white noise, -50 dBFS": _noise(-50),
        "white noise, -35 dBFS": _noise(-35),
        "ringback tone": _ringback,
        "keys (DTMF)": _keys,
        "mains hum": _hum,
    }
)
"""Ten seconds of each at a rate in Hz, full scale 1; the same samples every time."""
