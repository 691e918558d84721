"""What a worker does with the events of one channel: decode, survive failures, count losses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from mamori.monitor.events import (
    JsonEvent,
    SpeechAudio,
    SpeechEnded,
    SpeechEvent,
    SpeechStarted,
    StageFailed,
)
from mamori.monitor.recognition.channel import STRIKES, ChannelRecogniser
from mamori.monitor.recognition.losses import LossAccount, LostSpan
from mamori.monitor.recognition.port import RecognitionError

SWITCHED_OFF: Final = "recognition_off"
UNFINISHED: Final = "unfinished"


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What one job brought: events to deliver, in order, and samples given up.

    ``unfinished`` is the audio, of all jobs so far, of an utterance that is still open: no final
    speaks for it yet.
    """

    events: list[JsonEvent] = field(default_factory=list)
    shed_samples: int = 0
    unfinished: LossAccount = field(default_factory=LossAccount)

    def lose(self, spans: Sequence[LostSpan]) -> None:
        """Deliver and count lost spans."""
        for span in spans:
            self.events.append(span.to_event())
            self.shed_samples += span.samples


class LaneDecoder:
    """Runs a ChannelRecogniser on a worker thread, by one thread at a time.

    An utterance whose decoding fails is reported (StageFailed) and its audio counted as lost, and
    the next one is tried. After ``STRIKES`` failures in a row, or one that cannot recover, decoding
    stops for good, which is reported once (not recoverable), and all later audio counts as lost.
    """

    def __init__(self, recogniser: ChannelRecogniser) -> None:
        self._recogniser = recogniser
        self._account = LossAccount()
        self._failed_code: str | None = None
        self._failures = 0
        self.is_off = False
        """Whether decoding has stopped for good."""

    def run(self, events: Sequence[SpeechEvent]) -> Outcome:
        """Decode everything in ``events``."""
        outcome = Outcome()
        for event in events:
            self._step(event, outcome)
        outcome.unfinished = self._account.copy()
        return outcome

    def close(self) -> Outcome:
        """Free the decoder; an utterance that never ended is lost."""
        outcome = Outcome()
        outcome.lose(self._account.settle(self._failed_code or UNFINISHED))
        self._recogniser.close()
        return outcome

    def _step(self, event: SpeechEvent, outcome: Outcome) -> None:
        if isinstance(event, SpeechStarted):
            outcome.lose(self._account.settle(self._failed_code or UNFINISHED))
            self._failed_code = SWITCHED_OFF if self.is_off else None
        elif isinstance(event, SpeechAudio):
            outcome.lose(self._account.add(event, self._failed_code or UNFINISHED))
        if self._failed_code is None:
            try:
                outcome.events += self._recogniser.feed(event)
            except RecognitionError as error:
                self._fail(event, error, outcome)
        if isinstance(event, SpeechEnded):
            if self._failed_code is None:
                self._failures = 0
                self._account.clear()
            else:
                outcome.lose(self._account.settle(self._failed_code))

    def _fail(self, event: SpeechEvent, error: RecognitionError, outcome: Outcome) -> None:
        self._failures += 1
        self._failed_code = error.code
        self.is_off = self._failures >= STRIKES or not error.recoverable
        at_ms = event.offset_ms if isinstance(event, SpeechStarted) else event.end_offset_ms
        outcome.events.append(
            StageFailed(
                call_id=event.call_id,
                offset_ms=at_ms,
                stage="recognition",
                code=error.code,
                recoverable=not self.is_off,
                detail="recognition stops on this channel" if self.is_off else "utterance lost",
                channel=event.channel,
            )
        )
