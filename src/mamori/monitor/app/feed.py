"""What a screen follows: calls, words, gaps and failures, as messages of the store's contract."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from itertools import count
from typing import Any

from mamori.monitor.events import (
    AlertRaised,
    AlertResolved,
    AlertUpdated,
    CallEnded,
    CallStarted,
    CallUpdated,
    Channel,
    Detection,
    JsonEvent,
    LadderMoved,
    PartialHypothesis,
    PhraseHint,
    RecognitionScopeChanged,
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
        self._told_lag_ms: dict[str, int] = {}

    def show(self, event: JsonEvent) -> None:
        """Pass the event on where a screen wants it; never blocks, never raises."""
        tenant, call_id = self._started.tenant, self._started.call_id
        match event:
            case PartialHypothesis() | PhraseHint():
                key = f"{call_id}:{event.channel}:{event.type}"
                self._publisher.publish_level(tenant, self._message(event), key=key)
                return
            case CallStarted():
                self._publisher.call_opened(tenant, call_id, self._state(event, "live"))
            case RecognitionScopeChanged():
                scope = {"recognition_scope": self._message(event)}
                self._publisher.call_updated(tenant, call_id, scope)
            case CallUpdated():
                self._publisher.call_updated(tenant, call_id, {"updated": self._message(event)})
            case CallEnded():
                ended = {"state": "ended", "ended": self._message(event)}
                self._publisher.call_closed(tenant, call_id, ended)
            case _:
                pass
        if not isinstance(event, _ELSEWHERE + _NOT_SHOWN):
            self._publisher.publish(tenant, self._message(event))

    def show_lag(self, offset_ms: int, lag_ms: Mapping[Channel, int]) -> None:
        """How long the oldest speech of each channel has waited for words; only where that changed.

        Rounded to tenths of a second: below that nobody sees a lag.
        """
        rounded = {str(channel): round(lag, -2) for channel, lag in lag_ms.items()}
        if rounded == self._told_lag_ms:
            return
        self._told_lag_ms = rounded
        tenant, call_id = self._started.tenant, self._started.call_id
        message = self._envelope(
            {
                "type": "recognition_lag",
                "call_id": call_id,
                "offset_ms": offset_ms,
                "lag_ms": rounded,
            }
        )
        self._publisher.publish_level(tenant, message, key=f"{call_id}:lag")
        self._publisher.call_updated(tenant, call_id, {"recognition_lag": message})

    def _state(self, event: CallStarted, state: str) -> dict[str, str]:
        return {"state": state, "session": self._session_id, "started": self._message(event)}

    def _message(self, event: JsonEvent) -> str:
        return self._envelope(event_to_dict(event))

    def _envelope(self, fields: dict[str, Any]) -> str:
        envelope = {
            "type": fields.pop("type"),
            "version": MESSAGE_VERSION,
            "id": f"{self._session_id}:{next(self._numbers)}",
            "at": self._now_utc(),
        }
        return json.dumps(envelope | fields, ensure_ascii=False, separators=(",", ":"))
