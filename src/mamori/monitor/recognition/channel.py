"""One channel of one call: speech in, hypotheses out, on the call's own media clock.

Pure composition of the two kinds of engine, without threads or clocks of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import Final

import numpy as np

from mamori.monitor.events import (
    Channel,
    FinalHypothesis,
    PartialHypothesis,
    Pcm,
    SpeechAudio,
    SpeechEnded,
    SpeechEvent,
    SpeechStarted,
    StageFailed,
    Word,
    samples_to_ms,
)
from mamori.monitor.recognition.live import LiveDecoder, ask_engine
from mamori.monitor.recognition.port import (
    RecognitionError,
    StreamEngine,
    Transcript,
    UtteranceEngine,
)

Recognised = PartialHypothesis | FinalHypothesis | StageFailed
STRIKES: Final = 3
"""Failed utterances in a row after which an engine is not asked again."""
# Twice the endpointer's default for the longest utterance; what an utterance engine takes at most.
LONGEST_UTTERANCE_MS: Final = 30_000


@dataclass(slots=True, kw_only=True)
class _Utterance:
    """The open utterance: where it is and what was heard of it."""

    utterance_id: str
    offset_ms: int
    live: LiveDecoder | None
    start_samples: int = 0
    heard_samples: int = 0
    audio: list[Pcm] = field(default_factory=list)
    revision: int = 0


class ChannelRecogniser:
    """Partials from the stream engine, finals from the utterance engine; either alone does both.

    Where the utterance engine fails, the stream engine's text becomes the final and a StageFailed
    says so; where the stream engine fails, the partials cease. An engine that fails ``STRIKES``
    utterances in a row while the other works, or that says it cannot recover, is not asked again.
    ``feed`` raises RecognitionError when an utterance is lost: nothing is left to read it.

    Used by one thread at a time. Raises RecognitionError ``language_unavailable`` when neither
    engine knows ``language``. ``partial_interval_ms`` from 20 to 5000.
    """

    def __init__(
        self,
        *,
        call_id: str,
        channel: Channel,
        language: str,
        sample_rate_hz: int,
        stream: StreamEngine | None,
        utterance: UtteranceEngine | None,
        # Faster than a reader needs; a decoder costs 4 % more when asked every 20 ms.
        partial_interval_ms: int = 200,
    ) -> None:
        if not 20 <= partial_interval_ms <= 5_000:
            raise ValueError(
                f"partial_interval_ms must be from 20 to 5000, not {partial_interval_ms}"
            )
        self._call_id = call_id
        self._channel = channel
        self._language = language
        self._sample_rate_hz = sample_rate_hz
        self._live: LiveDecoder | None = None
        if stream and language in stream.capabilities.languages:
            self._live = LiveDecoder(
                stream,
                language=language,
                sample_rate_hz=sample_rate_hz,
                block_samples=partial_interval_ms * sample_rate_hz // 1000,
            )
        self._reader: UtteranceEngine | None = None
        if utterance and language in utterance.capabilities.languages:
            self._reader = utterance
        if self._live is None and self._reader is None:
            raise RecognitionError(
                "language_unavailable", f"no speech recogniser at hand knows {language!r}"
            )
        self._longest_samples = LONGEST_UTTERANCE_MS * sample_rate_hz // 1000
        self._live_failures = 0
        self._reader_failures = 0
        self._open: _Utterance | None = None

    def feed(self, event: SpeechEvent) -> list[Recognised]:
        """Take the next event of the channel, in order; return what was recognised.

        ValueError for audio or an end without its start.
        """
        if isinstance(event, SpeechStarted):
            self._abort_open()
            self._open = _Utterance(
                utterance_id=event.utterance_id, offset_ms=event.offset_ms, live=self._live
            )
            return []
        utterance = self._open
        if utterance is None or utterance.utterance_id != event.utterance_id:
            raise ValueError(f"utterance {event.utterance_id} has not started")
        try:
            if isinstance(event, SpeechAudio):
                return self._hear(utterance, event)
            events = self._finish(utterance, event)
        except RecognitionError:
            self._abort_open()
            raise
        self._open = None
        return events

    def close(self) -> None:
        """Give back the decoder."""
        self._open = None
        if self._live is not None:
            self._live.abort()

    def _abort_open(self) -> None:
        """Forget an utterance that will have no end."""
        if self._open is not None and self._open.live is not None:
            self._open.live.abort()
        self._open = None

    def _hear(self, utterance: _Utterance, event: SpeechAudio) -> list[Recognised]:
        if not utterance.heard_samples:
            utterance.start_samples = event.offset_samples
        utterance.heard_samples += len(event.pcm)
        if utterance.heard_samples > self._longest_samples:
            utterance.audio.clear()  # refused at its end; memory stays bounded
        elif self._reader is not None:
            utterance.audio.append(event.pcm)
        if utterance.live is None:
            return []
        try:
            text = utterance.live.accept(event.pcm)
        except RecognitionError as error:
            return [self._live_failed(utterance, utterance.live, error)]
        if text is None:
            return []
        utterance.revision += 1
        return [
            PartialHypothesis(
                call_id=self._call_id,
                channel=self._channel,
                utterance_id=utterance.utterance_id,
                offset_ms=utterance.offset_ms,
                text=text,
                revision=utterance.revision,
                engine=utterance.live.name,
            )
        ]

    def _finish(self, utterance: _Utterance, event: SpeechEnded) -> list[Recognised]:
        if not utterance.heard_samples:
            return []
        events: list[Recognised] = []
        heard: tuple[str, Transcript] | None = None
        if utterance.live is not None:
            try:
                heard = utterance.live.name, utterance.live.finish()
                self._live_failures = 0
            except RecognitionError as error:
                events.append(self._live_failed(utterance, utterance.live, error))
        if self._reader is not None:
            try:
                heard = self._reader.capabilities.name, self._read(self._reader, utterance)
                self._reader_failures = 0
            except RecognitionError as error:
                if heard is None:
                    raise
                events.append(self._reader_failed(self._reader, event, error))
        if heard is not None and heard[1].text:
            events.append(self._final(utterance, event, *heard))
        return events

    def _read(self, reader: UtteranceEngine, utterance: _Utterance) -> Transcript:
        if utterance.heard_samples > self._longest_samples:
            raise RecognitionError(
                "utterance_too_long",
                f"an utterance may last {LONGEST_UTTERANCE_MS // 1000} s",
                recoverable=True,
            )
        return ask_engine(
            partial(
                reader.transcribe,
                np.concatenate(utterance.audio),
                language=self._language,
                sample_rate_hz=self._sample_rate_hz,
            )
        )

    def _final(
        self, utterance: _Utterance, event: SpeechEnded, engine: str, transcript: Transcript
    ) -> FinalHypothesis:
        def on_call_clock(samples: int) -> int:
            return samples_to_ms(utterance.start_samples + samples, self._sample_rate_hz)

        marks = transcript.marks
        if on_call_clock(utterance.heard_samples) < event.end_offset_ms:
            marks = (*marks, "truncated")  # a part of the utterance was never heard
        return FinalHypothesis(
            call_id=self._call_id,
            channel=self._channel,
            utterance_id=utterance.utterance_id,
            offset_ms=utterance.offset_ms,
            end_offset_ms=event.end_offset_ms,
            text=transcript.text,
            language=self._language,
            engine=engine,
            words=tuple(
                Word(
                    text=word.text,
                    start_ms=on_call_clock(word.start_samples),
                    end_ms=on_call_clock(word.end_samples),
                    confidence=word.confidence,
                )
                for word in transcript.words
            ),
            confidence=transcript.confidence,
            marks=marks,
        )

    def _live_failed(
        self, utterance: _Utterance, live: LiveDecoder, error: RecognitionError
    ) -> StageFailed:
        """Go on without partials; raises ``error`` where no utterance engine can read instead."""
        if self._reader is None:
            raise error
        utterance.live = None
        live.abort()
        self._live_failures += 1
        if self._live_failures >= STRIKES or not error.recoverable:
            self._live = None
        at_ms = samples_to_ms(
            utterance.start_samples + utterance.heard_samples, self._sample_rate_hz
        )
        return self._failure(at_ms, error, live.name, is_off=self._live is None)

    def _reader_failed(
        self, reader: UtteranceEngine, event: SpeechEnded, error: RecognitionError
    ) -> StageFailed:
        self._reader_failures += 1
        if self._reader_failures >= STRIKES or not error.recoverable:
            self._reader = None
        name = reader.capabilities.name
        return self._failure(event.end_offset_ms, error, name, is_off=self._reader is None)

    def _failure(
        self, offset_ms: int, error: RecognitionError, engine: str, *, is_off: bool
    ) -> StageFailed:
        after = "is not asked again on this channel" if is_off else "is asked again"
        return StageFailed(
            call_id=self._call_id,
            offset_ms=offset_ms,
            stage="recognition",
            code=error.code,
            recoverable=True,
            detail=f"{engine} failed and {after}; the other engine goes on",
            channel=self._channel,
        )
