"""How the caller speaks when the voice is not raised."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from mamori.monitor.detectors.raised_voice.config import RaisedVoiceConfig
from mamori.monitor.detectors.raised_voice.windows import HOP_MS, SpeechWindow

# A band this wide around the median holds most calm windows: 1.28 standard deviations is the
# ninetieth percentile of a normal distribution.
_SPREAD_FACTOR: Final = 1.28


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """What windows are compared with.

    ``level_dbfs``, ``balance_db``, ``f0_hz`` are medians of calm speech; ``balance_spread_db`` and
    ``f0_spread_semitones`` how far calm windows stray from them.
    """

    source: Literal["caller", "prior"]
    level_dbfs: float
    balance_db: float
    f0_hz: float
    balance_spread_db: float
    f0_spread_semitones: float


def semitones(f0_hz: float, reference_hz: float) -> float:
    """Distance of two pitches in semitones; both above 0."""
    return 12 * math.log2(f0_hz / reference_hz)


class VoiceBaseline:
    """Learns the caller's reference from calm windows; the prior stands in until enough are there.

    Up to ``baseline_full_ms`` of active speech it is the median of all windows so far; after that
    it follows slowly, upwards more slowly than downwards. With ``is_mixed``, two people on one
    channel, it is the upper quantile of the latest windows instead.
    """

    def __init__(self, config: RaisedVoiceConfig, *, is_mixed: bool) -> None:
        self._config = config
        self._is_mixed = is_mixed
        self._quantile = config.mixed_quantile if is_mixed else 0.5
        speakers = 2 if is_mixed else 1
        self._ready_windows = speakers * config.baseline_ready_ms // HOP_MS
        self._full_windows = speakers * config.baseline_full_ms // HOP_MS
        self._windows: deque[tuple[float, float, float]] = deque(maxlen=self._full_windows)
        self.reference = Reference(
            source="prior",
            level_dbfs=config.prior_level_dbfs,
            balance_db=config.prior_balance_db,
            f0_hz=config.prior_f0_hz,
            balance_spread_db=0.0,
            f0_spread_semitones=0.0,
        )

    def learn(self, window: SpeechWindow) -> None:
        """Take a calm window into the baseline; one without a pitch tells too little of a voice."""
        if window.f0_hz is None:
            return
        if len(self._windows) < self._full_windows or self._is_mixed:
            self._windows.append((window.level_dbfs, window.balance_db, window.f0_hz))
            if len(self._windows) >= self._ready_windows:
                self._set_from_windows()
        else:
            self._follow(window, window.f0_hz)

    def _set_from_windows(self) -> None:
        measured = np.array(self._windows)
        level_dbfs, balance_db, f0_hz = np.quantile(measured, self._quantile, axis=0).tolist()
        _, balances, pitches = measured.T
        self.reference = Reference(
            source="caller",
            level_dbfs=level_dbfs,
            balance_db=balance_db,
            f0_hz=f0_hz,
            balance_spread_db=_spread(np.abs(balances - balance_db)),
            f0_spread_semitones=_spread(12 * np.abs(np.log2(pitches / f0_hz))),
        )

    def _follow(self, window: SpeechWindow, f0_hz: float) -> None:
        now = self.reference
        self.reference = Reference(
            source="caller",
            level_dbfs=now.level_dbfs + self._step(window.level_dbfs - now.level_dbfs),
            balance_db=now.balance_db + self._step(window.balance_db - now.balance_db),
            f0_hz=now.f0_hz * 2 ** (self._step(semitones(f0_hz, now.f0_hz)) / 12),
            balance_spread_db=now.balance_spread_db,
            f0_spread_semitones=now.f0_spread_semitones,
        )

    def _step(self, difference: float) -> float:
        """The part of a difference that one hop of speech takes over."""
        config = self._config
        time_ms = config.baseline_rise_time_ms if difference > 0 else config.baseline_fall_time_ms
        return difference * HOP_MS / time_ms


def _spread(distances: np.typing.NDArray[np.float64]) -> float:
    """A robust standard deviation (1.48 times the median distance) at the ninetieth percentile."""
    return float(np.median(distances)) * 1.4826 * _SPREAD_FACTOR
