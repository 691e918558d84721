"""One second of active speech after another: what the detector compares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from mamori.monitor.detectors.raised_voice.features import (
    FRAME_STEP_MS,
    FeatureExtractor,
    Floats,
    FrameFeatures,
)
from mamori.monitor.events import Pcm

HOP_MS: Final = 500
_WINDOW_MS: Final = 1_000
_HOP_FRAMES: Final = HOP_MS // FRAME_STEP_MS
_WINDOW_FRAMES: Final = _WINDOW_MS // FRAME_STEP_MS
# Frames this far below the talker's peak are pauses, not voice (a plain form of P.56's margin).
_ACTIVE_MARGIN_DB: Final = 20.0
_ACTIVE_FLOOR_DBFS: Final = -80.0  # below what 16-bit audio can tell from nothing
# The peak is forgotten at this pace of speech, so that quiet talk after a shout is heard again.
_PEAK_DECAY_DB_PER_FRAME: Final = 3.0 * FRAME_STEP_MS / 1000
# Pauses up to 200 ms belong to active speech (hangover of ITU-T P.56).
_HOLD_FRAMES: Final = 200 // FRAME_STEP_MS
# Speech from before a longer pause says nothing about the voice now.
_STALE_MS: Final = 3_000
# Half seconds of steady speech stay within about 4 dB of their second; a fall by more is an end.
_FALLEN_DB: Final = 6.0
_VOICED: Final = 0.5  # autocorrelation of voiced frames at telephone band: mostly 0.6-0.9
_MIN_LOUD_FRAMES: Final = 12
_MIN_VOICED_FRAMES: Final = 6  # 120 ms, a short vowel


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechWindow:
    """Up to 1 s of active speech that ends at ``end_offset_ms``; the last 0.5 s of it are new.

    ``level_dbfs``: active level, of the new half second alone where a shout has just ended;
    ``balance_db``: 1-3.4 kHz over 0.3-1 kHz, median of frames;
    ``f0_hz``: median of voiced frames, None where there are too few; ``level_sd_db`` and
    ``f0_spread_semitones``: how much level and pitch move (a machine's do not);
    ``peak_ratio``: share of the power in its strongest 100 Hz; ``clipped_ratio``: of samples.
    """

    start_offset_ms: int
    end_offset_ms: int
    level_dbfs: float
    balance_db: float
    f0_hz: float | None
    level_sd_db: float
    f0_spread_semitones: float
    peak_ratio: float
    clipped_ratio: float


class SpeechWindows:
    """Cuts utterance audio into windows; holds at most half a second of audio and 1 s of frames."""

    def __init__(self, *, sample_rate_hz: int) -> None:
        self._extractor = FeatureExtractor(sample_rate_hz=sample_rate_hz)
        self._block_samples = sample_rate_hz * HOP_MS // 1000
        self._parts: list[Pcm] = []
        self._samples = 0
        self._start_samples = 0  # position of the first sample in _parts
        self._frames = np.empty((0, 9))  # rows as _rows makes them, oldest first
        self._new_frames = 0
        self._peak_dbfs = -120.0
        self._since_loud = _HOLD_FRAMES + 1

    def feed(self, offset_samples: int, pcm: Pcm) -> list[SpeechWindow]:
        """Take the utterance's next audio; mostly an append, real work twice a second."""
        if not self._parts:
            self._start_samples = offset_samples
        self._parts.append(pcm)
        self._samples += len(pcm)
        if self._samples < self._block_samples:
            return []
        return self._analyse()

    def end(self) -> list[SpeechWindow]:
        """The utterance is over: analyse what is left of it."""
        windows = self._analyse() if self._samples >= self._extractor.frame_samples else []
        self._parts.clear()
        self._samples = 0
        return windows

    def _analyse(self) -> list[SpeechWindow]:
        pcm = np.concatenate(self._parts)
        features = self._extractor.extract(pcm)
        rows = self._active_rows(features)
        used = len(features.level_dbfs) * self._extractor.step_samples
        self._parts = [pcm[used:]]
        self._samples -= used
        self._start_samples += used
        windows: list[SpeechWindow] = []
        for start in range(0, len(rows), _HOP_FRAMES):
            windows += self._add(rows[start : start + _HOP_FRAMES])
        return windows

    def _add(self, rows: Floats) -> list[SpeechWindow]:
        due = self._new_frames + len(rows) - _HOP_FRAMES
        windows: list[SpeechWindow] = []
        if due >= 0:
            split = len(rows) - due
            self._keep(rows[:split])
            windows = self._window()
            rows, self._new_frames = rows[split:], 0
        self._keep(rows)
        self._new_frames += len(rows)
        return windows

    def _keep(self, rows: Floats) -> None:
        if len(rows):
            frames = np.concatenate((self._frames, rows))[-_WINDOW_FRAMES:]
            self._frames = frames[frames[:, 0] >= frames[-1, 0] - _STALE_MS]

    def _active_rows(self, features: FrameFeatures) -> Floats:
        """Rows of active frames: end_ms, loud, level, low, high, f0, voicing, clipped, peak."""
        level = features.level_dbfs
        count = len(level)
        block_peak = float(np.partition(level, -2)[-2] if count > 1 else level[0])
        decayed = self._peak_dbfs - _PEAK_DECAY_DB_PER_FRAME * count
        self._peak_dbfs = max(block_peak, decayed)
        loud = level >= max(self._peak_dbfs - _ACTIVE_MARGIN_DB, _ACTIVE_FLOOR_DBFS)
        index = np.arange(count)
        last_loud = np.maximum.accumulate(np.where(loud, index, -1 - self._since_loud))
        since_loud = index - last_loud
        self._since_loud = min(int(since_loud[-1]), _HOLD_FRAMES + 1)
        step = self._extractor.step_samples
        ends = self._start_samples + index * step + self._extractor.frame_samples
        rows = np.column_stack(
            (
                ends * 1000 // self._extractor.sample_rate_hz,
                loud,
                level,
                features.low,
                features.high,
                features.f0_hz,
                features.voicing,
                features.clipped_ratio,
                features.peak_ratio,
            )
        )
        return np.asarray(rows[since_loud <= _HOLD_FRAMES])

    def _window(self) -> list[SpeechWindow]:
        loud = self._frames[self._frames[:, 1] > 0]
        if len(loud) < _MIN_LOUD_FRAMES:
            return []
        _, _, level, low, high, f0, voicing, clipped, peak = loud.T
        voiced_f0 = f0[voicing >= _VOICED]
        is_voiced = len(voiced_f0) >= _MIN_VOICED_FRAMES
        quartiles = np.percentile(voiced_f0, (25, 75)) if is_voiced else (1.0, 1.0)
        balance = 10 * np.log10((high + 1e-12) / (low + 1e-12))
        newest = self._frames[-_HOP_FRAMES:]
        newest_loud = newest[newest[:, 1] > 0]
        if len(newest_loud) == 0:
            return []
        level_dbfs = _mean_dbfs(low + high)
        newest_dbfs = _mean_dbfs(newest_loud[:, 3] + newest_loud[:, 4])
        has_fallen = newest_dbfs < level_dbfs - _FALLEN_DB
        window = SpeechWindow(
            start_offset_ms=int(newest[0, 0]) - FRAME_STEP_MS,
            end_offset_ms=int(self._frames[-1, 0]),
            level_dbfs=newest_dbfs if has_fallen else level_dbfs,
            balance_db=float(np.median(balance)),
            f0_hz=float(np.median(voiced_f0)) if is_voiced else None,
            level_sd_db=float(np.std(level)),
            f0_spread_semitones=float(12 * np.log2(quartiles[1] / quartiles[0])),
            peak_ratio=float(np.median(peak)),
            clipped_ratio=float(np.mean(clipped)),
        )
        return [window]


def _mean_dbfs(power: Floats) -> float:
    """Level of frames of this power (full scale = 1)."""
    return float(10 * np.log10(np.mean(power) + 1e-12))
