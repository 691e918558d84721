"""A voice that voice activity detection takes for one, and a line that counts what came of it."""

from collections.abc import Callable

import numpy as np
import pytest

from mamori.monitor.events import (
    AudioFrame,
    Channel,
    GapCause,
    MediaGap,
    Pcm,
    SpeechAudio,
    SpeechEndCause,
    SpeechEnded,
    SpeechEvent,
    SpeechStarted,
)
from mamori.monitor.speech import ChannelSpeech, SpeechConfig

MakeVoice = Callable[..., Pcm]


class Line:
    """One channel of a call, and everything that the stage says about it."""

    def __init__(self, config: SpeechConfig | None = None, rate: int = 8_000) -> None:
        self.rate = rate
        self.stage = ChannelSpeech(
            config or SpeechConfig(),
            call_id="call-1",
            channel=Channel.CUSTOMER,
            sample_rate_hz=rate,
        )
        self.events: list[SpeechEvent] = []
        self.timeline = np.zeros(0, np.int16)
        self.received = np.zeros(0, np.bool_)

    def hear(self, pcm: Pcm, frame_ms: int = 20) -> list[SpeechEvent]:
        """The next audio, in frames of which the last may be short."""
        start, size = len(self.timeline), self.rate * frame_ms // 1000
        pcm = pcm.copy()
        pcm.setflags(write=False)
        self._went_by(pcm, received=True)
        heard: list[SpeechEvent] = []
        for at in range(0, len(pcm), size):
            frame = AudioFrame(
                call_id="call-1",
                channel=Channel.CUSTOMER,
                offset_samples=start + at,
                sample_rate_hz=self.rate,
                pcm=pcm[at : at + size],
            )
            heard += self.stage.feed(frame)
        self.events += heard
        return heard

    def miss(self, samples: int) -> list[SpeechEvent]:
        """Nothing comes for a while, and the stage is told so."""
        gap = MediaGap.at(
            call_id="call-1",
            channel=Channel.CUSTOMER,
            cause=GapCause.LOSS,
            offset_samples=len(self.timeline),
            duration_samples=samples,
            sample_rate_hz=self.rate,
        )
        self.miss_untold(samples)
        heard = self.stage.gap(gap)
        self.events += heard
        return heard

    def miss_untold(self, samples: int) -> None:
        """Nothing comes for a while; the next frame shows it."""
        self._went_by(np.zeros(samples, np.int16), received=False)

    def hang_up(self) -> list[SpeechEvent]:
        """The call ends."""
        heard = self.stage.flush()
        self.events += heard
        return heard

    @property
    def starts(self) -> list[SpeechStarted]:
        """Where utterances began."""
        return [event for event in self.events if isinstance(event, SpeechStarted)]

    @property
    def ends(self) -> list[SpeechEnded]:
        """Where utterances ended."""
        return [event for event in self.events if isinstance(event, SpeechEnded)]

    @property
    def causes(self) -> list[SpeechEndCause]:
        """Why utterances ended."""
        return [end.cause for end in self.ends]

    def pieces(self, number: int) -> list[SpeechAudio]:
        """The audio of one utterance, ``number`` from 1."""
        return [
            event
            for event in self.events
            if isinstance(event, SpeechAudio) and event.utterance_id == f"customer-{number}"
        ]

    def spans(self) -> list[slice]:
        """Positions of every utterance's audio, from its first sample to just after its last."""
        parts = [self.pieces(number) for number in range(1, len(self.starts) + 1)]
        return [
            slice(part[0].offset_samples, part[-1].offset_samples + len(part[-1].pcm))
            for part in parts
        ]

    def _went_by(self, pcm: Pcm, *, received: bool) -> None:
        self.timeline = np.concatenate((self.timeline, pcm))
        self.received = np.concatenate((self.received, np.full(len(pcm), received)))


class LevelActivity:
    """Stands in for voice activity: a frame is speech if its first sample is not 0."""

    def __init__(self, *, mode: int, silence_dbfs: float, sample_rate_hz: int) -> None:
        pass

    def is_speech(self, pcm: Pcm) -> bool:
        """By the first sample, so that a test decides for each frame."""
        return bool(pcm[0])

    def reset(self) -> None:
        """It remembers nothing."""


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


@pytest.fixture(scope="session")
def new_line() -> Callable[..., Line]:
    """``new_line(config=None, rate=8000)`` is a channel of a call that has just begun."""
    return Line


@pytest.fixture
def decided(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Line]:
    """``decided(config=None, rate=8000)``: a line whose frames are speech as the test says."""
    monkeypatch.setattr("mamori.monitor.speech.segmenter.VoiceActivity", LevelActivity)
    return Line
