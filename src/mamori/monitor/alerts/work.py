"""The pieces of work that the journal's writer does inside its transactions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from mamori.monitor.alerts import schema
from mamori.monitor.alerts.errors import JournalError
from mamori.monitor.alerts.messages import JournalRecord, message_fields, utc_ms
from mamori.monitor.alerts.writer import Transaction


@dataclass(frozen=True, slots=True)
class CallKey:
    """A call among all tenants."""

    tenant: str
    call_id: str


def append(transaction: Transaction, records: Iterable[JournalRecord]) -> None:
    """Add what is not there yet; keep the table of open alerts and of live calls in step."""
    for record in records:
        sequence = _insert(transaction, record)
        if sequence is None:
            continue
        transaction.outbox_delta += 1
        if record.kind in ("alert_raised", "alert_updated"):
            transaction.connection.execute(
                "INSERT OR REPLACE INTO open_alerts (tenant, alert_id, sequence) VALUES (?, ?, ?)",
                (record.tenant, _alert_id(record), sequence),
            )
        elif record.kind == "alert_resolved":
            transaction.connection.execute(
                "DELETE FROM open_alerts WHERE tenant = ? AND alert_id = ?",
                (record.tenant, _alert_id(record)),
            )
        elif record.kind == "call_ended":
            close_call(transaction, CallKey(record.tenant, record.call_id), utc_ms(record.at))


def open_call(transaction: Transaction, call: CallKey, at_ms: int) -> None:
    """Note that a call is live; a call that already is stays as it is."""
    transaction.connection.execute(
        "INSERT OR IGNORE INTO calls (tenant, call_id, opened_at_ms, after_sequence)"
        " VALUES (?, ?, ?, (SELECT coalesce(max(sequence), 0) FROM entries))",
        (call.tenant, call.call_id, at_ms),
    )


def close_call(transaction: Transaction, call: CallKey, at_ms: int) -> None:
    """Note that a call is over; nothing where it is not live."""
    transaction.connection.execute(
        "UPDATE calls SET closed_at_ms = ?"
        " WHERE tenant = ? AND call_id = ? AND closed_at_ms IS NULL",
        (at_ms, call.tenant, call.call_id),
    )


def note_progress(transaction: Transaction, offsets_ms: Mapping[CallKey, int]) -> None:
    """Note how far live calls have come, in media time."""
    transaction.connection.executemany(
        "UPDATE calls SET last_offset_ms = max(last_offset_ms, ?)"
        " WHERE tenant = ? AND call_id = ? AND closed_at_ms IS NULL",
        [(offset_ms, call.tenant, call.call_id) for call, offset_ms in offsets_ms.items()],
    )


def mark(transaction: Transaction, sequences: Iterable[int], state: int) -> int:
    """Take waiting rows out of the outbox, as published or as damaged; how many there were."""
    changed = 0
    for sequence in sequences:
        changed += transaction.connection.execute(
            "UPDATE entries SET state = ? WHERE sequence = ? AND state = 0",
            (state, sequence),
        ).rowcount
    transaction.outbox_delta -= changed
    return changed


def refill(transaction: Transaction, sequences: Iterable[int]) -> int:
    """Let published rows wait again; how many there were."""
    changed = 0
    for sequence in sequences:
        changed += transaction.connection.execute(
            "UPDATE entries SET state = 0 WHERE sequence = ? AND state = 1", (sequence,)
        ).rowcount
    transaction.outbox_delta += changed
    return changed


def prune_entries(transaction: Transaction, before_ms: int, limit: int) -> int:
    """Remove at most ``limit`` published rows made before a time; how many there were.

    The latest row of an open alert stays whatever its age: recovery needs it.
    """
    return transaction.connection.execute(
        "DELETE FROM entries WHERE sequence IN ("
        " SELECT sequence FROM entries WHERE at_ms < ? AND state = 1"
        " AND sequence NOT IN (SELECT sequence FROM open_alerts) ORDER BY at_ms LIMIT ?)",
        (before_ms, limit),
    ).rowcount


def prune_calls(transaction: Transaction, before_ms: int) -> int:
    """Remove calls that were over before a time; how many there were."""
    return transaction.connection.execute(
        "DELETE FROM calls WHERE closed_at_ms < ?", (before_ms,)
    ).rowcount


def _insert(transaction: Transaction, record: JournalRecord) -> int | None:
    """The new row's sequence; None where the same event is kept already."""
    texts = (record.tenant, record.event_id, record.call_id, record.kind, record.at, record.body)
    cursor = transaction.connection.execute(
        "INSERT INTO entries (tenant, event_id, call_id, kind, at, body, at_ms, checksum)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (tenant, event_id) DO NOTHING",
        (*texts, utc_ms(record.at), schema.checksum(*texts)),
    )
    if cursor.rowcount:
        return cursor.lastrowid
    _refuse_another_event(transaction, record)
    return None


def _refuse_another_event(transaction: Transaction, record: JournalRecord) -> None:
    """A retry may carry another ``at``; anything else would lose an event under a used id."""
    (kept,) = transaction.connection.execute(
        "SELECT CAST(body AS BLOB) FROM entries WHERE tenant = ? AND event_id = ?",
        (record.tenant, record.event_id),
    ).fetchone()
    if kept == record.body.encode():
        return
    try:
        same = _without_time(kept.decode()) == _without_time(record.body)
    except ValueError:
        same = False
    if not same:
        raise JournalError(
            "event_id_conflict",
            f"another event is already kept as {record.event_id}: alert ids must not be used twice",
        )


def _without_time(body: str) -> dict[str, object]:
    return {key: value for key, value in message_fields(body).items() if key != "at"}


def _alert_id(record: JournalRecord) -> str:
    """The part of ``<alert_id>:<revision>`` before the revision."""
    return record.event_id.rpartition(":")[0]
