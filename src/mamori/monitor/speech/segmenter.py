"""Frames of one channel in, utterances with their audio out."""

from __future__ import annotations

from collections import deque

import numpy as np

from mamori.monitor.events import (
    AudioFrame,
    Channel,
    MediaGap,
    Pcm,
    SpeechAudio,
    SpeechEndCause,
    SpeechEnded,
    SpeechEvent,
    SpeechStarted,
    samples_to_ms,
)
from mamori.monitor.speech.config import SpeechConfig
from mamori.monitor.speech.endpointer import Endpointer, Verdict
from mamori.monitor.speech.vad import VoiceActivity


class ChannelSpeech:
    """Voice activity and endpointing of one channel of one call.

    Every utterance is one SpeechStarted, its audio without a hole or an overlap, and one
    SpeechEnded. Utterance ids are ``<channel>-<n>``, n from 1. No two utterances share a sample.
    ``sample_rate_hz`` is 8000 or 16000, that of every frame.
    """

    def __init__(
        self, config: SpeechConfig, *, call_id: str, channel: Channel, sample_rate_hz: int
    ) -> None:
        self._call_id = call_id
        self._channel = channel
        self._sample_rate_hz = sample_rate_hz
        self._vad = VoiceActivity(
            mode=config.vad_mode, silence_dbfs=config.silence_dbfs, sample_rate_hz=sample_rate_hz
        )
        self._endpointer = Endpointer(config, sample_rate_hz=sample_rate_hz)
        self._history: deque[Pcm] = deque()  # what an opening utterance may reach back to
        self._history_samples = 0
        self._position_samples = 0
        self._utterances = 0
        self._utterance_id = ""
        self._utterance_start_samples = 0

    def feed(self, frame: AudioFrame) -> list[SpeechEvent]:
        """Take the next frame (at most 30 ms); return what it starts, carries on and ends.

        A frame that does not follow the one before it ends the open utterance as a gap does.
        """
        events: list[SpeechEvent] = []
        if frame.offset_samples != self._position_samples:
            events += self._break_off(SpeechEndCause.GAP)
        pcm = frame.pcm
        start_samples = frame.offset_samples
        self._position_samples = start_samples + len(pcm)
        verdict = self._endpointer.process(self._vad.is_speech(pcm), len(pcm))
        match verdict:
            case Verdict.QUIET:
                self._remember(pcm)
            case Verdict.STARTED:
                self._remember(pcm)
                audio = self._take_history(self._endpointer.utterance_samples)
                start_samples = self._position_samples - len(audio)
                events += [self._start(start_samples), self._audio(start_samples, audio)]
            case Verdict.SPEAKING:
                events.append(self._audio(start_samples, pcm))
            case Verdict.ENDED:
                events.append(self._audio(start_samples, pcm))
                events.append(self._end(self._position_samples, SpeechEndCause.SILENCE))
            case Verdict.SPLIT:
                events.append(self._end(start_samples, SpeechEndCause.LONGEST))
                events += [self._start(start_samples), self._audio(start_samples, pcm)]
            case Verdict.FULL:
                events.append(self._end(start_samples, SpeechEndCause.LONGEST))
                self._remember(pcm)
        return events

    def gap(self, gap: MediaGap) -> list[SpeechEvent]:
        """The timeline has a hole here: an open utterance ends, and nothing reaches over it."""
        events = self._break_off(SpeechEndCause.GAP)
        self._position_samples = gap.offset_samples + gap.duration_samples
        return events

    def flush(self) -> list[SpeechEvent]:
        """The call is over: an open utterance ends."""
        return self._break_off(SpeechEndCause.CALL_END)

    def _break_off(self, cause: SpeechEndCause) -> list[SpeechEvent]:
        events: list[SpeechEvent] = []
        if self._endpointer.is_open:
            events.append(self._end(self._position_samples, cause))
        self._endpointer.reset()
        self._vad.reset()
        self._history.clear()
        self._history_samples = 0
        return events

    def _remember(self, pcm: Pcm) -> None:
        self._history.append(pcm)
        self._history_samples += len(pcm)
        while self._history_samples - len(self._history[0]) >= self._endpointer.history_samples:
            self._history_samples -= len(self._history.popleft())

    def _take_history(self, samples: int) -> Pcm:
        """The last ``samples`` of the history, which is empty afterwards."""
        audio = np.concatenate(self._history)[-samples:]
        audio.setflags(write=False)
        self._history.clear()
        self._history_samples = 0
        return audio

    def _start(self, offset_samples: int) -> SpeechStarted:
        self._utterances += 1
        self._utterance_id = f"{self._channel}-{self._utterances}"
        self._utterance_start_samples = offset_samples
        return SpeechStarted(
            call_id=self._call_id,
            channel=self._channel,
            utterance_id=self._utterance_id,
            offset_ms=samples_to_ms(offset_samples, self._sample_rate_hz),
        )

    def _audio(self, offset_samples: int, pcm: Pcm) -> SpeechAudio:
        return SpeechAudio(
            call_id=self._call_id,
            channel=self._channel,
            utterance_id=self._utterance_id,
            offset_samples=offset_samples,
            sample_rate_hz=self._sample_rate_hz,
            pcm=pcm,
        )

    def _end(self, end_samples: int, cause: SpeechEndCause) -> SpeechEnded:
        return SpeechEnded(
            call_id=self._call_id,
            channel=self._channel,
            utterance_id=self._utterance_id,
            offset_ms=samples_to_ms(self._utterance_start_samples, self._sample_rate_hz),
            end_offset_ms=samples_to_ms(end_samples, self._sample_rate_hz),
            cause=cause,
        )
