"""Second readings that a channel wants: few, the newest first to be kept. Pure."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Final

from mamori.monitor.events import FinalHypothesis
from mamori.monitor.recognition.utterance import Utterance

_MOST_PHRASES: Final = 6
# Each keeps up to 8 s of audio and takes as long as a final; who talks on is more urgent.
_MOST_WAITING: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Reread:
    """A second reading that is wanted: of which utterance, for which phrases."""

    final: FinalHypothesis
    utterance: Utterance
    phrases: tuple[str, ...] = field(repr=False)
    since_s: float


class Rereads:
    """At most four wait; a fifth displaces the oldest."""

    def __init__(self) -> None:
        self._waiting: deque[Reread] = deque()
        self._dropped = 0

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def first(self) -> Reread:
        """The one that has waited longest."""
        return self._waiting[0]

    def want(
        self,
        final: FinalHypothesis,
        utterance: Utterance,
        phrases: tuple[str, ...],
        now_s: float,
    ) -> None:
        """Have ``utterance`` read again for the first six of ``phrases``."""
        if len(self._waiting) == _MOST_WAITING:
            self._waiting.popleft()
            self._dropped += 1
        self._waiting.append(
            Reread(final=final, utterance=utterance, phrases=phrases[:_MOST_PHRASES], since_s=now_s)
        )

    def take(self, utterance: Utterance) -> Reread | None:
        """The one of ``utterance``, which waits no longer; None where it was displaced."""
        for reread in self._waiting:
            if reread.utterance is utterance:
                self._waiting.remove(reread)
                return reread
        return None

    def drop(self, utterance: Utterance) -> None:
        """The one of ``utterance`` came to nothing."""
        if self.take(utterance) is not None:
            self._dropped += 1

    def clear(self) -> None:
        """None that waits will be read."""
        self._dropped += len(self._waiting)
        self._waiting.clear()

    def take_dropped(self) -> int:
        """How many were wanted and came to nothing since the last time."""
        dropped, self._dropped = self._dropped, 0
        return dropped
