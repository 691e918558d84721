"""Recognition of one call: its lanes, and how much of it is put into words."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from mamori.monitor.events import Channel, RecognitionScope, RecognitionScopeChanged
from mamori.monitor.recognition.lane import Lane


class CallRecognition:
    """Opened by RecognitionService; closed when its last lane is.

    ``is_watched`` and ``is_suspected`` are set by who knows: calls that somebody looks at, or in
    which something was found, keep their partials longest.
    """

    def __init__(
        self,
        call_id: str,
        lanes: Mapping[Channel, Lane],
        *,
        on_change: Callable[[CallRecognition], None],
    ) -> None:
        self.lanes = dict(lanes)
        self._call_id = call_id
        self._on_change = on_change
        self._scope = RecognitionScope.FULL
        self._is_watched = False
        self._is_suspected = False

    @property
    def scope(self) -> RecognitionScope:
        """How much of the call is put into words now."""
        return self._scope

    @property
    def is_looked_at(self) -> bool:
        """Whether somebody watches the call, or something in it is suspected."""
        return self._is_watched or self._is_suspected

    def watch(self, is_watched: bool) -> None:
        """Say whether somebody watches the call."""
        self._is_watched = is_watched
        self._on_change(self)

    def suspect(self) -> None:
        """Say that something was found in the call; for the rest of it."""
        if not self._is_suspected:
            self._is_suspected = True
            self._on_change(self)

    def narrow_to(self, scope: RecognitionScope) -> None:
        """Put so much of the call into words from now on; says so where it changes.

        A call whose lanes are all closed stays as it was: nothing of it is put into words any more.
        """
        still_open = [lane for lane in self.lanes.values() if not lane.is_closed]
        if scope is self._scope or not still_open:
            return
        self._scope = scope
        for lane in still_open:
            lane.scope = scope
        offset_ms = max(lane.heard_ms for lane in self.lanes.values())
        event = RecognitionScopeChanged(call_id=self._call_id, offset_ms=offset_ms, scope=scope)
        still_open[0].tell(event)

    @property
    def lag_ms(self) -> dict[Channel, int]:
        """For each channel, how long its oldest speech has waited for words, on the wall."""
        return {channel: lane.lag_ms for channel, lane in self.lanes.items()}

    def take_heard_s(self) -> Iterator[tuple[Channel, float]]:
        """Seconds of speech since the last time, by channel."""
        for channel, lane in self.lanes.items():
            yield channel, lane.take_heard_s()
