"""What waits to be decoded on one channel: bounded in media time, whole utterances shed."""

from __future__ import annotations

from typing import Final

from mamori.monitor.events import SpeechAudio, SpeechEnded, SpeechEvent
from mamori.monitor.recognition.losses import LossAccount, LostSpan

OVERLOAD: Final = "overload"


class Backlog:
    """A queue of speech events that holds at most ``max_samples`` of undecoded audio.

    An utterance that no longer fits is given up from there to its end, and whatever of it still
    waits is given up with it: half a sentence late helps nobody. What the decoder already has of it
    is finished normally. Audio taken counts as undecoded until ``decoded``.
    """

    def __init__(self, *, max_samples: int) -> None:
        self._max_samples = max_samples
        self._events: list[SpeechEvent] = []
        self._queued_samples = 0
        self._in_flight_samples = 0
        self._losses = LossAccount()
        self._losing: str | None = None
        self._decoder_has_start = False

    def __len__(self) -> int:
        return len(self._events)

    @property
    def undecoded_samples(self) -> int:
        """Audio received and not yet decoded."""
        return self._queued_samples + self._in_flight_samples

    def offer(self, event: SpeechEvent) -> list[LostSpan]:
        """Queue the event, or give its audio up; return the spans that are lost for good."""
        if self._losing is not None:
            return self._lose(event)
        if isinstance(event, SpeechAudio):
            if self.undecoded_samples + len(event.pcm) > self._max_samples:
                self._start_losing(event)
                return []
            self._queued_samples += len(event.pcm)
        self._events.append(event)
        return []

    def take(self) -> list[SpeechEvent]:
        """Everything that waits, in order; in flight from now on."""
        events, self._events = self._events, []
        self._in_flight_samples += self._queued_samples
        self._queued_samples = 0
        return events

    def decoded(self) -> None:
        """What was taken is decoded."""
        self._in_flight_samples = 0

    def settle(self) -> list[LostSpan]:
        """The lost span of an utterance that will not end."""
        self._losing = None
        return self._losses.settle(OVERLOAD)

    def _start_losing(self, event: SpeechAudio) -> None:
        self._losing = event.utterance_id
        mine = [queued for queued in self._events if queued.utterance_id == event.utterance_id]
        del self._events[len(self._events) - len(mine) :]  # an utterance's events stand together
        self._decoder_has_start = not mine or isinstance(mine[0], SpeechAudio)
        for lost in (*mine, event):
            if isinstance(lost, SpeechAudio):
                self._losses.add(lost, OVERLOAD)
        self._queued_samples -= sum(len(e.pcm) for e in mine if isinstance(e, SpeechAudio))

    def _lose(self, event: SpeechEvent) -> list[LostSpan]:
        if event.utterance_id == self._losing:
            if isinstance(event, SpeechEnded):
                if self._decoder_has_start:
                    self._events.append(event)
                return self.settle()
            return self._losses.add(event, OVERLOAD)
        spans = self.settle()
        return spans + self.offer(event)
