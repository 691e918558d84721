"""What a screen follows: calls, words, gaps and failures, as messages of the store's contract."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import count

from mamori.monitor.events import (
    AlertRaised,
    AlertResolved,
    AlertUpdated,
    CallEnded,
    CallStarted,
    CallUpdated,
    Detection,
    JsonEvent,
    LadderMoved,
    PartialHypothesis,
    SpeechEnded,
    SpeechStarted,
    event_to_dict,
)
from mamori.monitor.store.live import LivePublisher

MESSAGE_VERSION = 1
# Alerts have the stream that must not lose them; detections are inside their alerts.
_ELSEWHERE = (AlertRaised, AlertUpdated, AlertResolved, LadderMoved, Detection)
# Who follows words needs no utterance bounds, and they would double the traffic.
_NOT_SHOWN = (SpeechStarted, SpeechEnded)


class CallFeed:
    """One call's way to the live stream, the levels channel and the call's hash."""

    def __init__(
        self,
        publisher: LivePublisher,
        started: CallStarted,
        *,
        session_id: str,
        now_utc: Callable[[], str],
    ) -> None:
        self._publisher = publisher
        self._started = started
        self._session_id = session_id
        self._now_utc = now_utc
        self._numbers = count(1)

    def show(self, event: JsonEvent) -> None:
        """Pass the event on where a screen wants it; never blocks, never raises."""
        tenant, call_id = self._started.tenant, self._started.call_id
        match event:
            case PartialHypothesis():
                key = f"{call_id}:{event.channel}"
                self._publisher.publish_level(tenant, self._message(event), key=key)
                return
            case CallStarted():
                self._publisher.call_opened(tenant, call_id, self._state(event, "live"))
            case CallUpdated():
                self._publisher.call_updated(tenant, call_id, {"updated": self._message(event)})
            case CallEnded():
                ended = {"state": "ended", "ended": self._message(event)}
                self._publisher.call_closed(tenant, call_id, ended)
            case _:
                pass
        if not isinstance(event, _ELSEWHERE + _NOT_SHOWN):
            self._publisher.publish(tenant, self._message(event))

    def _state(self, event: CallStarted, state: str) -> dict[str, str]:
        return {"state": state, "session": self._session_id, "started": self._message(event)}

    def _message(self, event: JsonEvent) -> str:
        fields = event_to_dict(event)
        envelope = {
            "type": fields.pop("type"),
            "version": MESSAGE_VERSION,
            "id": f"{self._session_id}:{next(self._numbers)}",
            "at": self._now_utc(),
        }
        return json.dumps(envelope | fields, ensure_ascii=False, separators=(",", ":"))
