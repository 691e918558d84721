"""Raised windows in a row become episodes, and episodes deserve a severity."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from mamori.monitor.detectors.raised_voice.config import RaisedVoiceConfig
from mamori.monitor.detectors.raised_voice.score import Effort
from mamori.monitor.detectors.raised_voice.windows import HOP_MS, SpeechWindow
from mamori.monitor.events import Severity

# Three of the last four windows, so that single loud words far apart do not add up.
_DENSE_WINDOWS: Final = 4
_DENSE_RAISED: Final = 3


@dataclass(slots=True, kw_only=True)
class Episode:
    """A stretch of raised speech; sums over its raised windows."""

    start_offset_ms: int
    end_offset_ms: int
    raised_ms: int = 0
    windows: int = 0
    level_power: float = 0.0
    balance_rise_db: float = 0.0
    score: float = 0.0
    f0s_hz: deque[float] = field(default_factory=lambda: deque(maxlen=60))
    reported: Severity | None = None
    is_counted: bool = False

    def add(self, window: SpeechWindow, measured: Effort) -> None:
        """Take a raised window in."""
        self.end_offset_ms = window.end_offset_ms
        self.raised_ms += HOP_MS
        self.windows += 1
        self.level_power += 10 ** (window.level_dbfs / 10)
        self.balance_rise_db += measured.balance_rise_db
        self.score += measured.score
        if window.f0_hz is not None:
            self.f0s_hz.append(window.f0_hz)

    @property
    def level_dbfs(self) -> float:
        """Mean active level of the raised speech."""
        return float(10 * np.log10(self.level_power / self.windows))

    @property
    def f0_hz(self) -> float | None:
        """Median pitch of the raised speech, of its last half minute when longer."""
        return float(np.median(self.f0s_hz)) if self.f0s_hz else None


class EpisodeTracker:
    """Hysteresis, merging of gaps, the least duration, and how severe an episode is."""

    def __init__(self, config: RaisedVoiceConfig) -> None:
        self._config = config
        self._episode: Episode | None = None
        self._recent: deque[bool] = deque(maxlen=_DENSE_WINDOWS)
        self._counted_ms: deque[int] = deque(maxlen=config.warning_episodes)

    def add(self, window: SpeechWindow, measured: Effort) -> Episode | None:
        """Take the next window; return the episode when this window belongs to one."""
        config = self._config
        episode = self._episode
        if episode and window.start_offset_ms - episode.end_offset_ms > config.episode_gap_ms:
            self._episode = episode = None
            self._recent.clear()
        threshold = config.off_score if self.is_on else config.on_score
        is_raised = measured.score >= threshold
        self._recent.append(is_raised)
        if not is_raised:
            return None
        if episode is None:
            self._episode = episode = Episode(
                start_offset_ms=window.start_offset_ms, end_offset_ms=window.end_offset_ms
            )
        episode.add(window, measured)
        return episode

    @property
    def is_on(self) -> bool:
        """Whether raised speech is going on densely enough for the lower threshold to hold."""
        return sum(self._recent) >= _DENSE_RAISED

    def severity(self, episode: Episode, *, least_ms: int) -> Severity | None:
        """What the episode deserves now; None before ``least_ms`` of dense raised speech."""
        if episode.raised_ms < least_ms or not self.is_on:
            return None
        config = self._config
        if not episode.is_counted:
            episode.is_counted = True
            self._counted_ms.append(episode.end_offset_ms)
        oldest_ms = episode.end_offset_ms - config.episode_window_ms
        episodes = sum(counted_ms >= oldest_ms for counted_ms in self._counted_ms)
        is_long = episode.raised_ms >= max(config.warning_ms, least_ms)
        if is_long or episodes >= config.warning_episodes:
            return Severity.WARNING
        return Severity.ATTENTION
