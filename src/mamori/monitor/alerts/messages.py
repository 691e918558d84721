"""An alert event as the message that the journal keeps and the stream carries."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from mamori.monitor.alerts.book import event_id
from mamori.monitor.events import (
    AlertEvent,
    CallEnded,
    JsonEvent,
    event_from_dict,
    event_to_dict,
)

MESSAGE_VERSION: Final = 1
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def utc_iso(moment: datetime) -> str:
    """A moment as UTC, ISO 8601 with milliseconds and ``Z``; ValueError without a time zone."""
    if moment.tzinfo is None:
        raise ValueError("a moment needs a time zone")
    text = moment.astimezone(UTC).isoformat(timespec="milliseconds")
    return text.removesuffix("+00:00") + "Z"


def utc_ms(at: str) -> int:
    """Milliseconds since 1970 of a UTC ISO 8601 text; ValueError for anything else."""
    moment = datetime.fromisoformat(at)
    if moment.utcoffset() != timedelta(0):
        raise ValueError("a time must be UTC, ISO 8601, such as 2026-04-01T09:00:00.000Z")
    return (moment - _EPOCH) // timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalRecord:
    """One message to keep. ``event_id`` is unique within its tenant; ``at`` is UTC, ISO 8601.

    ``body`` is the message as the stream carries it: JSON with the caller's words, so it stays
    out of ``repr`` and of logs.
    """

    event_id: str
    tenant: str
    call_id: str
    kind: str
    body: str = field(repr=False)
    at: str

    def __post_init__(self) -> None:
        if not (self.event_id and self.tenant and self.call_id and self.kind):
            raise ValueError("event_id, tenant, call_id and kind must not be empty")
        utc_ms(self.at)


def journal_message(event: AlertEvent, *, tenant: str, at: str) -> JournalRecord:
    """The record of an alert event; ``at`` is when it was made, UTC, ISO 8601."""
    return _record(event, identity=event_id(event), tenant=tenant, at=at)


def call_ended_message(event: CallEnded, *, identity: str, tenant: str, at: str) -> JournalRecord:
    """The record of a call's end that nobody could report; ``identity`` is unique per call."""
    return _record(event, identity=identity, tenant=tenant, at=at)


def _record(event: AlertEvent | CallEnded, *, identity: str, tenant: str, at: str) -> JournalRecord:
    fields = event_to_dict(event)
    message = {"type": fields.pop("type"), "version": MESSAGE_VERSION, "id": identity, "at": at}
    return JournalRecord(
        event_id=identity,
        tenant=tenant,
        call_id=event.call_id,
        kind=event.type,
        body=json.dumps(message | fields, ensure_ascii=False, separators=(",", ":")),
        at=at,
    )


def message_event(body: str) -> JsonEvent:
    """The event inside a message; ValueError (pydantic's too) for what is no message."""
    fields = message_fields(body)
    if fields.get("version") != MESSAGE_VERSION:
        raise ValueError(f"message version {fields.get('version')!r} is not known")
    envelope = ("version", "id", "at")
    return event_from_dict({key: value for key, value in fields.items() if key not in envelope})


def message_fields(body: str) -> dict[str, Any]:
    """The message as plain values; ValueError for what is no JSON object."""
    fields = json.loads(body)
    if not isinstance(fields, dict):
        raise ValueError("a message must be a JSON object")
    return fields
