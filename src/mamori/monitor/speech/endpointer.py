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
    FULL = "full"
    """The frame makes the utterance too long: ``cut`` it before the next one."""


class Endpointer:
    """Onset, hangover and longest utterance of one channel.

    An utterance opens once ``onset_speech_ms`` of the last ``onset_window_ms`` are speech. It then
    reaches back over that window and ``pre_roll_ms`` before it, never into an earlier utterance.
    It closes after ``hangover_ms`` without speech; the longer it gets, the shorter a pause will do:
    from ``hangover_falls_from_ms`` the hangover falls evenly to ``late_hangover_ms``, reached where
    the search for a place to cut begins. All counting is in samples of the call's timeline, so it
    is exact at any frame length.
    """

    def __init__(self, config: SpeechConfig, *, sample_rate_hz: int) -> None:
        def samples(duration_ms: int) -> int:
            return duration_ms * sample_rate_hz // 1000

        self._window_samples = samples(config.onset_window_ms)
        self._onset_samples = samples(config.onset_speech_ms)
        self._hangover_samples = samples(config.hangover_ms)
        self._late_hangover_samples = samples(config.late_hangover_ms)
        self._falls_from_samples = samples(config.hangover_falls_from_ms)
        self._longest_samples = samples(config.longest_utterance_ms)
        self._search_from_samples = samples(config.longest_utterance_ms - config.cut_search_ms)
        self.history_samples = samples(config.onset_window_ms + config.pre_roll_ms)
        """How far back an opening utterance can reach."""
        self.utterance_samples = 0
        """Length of the open utterance, pre-roll and holes included; 0 while none is open."""
        self.quiet_samples = 0
        """How long there has been no speech, whether an utterance is open or not."""
        self._window: deque[tuple[bool, int]] = deque()
        self._window_length = 0

    @property
    def is_open(self) -> bool:
        """Whether an utterance is open."""
        return self.utterance_samples > 0

    @property
    def is_nearly_full(self) -> bool:
        """Whether the open utterance has come to where it may have to be cut."""
        return self.utterance_samples > self._search_from_samples

    def process(self, is_speech: bool, duration_samples: int) -> Verdict:
        """Take the decision on the next ``duration_samples`` (> 0), a frame or a short hole."""
        self.quiet_samples = 0 if is_speech else self.quiet_samples + duration_samples
        if self.utterance_samples == 0:
            return self._wait(is_speech, duration_samples)
        self.utterance_samples += duration_samples
        if self.utterance_samples > self._longest_samples:
            return Verdict.FULL
        quiet_samples = self.quiet_samples
        if quiet_samples < self._late_hangover_samples or quiet_samples < self._hangover():
            return Verdict.SPEAKING
        self._close()
        return Verdict.ENDED

    def cut(self, rest_samples: int) -> bool:
        """End the utterance ``rest_samples`` ago; whether the rest is the beginning of another.

        It is if there is speech in it; if not, the next utterance may still reach back over it.
        """
        self._close()
        if self.quiet_samples < rest_samples:
            self.utterance_samples = rest_samples
            return True
        self._wait(False, rest_samples)
        return False

    def reset(self) -> None:
        """Forget everything: what comes next does not follow what came before."""
        self._close()
        self.quiet_samples = 0

    def _close(self) -> None:
        self.utterance_samples = 0
        self._window.clear()
        self._window_length = 0

    def _hangover(self) -> int:
        """The pause that ends an utterance of the present length."""
        late = self.utterance_samples - self._falls_from_samples
        if late <= 0:
            return self._hangover_samples
        over = self._search_from_samples - self._falls_from_samples
        fall = self._hangover_samples - self._late_hangover_samples
        return self._hangover_samples - (fall * late // over if late < over else fall)

    def _wait(self, is_speech: bool, duration_samples: int) -> Verdict:
        """Look for the onset; ``_window`` holds all that an opening utterance may reach back to."""
        self._window.append((is_speech, duration_samples))
        self._window_length += duration_samples
        while self._window_length - self._window[0][1] >= self.history_samples:
            self._window_length -= self._window.popleft()[1]
        if not is_speech or self._recent_speech_samples() < self._onset_samples:
            return Verdict.QUIET
        length = min(self._window_length, self.history_samples)
        self._close()
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
