"""Recordings as a telephone line carries them: band, gain, automatic gain control and mu-law."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from mamori.monitor.events import Pcm
from mamori.telephony.codecs import decode, encode

Wave = NDArray[np.float64]

RATE_HZ: Final = 8_000
# The telephone band.
_BAND_HZ: Final = (300.0, 3_400.0)
# Clips of actors begin and end in silence; a breath between them keeps them apart.
_BREATH_S: Final = 0.2
# The gain control brings what is above the floor to the target, over half a second.
_STEP_S: Final = 0.02
_AGC_TIME_S: Final = 0.5
_AGC_TARGET_DBFS: Final = -20.0
_AGC_FLOOR_DBFS: Final = -55.0
_AGC_MOST_DB: Final = 30.0
# Pauses lie further below the loudest syllable than this.
_ACTIVE_RANGE_DB: Final = 25.0
_NOMINAL_DBFS: Final = -26.0


@dataclass(frozen=True, slots=True)
class Line:
    """What the line does to a call: ``gain_db``, then the gain control if it has one."""

    gain_db: float = 0.0
    has_agc: bool = False

    def carry(self, wave: Wave) -> Pcm:
        """The samples that arrive, full scale 1 in, 16 bit out."""
        louder = wave * 10 ** (self.gain_db / 20)
        if self.has_agc:
            louder = gain_control(louder)
        return decode("mulaw", encode("mulaw", to_pcm(louder)))


def to_pcm(wave: Wave) -> Pcm:
    """16-bit samples, clipped at full scale."""
    return np.clip(np.rint(wave * 32_768), -32_768, 32_767).astype(np.int16)


def at_nominal_level(wave: Wave) -> Wave:
    """Speech brought to -26 dBFS over its loud 20 ms (ITU-T P.830's active level)."""
    step = round(_STEP_S * RATE_HZ)
    blocks = wave[: len(wave) // step * step].reshape(-1, step)
    powers = np.mean(blocks * blocks, axis=1)
    active = powers[powers > powers.max() * 10 ** (-_ACTIVE_RANGE_DB / 10)]
    return np.asarray(wave * np.sqrt(10 ** (_NOMINAL_DBFS / 10) / np.mean(active)))


def gain_control(wave: Wave) -> Wave:
    """A simple automatic gain: the power of the last half second brought to the target.

    It looks at the past only, and waits in silence.
    """
    step = round(_STEP_S * RATE_HZ)
    keep = float(np.exp(-_STEP_S / _AGC_TIME_S))
    floor = 10 ** (_AGC_FLOOR_DBFS / 10)
    power = 10 ** (_AGC_TARGET_DBFS / 10)
    out = wave.copy()
    for at in range(0, len(wave), step):
        block = wave[at : at + step]
        now = float(np.mean(block * block))
        if now > floor:
            power = keep * power + (1 - keep) * now
        gain_db = _AGC_TARGET_DBFS - 10 * np.log10(power)
        out[at : at + step] *= 10 ** (np.clip(gain_db, -_AGC_MOST_DB, _AGC_MOST_DB) / 20)
    return out


def read_mono(path: Path, rate_hz: int) -> Wave:
    """The first channel of a recording at ``rate_hz``, full scale 1."""
    wave, own_hz = soundfile.read(path, always_2d=True)
    mono = wave[:, 0]
    return np.asarray(mono if own_hz == rate_hz else soxr.resample(mono, own_hz, rate_hz))


@cache
def band(path: Path) -> Wave:
    """The first channel of a recording at 8 kHz, cut to the telephone band, full scale 1."""
    mono = read_mono(path, RATE_HZ)
    padded = 1 << len(mono).bit_length()  # other lengths can be slow
    spectrum = np.fft.rfft(mono, padded)
    hz = np.fft.rfftfreq(padded, 1 / RATE_HZ)
    spectrum[(hz < _BAND_HZ[0]) | (hz > _BAND_HZ[1])] = 0
    return np.asarray(np.fft.irfft(spectrum, padded)[: len(mono)])


def spoken(paths: Sequence[Path], least_s: float = 0.0) -> Wave:
    """The recordings one after another, begun again until there are at least ``least_s``."""
    breath = np.zeros(round(_BREATH_S * RATE_HZ))
    round_ = np.concatenate([part for path in paths for part in (band(path), breath)])
    if len(round_) >= least_s * RATE_HZ:
        return round_
    parts, samples = [], 0
    while samples < least_s * RATE_HZ:
        for path in paths:
            if samples < least_s * RATE_HZ:
                parts += [band(path), breath]
                samples += len(parts[-2]) + len(breath)
    return np.concatenate(parts)
