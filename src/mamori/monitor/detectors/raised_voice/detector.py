"""The raised-voice detector: the caller's voice against the caller's own calm voice."""

from __future__ import annotations

from collections.abc import Sequence

from mamori.monitor.detectors.raised_voice.baseline import VoiceBaseline
from mamori.monitor.detectors.raised_voice.config import RaisedVoiceConfig
from mamori.monitor.detectors.raised_voice.episodes import Episode, EpisodeTracker
from mamori.monitor.detectors.raised_voice.score import effort, is_machine
from mamori.monitor.detectors.raised_voice.windows import SpeechWindow, SpeechWindows
from mamori.monitor.events import (
    Category,
    Channel,
    Detection,
    Event,
    LoudnessEvidence,
    MediaGap,
    Severity,
    SpeechAudio,
    SpeechEnded,
    SpeechStarted,
)


class RaisedVoiceDetector:
    """Reports sustained raised speech of the customer (or of a mixed channel), never the agent's.

    It says how loudly somebody speaks, not why: joy and fear sound alike. So an episode is an
    ``attention`` first, a ``warning`` when it lasts or returns, and never ``critical`` alone.
    Memory is bounded: half a second of audio, some windows, one episode.
    """

    name: str = "raised_voice"
    interests: tuple[type[Event], ...] = (SpeechStarted, SpeechAudio, SpeechEnded, MediaGap)

    def __init__(self, config: RaisedVoiceConfig, *, call_id: str) -> None:
        self._config = config
        self._call_id = call_id
        self._windows: SpeechWindows | None = None  # made for the rate of the first audio
        self._baseline = VoiceBaseline(config, is_mixed=False)
        self._episodes = EpisodeTracker(config)
        self._channel = Channel.CUSTOMER
        self._quiet_until_ms = 0
        self._reported: Severity | None = None  # the severity that the cooldown is for

    def feed(self, event: Event) -> Sequence[Detection]:
        """Take the next event; return the detection that it completes."""
        if isinstance(event, SpeechAudio):
            if event.channel is Channel.AGENT:
                return ()
            windows = (self._windows or self._start(event)).feed(event.offset_samples, event.pcm)
            return self._judge(windows) if windows else ()
        if isinstance(event, SpeechStarted | SpeechEnded | MediaGap):
            return () if event.channel is Channel.AGENT else self._end_utterance()
        return ()

    def flush(self, offset_ms: int) -> Sequence[Detection]:
        """The call ended: judge what is left of the last utterance."""
        return self._end_utterance()

    def _start(self, audio: SpeechAudio) -> SpeechWindows:
        """The first audio says which channel this is and at what rate it runs."""
        self._channel = audio.channel
        self._baseline = VoiceBaseline(self._config, is_mixed=self._is_mixed)
        self._windows = SpeechWindows(sample_rate_hz=audio.sample_rate_hz)
        return self._windows

    @property
    def _is_mixed(self) -> bool:
        return self._channel is Channel.MIXED

    def _end_utterance(self) -> list[Detection]:
        return self._judge(self._windows.end()) if self._windows else []

    def _judge(self, windows: list[SpeechWindow]) -> list[Detection]:
        detections: list[Detection] = []
        for window in windows:
            measured = effort(
                window, self._baseline.reference, self._config, is_mixed=self._is_mixed
            )
            episode = self._episodes.add(window, measured)
            if episode is not None:
                detections += self._report(episode)
            elif measured.score < self._config.off_score and not is_machine(window):
                self._baseline.learn(window)
        return detections

    def _report(self, episode: Episode) -> list[Detection]:
        config = self._config
        least_ms = config.attention_ms
        if self._baseline.reference.source == "prior":
            least_ms = max(least_ms, config.prior_attention_ms)
            if (episode.f0_hz or 0.0) > config.prior_highest_f0_hz:
                return []
        severity = self._episodes.severity(episode, least_ms=least_ms)
        if severity is None or (episode.reported and severity <= episode.reported):
            return []
        is_cooling = episode.end_offset_ms < self._quiet_until_ms
        if is_cooling and self._reported and severity <= self._reported:
            return []
        episode.reported = self._reported = severity
        self._quiet_until_ms = episode.end_offset_ms + config.cooldown_ms
        return [self._detection(episode, severity)]

    def _detection(self, episode: Episode, severity: Severity) -> Detection:
        reference = self._baseline.reference
        level_dbfs = episode.level_dbfs
        return Detection(
            call_id=self._call_id,
            detector=self.name,
            rule="raised_voice",
            category=Category.RAISED_VOICE,
            channel=self._channel,
            offset_ms=episode.start_offset_ms,
            end_offset_ms=episode.end_offset_ms,
            score=round(episode.score / episode.windows, 3),
            severity=severity,
            evidence=LoudnessEvidence(
                level_dbfs=round(level_dbfs, 1),
                baseline_level_dbfs=round(reference.level_dbfs, 1),
                rise_db=round(level_dbfs - reference.level_dbfs, 1),
                threshold_db=self._config.rise_db,
                balance_rise_db=round(episode.balance_rise_db / episode.windows, 1),
                balance_threshold_db=self._config.balance_rise_db,
                f0_hz=None if episode.f0_hz is None else round(episode.f0_hz, 1),
                baseline_f0_hz=round(reference.f0_hz, 1),
                f0_threshold_semitones=self._config.f0_rise_semitones,
                raised_speech_ms=episode.raised_ms,
                baseline_source=reference.source,
            ),
        )
