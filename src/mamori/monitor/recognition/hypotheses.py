"""What recognition says of a channel: hypotheses and failures, on the call's media clock."""

from __future__ import annotations

from dataclasses import dataclass

from mamori.monitor.events import (
    Channel,
    FinalHypothesis,
    JsonEvent,
    PartialHypothesis,
    PhraseHint,
    RereadHypothesis,
    StageFailed,
    Word,
)
from mamori.monitor.recognition.codes import SWITCHED_OFF
from mamori.monitor.recognition.port import LiveText, Transcript, TranscriptWord
from mamori.monitor.recognition.utterance import Utterance


@dataclass(frozen=True, slots=True, kw_only=True)
class Hypotheses:
    """Makes the events of one channel."""

    call_id: str
    channel: Channel
    language: str

    def live(self, utterance: Utterance, live: LiveText, engine: str) -> list[JsonEvent]:
        """A partial where the text changed, and phrases heard for the first time."""
        events: list[JsonEvent] = []
        if live.text and live.text != utterance.text:
            utterance.text = live.text
            utterance.revision += 1
            events.append(
                PartialHypothesis(
                    call_id=self.call_id,
                    channel=self.channel,
                    utterance_id=utterance.utterance_id,
                    offset_ms=utterance.start.offset_ms,
                    text=live.text,
                    revision=utterance.revision,
                    engine=engine,
                )
            )
        for phrase in live.hints:
            if phrase not in utterance.hints:
                utterance.hints.add(phrase)
                events.append(
                    PhraseHint(
                        call_id=self.call_id,
                        channel=self.channel,
                        utterance_id=utterance.utterance_id,
                        offset_ms=utterance.start.offset_ms,
                        phrase=phrase,
                        engine=engine,
                    )
                )
        return events

    def final(self, utterance: Utterance, engine: str, transcript: Transcript) -> FinalHypothesis:
        """What was said in an utterance that has ended."""
        return FinalHypothesis(
            call_id=self.call_id,
            channel=self.channel,
            utterance_id=utterance.utterance_id,
            offset_ms=utterance.start.offset_ms,
            end_offset_ms=_end_ms(utterance),
            text=transcript.text,
            language=self.language,
            engine=engine,
            words=tuple(_word(utterance, word) for word in transcript.words),
            confidence=transcript.confidence,
            marks=transcript.marks,
        )

    def reread(
        self, final: FinalHypothesis, transcript: Transcript, phrases: tuple[str, ...]
    ) -> list[JsonEvent]:
        """A second reading of ``final``'s utterance; nothing where it found no words."""
        if not transcript.text:
            return []
        return [
            RereadHypothesis(
                call_id=self.call_id,
                channel=self.channel,
                utterance_id=final.utterance_id,
                offset_ms=final.offset_ms,
                end_offset_ms=final.end_offset_ms,
                text=transcript.text,
                language=self.language,
                engine=final.engine,
                phrases=phrases,
                confidence=transcript.confidence,
                marks=transcript.marks,
            )
        ]

    def failure(self, utterance: Utterance, code: str, detail: str) -> StageFailed:
        """An engine or a worker failed over an utterance; ``detail`` never holds its words."""
        return self._failure(utterance, code, detail, recoverable=True)

    def stopped(self, utterance: Utterance) -> StageFailed:
        """No engine is left for the channel since the last one failed over ``utterance``."""
        detail = "recognition stops on this channel"
        return self._failure(utterance, SWITCHED_OFF, detail, recoverable=False)

    def _failure(
        self, utterance: Utterance, code: str, detail: str, *, recoverable: bool
    ) -> StageFailed:
        return StageFailed(
            call_id=self.call_id,
            offset_ms=utterance.on_call_clock_ms(utterance.span_samples),
            stage="recognition",
            code=code,
            recoverable=recoverable,
            detail=detail,
            channel=self.channel,
        )


def _end_ms(utterance: Utterance) -> int:
    if utterance.end is not None:
        return utterance.end.end_offset_ms
    return utterance.on_call_clock_ms(utterance.span_samples)


def _word(utterance: Utterance, word: TranscriptWord) -> Word:
    return Word(
        text=word.text,
        start_ms=utterance.on_call_clock_ms(word.start_samples),
        end_ms=utterance.on_call_clock_ms(word.end_samples),
        confidence=word.confidence,
    )
