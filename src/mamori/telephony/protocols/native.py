"""Mamori's own protocol: a JSON start, binary audio, a JSON stop (docs/protocol.md)."""

from __future__ import annotations

import json
from typing import Any, Final

from mamori.monitor.events import CallEnded, JsonEvent, event_to_dict, event_to_json
from mamori.telephony.codecs import MediaFormat
from mamori.telephony.protocols.errors import ERRORS, ProtocolError, error_json
from mamori.telephony.protocols.messages import (
    PROTOCOL_VERSION,
    ClientMessage,
    GapMessage,
    StartMessage,
    UpdateMessage,
    parse_message,
)
from mamori.telephony.protocols.port import (
    CallRequest,
    CloseSocket,
    EndCall,
    OpenCall,
    OpenedCall,
    Output,
    Send,
    SendEvent,
    TakeAudio,
    TakeGap,
    TakeUpdate,
)

DIALECT: Final = "native"


class NativeProtocol:
    """One connection; see WireProtocol for what it promises."""

    dialect = DIALECT
    paced = False

    def __init__(self) -> None:
        self.wants_events = False
        self._started = False
        self._done = False

    def receive_text(self, text: str) -> list[Output]:
        """Take one text message."""
        if self._done:
            return []
        try:
            return self._take(parse_message(text))
        except ProtocolError as error:
            return self.fail(error.code, str(error))

    def receive_binary(self, data: bytes) -> list[Output]:
        """Take one binary message: audio."""
        if self._done:
            return []
        if not self._started:
            return self.fail(
                "audio_before_start", "send a start message as text before binary audio"
            )
        return [TakeAudio(data=data)]

    def call_opened(self, opened: OpenedCall) -> list[Output]:
        """Tell the client the id under which its call is known and where its timeline stands."""
        started = opened.started
        answer: dict[str, Any] = {
            "type": "started",
            "version": PROTOCOL_VERSION,
            "call_id": started.call_id,
            "linked_call_id": started.linked_call_id,
            "resumed": opened.resumed,
            "position_ms": opened.position_ms,
            "sample_rate_hz": started.sample_rate_hz,
            "language": started.language,
        }
        return [Send(text=_json({k: v for k, v in answer.items() if v is not None}))]

    def call_event(self, event: JsonEvent) -> list[Output]:
        """Pass the call's own event on, where the client asked for it."""
        return [SendEvent(text=event_to_json(event))] if self.wants_events else []

    def call_ended(self, ended: CallEnded, *, odd_bytes: int) -> list[Output]:
        """Give the client the account of its audio and close."""
        outputs: list[Output] = []
        if odd_bytes:
            outputs.append(
                Send(
                    text=error_json(
                        "odd_bytes",
                        f"the last {odd_bytes} bytes do not make a sample of every channel and were"
                        " not used: check encoding and channels",
                    )
                )
            )
        self._done = True
        return [
            *outputs,
            Send(text=_json({**event_to_dict(ended), "type": "stopped"})),
            CloseSocket(code=1000, reason="stopped"),
        ]

    def fail(
        self,
        code: str,
        message: str,
        *,
        detail: str | None = None,
        retry_after_s: int | None = None,
    ) -> list[Output]:
        """End the connection with an error."""
        self._done = True
        return failure(code, message, detail=detail, retry_after_s=retry_after_s)

    def _take(self, message: ClientMessage) -> list[Output]:
        if isinstance(message, StartMessage):
            return self._start(message)
        if not self._started:
            return self.fail("not_started", f"send start before {message.type}")
        if isinstance(message, UpdateMessage):
            return [
                TakeUpdate(
                    agent_id=message.agent_id,
                    customer=message.customer.party() if message.customer else None,
                    agent=message.agent.party() if message.agent else None,
                )
            ]
        if isinstance(message, GapMessage):
            return [TakeGap(duration_ms=message.duration_ms, cause=message.cause)]
        self._done = True
        return [EndCall()]

    def _start(self, message: StartMessage) -> list[Output]:
        if self._started:
            return self.fail("already_started", "a connection carries one call: open another one")
        self._started = True
        self.wants_events = message.events
        request = CallRequest(
            call_id=message.call_id,
            dialect=DIALECT,
            media=MediaFormat(
                encoding=message.media.encoding,
                sample_rate_hz=message.media.sample_rate_hz,
                channels=message.media.channels,
            ),
            language=message.language,
            direction=message.direction,
            customer=message.customer.party(),
            agent=message.agent.party(),
            agent_id=message.agent_id,
            position_ms=message.position_ms,
        )
        return [OpenCall(request=request)]


def failure(
    code: str, message: str, *, detail: str | None = None, retry_after_s: int | None = None
) -> list[Output]:
    """The error message of this code, where it has one, and the close that follows."""
    spec = ERRORS[code]
    close = CloseSocket(code=spec.close_code or 1008, reason=code)
    if not spec.told:
        return [close]
    text = error_json(code, message, detail=detail, retry_after_s=retry_after_s)
    return [Send(text=text), close]


def _json(fields: dict[str, Any]) -> str:
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":"))
