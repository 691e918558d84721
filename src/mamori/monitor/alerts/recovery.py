"""What a node that died left open: the events that close it, the same at every try."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from mamori.monitor.alerts.entries import JournalEntry, JournalReader, read_entry, read_rows
from mamori.monitor.alerts.errors import JournalError
from mamori.monitor.alerts.messages import (
    JournalRecord,
    call_ended_message,
    journal_message,
    message_event,
    message_fields,
)
from mamori.monitor.alerts.work import CallKey
from mamori.monitor.events import (
    AlertRaised,
    AlertResolved,
    AlertUpdated,
    CallEnded,
    EndReason,
    ResolveReason,
)

_OPEN_ALERTS: Final = """
SELECT e.sequence, e.tenant, e.event_id, e.call_id, e.kind, e.at, e.body, e.checksum, e.state
FROM open_alerts o JOIN entries e ON e.sequence = o.sequence
WHERE o.sequence <= ? ORDER BY o.sequence
"""
_LIVE_CALLS: Final = """
SELECT call_row, tenant, call_id, after_sequence, last_offset_ms FROM calls
WHERE closed_at_ms IS NULL AND call_row <= ? ORDER BY call_row
"""
# A telephone system may use a call id again: only what was kept since this call began is its own.
_LAST_OF_CALL: Final = """
SELECT sequence, tenant, event_id, call_id, kind, at, body, checksum, state
FROM entries WHERE tenant = ? AND call_id = ? AND sequence > ? ORDER BY sequence DESC LIMIT 1
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """Append ``records`` in one go; once they are kept, the next recovery finds nothing.

    ``calls`` are those that were live. ``damaged`` names rows whose alert could not be closed.
    """

    records: tuple[JournalRecord, ...]
    calls: tuple[CallKey, ...]
    damaged: tuple[JournalError, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Horizon:
    """The last row of each table when this process began; what came later is its own."""

    sequence: int
    call_row: int


def horizon(reader: JournalReader) -> Horizon:
    """Where the journal ends now."""
    ((sequence,),) = reader.query("SELECT coalesce(max(sequence), 0) FROM entries")
    ((call_row,),) = reader.query("SELECT coalesce(max(call_row), 0) FROM calls")
    return Horizon(sequence=sequence, call_row=call_row)


def find_interrupted(reader: JournalReader, until: Horizon, *, at: str) -> Recovery:
    """AlertResolved for every alert still open, then CallEnded for every call still live.

    Both carry the latest known media time of their call. ``at``: UTC, ISO 8601.
    """
    live = _live_calls(reader, until)
    offsets_ms = {call: offset_ms for call, (_, offset_ms) in live.items()}
    open_alerts, damaged = _open_alerts(reader, until)
    for entry, event in open_alerts:
        call = CallKey(entry.tenant, event.call_id)
        offsets_ms[call] = max(offsets_ms.get(call, 0), event.end_offset_ms)
    records = [
        journal_message(
            _resolved(event, offsets_ms[CallKey(entry.tenant, event.call_id)]),
            tenant=entry.tenant,
            at=at,
        )
        for entry, event in open_alerts
    ]
    records += [
        call_ended_message(
            CallEnded(
                call_id=call.call_id,
                reason=EndReason.INTERRUPTED,
                offset_ms=offsets_ms[call],
                duration_ms=offsets_ms[call],
            ),
            identity=f"{call.call_id}-call_ended:{call_row}",
            tenant=call.tenant,
            at=at,
        )
        for call, (call_row, _) in live.items()
    ]
    return Recovery(records=tuple(records), calls=tuple(live), damaged=tuple(damaged))


def _live_calls(reader: JournalReader, until: Horizon) -> dict[CallKey, tuple[int, int]]:
    """For each call still live: its row, and the latest media time known of it."""
    live: dict[CallKey, tuple[int, int]] = {}
    rows = reader.query(_LIVE_CALLS, (until.call_row,))
    for call_row, tenant, call_id, after_sequence, progress_ms in rows:
        call = CallKey(tenant.decode(errors="replace"), call_id.decode(errors="replace"))
        journalled_ms = _last_offset_ms(reader, call, after_sequence)
        live[call] = (call_row, max(progress_ms, journalled_ms))
    return live


def _last_offset_ms(reader: JournalReader, call: CallKey, after_sequence: int) -> int:
    """Media time of the last message of a call; 0 where there is none that can be read."""
    rows = reader.query(_LAST_OF_CALL, (call.tenant, call.call_id, after_sequence))
    for entry in read_rows(rows, after_sequence=0).entries:
        fields = message_fields(entry.body)
        offset_ms = fields.get("end_offset_ms", fields.get("offset_ms"))
        return offset_ms if isinstance(offset_ms, int) else 0
    return 0


def _open_alerts(
    reader: JournalReader, until: Horizon
) -> tuple[list[tuple[JournalEntry, AlertRaised | AlertUpdated]], list[JournalError]]:
    rows = reader.query(_OPEN_ALERTS, (until.sequence,))
    sound: list[tuple[JournalEntry, AlertRaised | AlertUpdated]] = []
    damaged: list[JournalError] = []
    for row in rows:
        try:
            entry = read_entry(row)
            sound.append((entry, _alert_of(entry)))
        except JournalError as error:
            damaged.append(error)
    return sound, damaged


def _alert_of(entry: JournalEntry) -> AlertRaised | AlertUpdated:
    try:
        event = message_event(entry.body)
    except ValueError:
        event = None
    if not isinstance(event, AlertRaised | AlertUpdated):
        raise JournalError(
            "row_damaged",
            f"row {entry.sequence} of the journal holds no alert of this version",
            row=entry.sequence,
        )
    return event


def _resolved(event: AlertRaised | AlertUpdated, offset_ms: int) -> AlertResolved:
    return AlertResolved(
        call_id=event.call_id,
        alert_id=event.alert_id,
        revision=event.revision + 1,
        category=event.category,
        severity=event.severity,
        offset_ms=offset_ms,
        reason=ResolveReason.CALL_INTERRUPTED,
        count=event.count,
    )
