"""Frames of one channel in, utterances with their audio out."""

from __future__ import annotations

from collections.abc import Sequence

from mamori.monitor.events import (
    AudioFrame,
    Channel,
    MediaGap,
    SpeechAudio,
    SpeechEndCause,
    SpeechEnded,
    SpeechEvent,
    SpeechStarted,
    samples_to_ms,
)
from mamori.monitor.speech.config import SpeechConfig
from mamori.monitor.speech.endpointer import Endpointer, Verdict
from mamori.monitor.speech.stretches import CutSearch, History, Stretch, joined
from mamori.monitor.speech.vad import VoiceActivity


class ChannelSpeech:
    """Voice activity and endpointing of one channel of one call.

    Every utterance is one SpeechStarted, its audio as it was received, each sample once and in
    order, and one SpeechEnded. Utterance ids are ``<channel>-<n>``, n from 1. No two utterances
    share a sample. ``sample_rate_hz`` is 8000 or 16000, that of every frame.

    A hole in the timeline of ``bridged_gap_ms`` or more ends the utterance, and nothing reaches
    over it. A shorter one (a few lost packets) is silence of that length without audio.
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
        self._bridged_samples = config.bridged_gap_ms * sample_rate_hz // 1000
        self._endpointer = Endpointer(config, sample_rate_hz=sample_rate_hz)
        self._history = History(self._endpointer.history_samples)
        self._cut_search = CutSearch()
        self._position_samples = 0
        self._hole_samples = 0  # how long there has been no frame
        self._utterances = 0
        self._utterance_id = ""
        self._start_samples = 0
        self._end_samples = 0  # of the audio that the utterance has been given so far

    def feed(self, frame: AudioFrame) -> list[SpeechEvent]:
        """Take the next frame (at most 30 ms); return what it starts, carries on and ends.

        A frame that does not follow the one before it leaves a hole as a gap does; one that goes
        back in time ends the open utterance.
        """
        events: list[SpeechEvent] = []
        if frame.offset_samples != self._position_samples:
            events += self._skip_to(frame.offset_samples)
        pcm = frame.pcm
        self._hole_samples = 0
        self._position_samples += len(pcm)
        endpointer = self._endpointer
        verdict = endpointer.process(self._vad.is_speech(pcm), len(pcm))
        piece = Stretch(frame.offset_samples, pcm, endpointer.quiet_samples)
        if verdict is Verdict.QUIET:
            self._history.add(piece)
        elif verdict is Verdict.SPEAKING:
            is_cut_near = endpointer.is_nearly_full
            events += self._audio(self._cut_search.add(piece) if is_cut_near else (piece,))
        elif verdict is Verdict.STARTED:
            self._history.add(piece)
            start_samples = self._position_samples - endpointer.utterance_samples
            events += self._start(self._history.take(start_samples))
            # A hole where it would begin is no part of it.
            endpointer.utterance_samples = self._position_samples - self._start_samples
        elif verdict is Verdict.ENDED:
            events += self._audio(self._cut_search.add(piece))
            events += self._end(SpeechEndCause.SILENCE)
        else:
            events += self._cut(piece)
        return events

    def gap(self, gap: MediaGap) -> list[SpeechEvent]:
        """The timeline has a hole here."""
        return self._skip_to(gap.offset_samples + gap.duration_samples)

    def flush(self) -> list[SpeechEvent]:
        """The call is over: an open utterance ends."""
        return self._break_off(SpeechEndCause.CALL_END)

    def _skip_to(self, position_samples: int) -> list[SpeechEvent]:
        """Nothing comes until this position."""
        missing_samples = position_samples - self._position_samples
        self._position_samples = position_samples
        self._hole_samples += missing_samples
        if missing_samples < 0 or self._hole_samples >= self._bridged_samples:
            return self._break_off(SpeechEndCause.GAP)
        if missing_samples == 0:
            return []
        verdict = self._endpointer.process(False, missing_samples)
        if verdict in (Verdict.ENDED, Verdict.FULL):
            self._endpointer.reset()
            return self._end(SpeechEndCause.GAP)
        is_cut_near = self._endpointer.is_nearly_full
        return self._audio(self._cut_search.add_hole()) if is_cut_near else []

    def _break_off(self, cause: SpeechEndCause) -> list[SpeechEvent]:
        is_open = self._endpointer.is_open
        self._endpointer.reset()
        self._vad.reset()
        self._history.clear()
        return self._end(cause) if is_open else []

    def _cut(self, newest: Stretch) -> list[SpeechEvent]:
        """End the utterance at its quietest place and begin the next one there."""
        rest = joined([*self._cut_search.finish(), newest])
        ended = self._end(SpeechEndCause.LONGEST)
        if self._endpointer.cut(self._position_samples - rest[0].offset_samples):
            return [*ended, *self._start(rest)]
        for piece in rest:
            self._history.add(piece)
        return ended

    def _start(self, pieces: Sequence[Stretch]) -> list[SpeechEvent]:
        """An utterance begins with this audio."""
        self._utterances += 1
        self._utterance_id = f"{self._channel}-{self._utterances}"
        self._start_samples = pieces[0].offset_samples
        started = SpeechStarted(
            call_id=self._call_id,
            channel=self._channel,
            utterance_id=self._utterance_id,
            offset_ms=samples_to_ms(self._start_samples, self._sample_rate_hz),
        )
        return [started, *self._audio(pieces)]

    def _audio(self, pieces: Sequence[Stretch]) -> list[SpeechEvent]:
        """The utterance goes on with this audio."""
        events: list[SpeechEvent] = []
        for offset_samples, pcm, quiet_samples in pieces:
            self._end_samples = end_samples = offset_samples + len(pcm)
            length_samples = end_samples - self._start_samples
            events.append(
                SpeechAudio(
                    call_id=self._call_id,
                    channel=self._channel,
                    utterance_id=self._utterance_id,
                    offset_samples=offset_samples,
                    sample_rate_hz=self._sample_rate_hz,
                    pcm=pcm,
                    quiet_samples=min(quiet_samples, length_samples),
                )
            )
        return events

    def _end(self, cause: SpeechEndCause) -> list[SpeechEvent]:
        """The utterance ends, after the audio that was held back."""
        events = self._audio(self._cut_search.finish())
        events.append(
            SpeechEnded(
                call_id=self._call_id,
                channel=self._channel,
                utterance_id=self._utterance_id,
                offset_ms=samples_to_ms(self._start_samples, self._sample_rate_hz),
                end_offset_ms=samples_to_ms(self._end_samples, self._sample_rate_hz),
                cause=cause,
            )
        )
        return events
