"""Where an utterance starts and ends: a state machine on decisions and durations, without audio."""

from __future__ import annotations

from collections import deque
from enum import StrEnum

from mamori.monitor.speech.config import SpeechConfig


class Verdict(StrEnum):
    """What one frame means for the utterance."""

    QUIET = "quiet"
    """No utterance is open."""
    STARTED = "started"
    """An utterance opened; it begins ``utterance_samples`` before the end of this frame."""
    SPEAKING = "speaking"
    """The frame belongs to the open utterance."""
    ENDED = "ended"
    """The frame is the utterance's last: the hangover is over."""
    SPLIT = "split"
    """The utterance is full and ended before this frame, which begins the next one."""
    FULL = "full"
    """The utterance is full and ended before this frame, which is silence."""


class Endpointer:
    """Onset, hangover and longest utterance of one channel.

    An utterance opens once ``onset_speech_ms`` of the last ``onset_window_ms`` are speech. It then
    reaches back over that window and ``pre_roll_ms`` before it, never into an earlier utterance.
    It closes after ``hangover_ms`` without speech, and before it would pass
    ``longest_utterance_ms``. All counting is in samples, so it is exact at any frame length.
    """

    def __init__(self, config: SpeechConfig, *, sample_rate_hz: int) -> None:
        def samples(duration_ms: int) -> int:
            return duration_ms * sample_rate_hz // 1000

        self._window_samples = samples(config.onset_window_ms)
        self._onset_samples = samples(config.onset_speech_ms)
        self._hangover_samples = samples(config.hangover_ms)
        self._longest_samples = samples(config.longest_utterance_ms)
        self.history_samples = samples(config.onset_window_ms + config.pre_roll_ms)
        """How far back an opening utterance can reach."""
        self.utterance_samples = 0
        """Length of the open utterance, pre-roll included; 0 while none is open."""
        self._window: deque[tuple[bool, int]] = deque()
        self._window_length = 0
        self._quiet_samples = 0

    @property
    def is_open(self) -> bool:
        """Whether an utterance is open."""
        return self.utterance_samples > 0

    def process(self, is_speech: bool, duration_samples: int) -> Verdict:
        """Take the decision on the next frame of ``duration_samples`` (> 0)."""
        if self.utterance_samples == 0:
            return self._wait(is_speech, duration_samples)
        if self.utterance_samples + duration_samples > self._longest_samples:
            self.reset()
            if not is_speech:
                self._wait(is_speech, duration_samples)
                return Verdict.FULL
            self.utterance_samples = duration_samples
            return Verdict.SPLIT
        self.utterance_samples += duration_samples
        self._quiet_samples = 0 if is_speech else self._quiet_samples + duration_samples
        if self._quiet_samples < self._hangover_samples:
            return Verdict.SPEAKING
        self.reset()
        return Verdict.ENDED

    def reset(self) -> None:
        """Forget everything: the timeline was interrupted or the utterance is over."""
        self.utterance_samples = 0
        self._window.clear()
        self._window_length = self._quiet_samples = 0

    def _wait(self, is_speech: bool, duration_samples: int) -> Verdict:
        """Look for the onset; ``_window`` holds all that an opening utterance may reach back to."""
        self._window.append((is_speech, duration_samples))
        self._window_length += duration_samples
        while self._window_length - self._window[0][1] >= self.history_samples:
            self._window_length -= self._window.popleft()[1]
        if not is_speech or self._recent_speech_samples() < self._onset_samples:
            return Verdict.QUIET
        length = min(self._window_length, self.history_samples)
        self.reset()
        self.utterance_samples = length
        return Verdict.STARTED

    def _recent_speech_samples(self) -> int:
        """Speech within the last onset window."""
        speech = length = 0
        for is_speech, duration_samples in reversed(self._window):
            within = min(duration_samples, self._window_samples - length)
            speech += within if is_speech else 0
            length += within
            if length >= self._window_samples:
                break
        return speech
