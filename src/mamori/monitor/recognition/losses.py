"""The account of audio that recognition gave up: exact spans, one for each utterance."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from mamori.monitor.events import (
    MediaDropped,
    SpeechAudio,
    SpeechEvent,
    samples_to_ms,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LostSpan:
    """``samples`` of one utterance that no final speaks for, and why (``code``)."""

    first: SpeechAudio
    samples: int
    code: str

    def to_event(self) -> MediaDropped:
        """The span as an event of the call."""
        first = self.first
        end_samples = first.offset_samples + self.samples
        end_ms = samples_to_ms(end_samples, first.sample_rate_hz)
        return MediaDropped(
            call_id=first.call_id,
            channel=first.channel,
            offset_ms=first.offset_ms,
            duration_ms=end_ms - first.offset_ms,
            duration_samples=self.samples,
            stage="recognition",
            code=self.code,
        )


class LossAccount:
    """Adds up the lost audio of one utterance at a time."""

    def __init__(self) -> None:
        self._first: SpeechAudio | None = None
        self._samples = 0

    def add(self, event: SpeechEvent, code: str) -> list[LostSpan]:
        """Count a lost event; the span is complete at the utterance's end or the next one's start.

        ``code`` says why the span ending here was lost.
        """
        if not isinstance(event, SpeechAudio):
            return self.settle(code)
        spans: list[LostSpan] = []
        if self._first is not None and self._first.utterance_id != event.utterance_id:
            spans = self.settle(code)
        if self._first is None:
            self._first = event
        self._samples += len(event.pcm)
        return spans

    def add_all(self, events: Iterable[SpeechEvent], code: str) -> list[LostSpan]:
        """Count lost events in order."""
        return [span for event in events for span in self.add(event, code)]

    def settle(self, code: str) -> list[LostSpan]:
        """The span so far, if there is one; the account is empty afterwards."""
        first, samples = self._first, self._samples
        self._first, self._samples = None, 0
        return [LostSpan(first=first, samples=samples, code=code)] if first else []

    def copy(self) -> LossAccount:
        """Another account that begins where this one is."""
        account = LossAccount()
        account._first, account._samples = self._first, self._samples
        return account

    def clear(self) -> None:
        """What was counted was not lost after all."""
        self._first, self._samples = None, 0
