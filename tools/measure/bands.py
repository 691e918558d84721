"""Recordings as three lines carry them: wide band, 8 kHz mu-law, mu-law within 300-3400 Hz."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Final

import numpy as np
from tools.measure.line import Wave, band, read_mono, to_pcm

from mamori.monitor.events import Pcm
from mamori.telephony.codecs import decode, encode

WIDE_RATE_HZ: Final = 16_000
LINE_RATE_HZ: Final = 8_000
# Full scale is 1. Recordings come at any level; speech peaks about here on a line.
_SPEECH_PEAK: Final = 0.35


class Band(StrEnum):
    """A line. A real one lies between ``MULAW``, which filters nothing, and ``TELEPHONE``."""

    WIDE = "16 kHz"
    MULAW = "µ-law"
    TELEPHONE = "telephone band"

    @property
    def rate_hz(self) -> int:
        """The rate at which a node gets the call."""
        return WIDE_RATE_HZ if self is Band.WIDE else LINE_RATE_HZ


def carried(path: Path, line: Band, *, levelled: bool = True) -> Pcm:
    """The first channel of a recording as ``line`` delivers it; ``levelled`` to one peak."""
    wave = band(path) if line is Band.TELEPHONE else read_mono(path, line.rate_hz)
    return through(at_speech_peak(wave) if levelled else wave, line)


def through(wave: Wave, line: Band) -> Pcm:
    """Samples of full scale 1 at the line's rate, coded as the line codes them."""
    pcm = to_pcm(wave)
    return pcm if line is Band.WIDE else decode("mulaw", encode("mulaw", pcm))


def at_speech_peak(wave: Wave) -> Wave:
    """The wave with its highest sample at 0.35; silence as it is."""
    peak = float(np.max(np.abs(wave), initial=0.0))
    return wave * (_SPEECH_PEAK / peak) if peak > 0 else wave
