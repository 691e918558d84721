"""Reading the journal: every row against its checksum; a damaged row never hides the others."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from mamori.monitor.alerts import schema
from mamori.monitor.alerts.errors import JournalError, journal_error

_ALL_TENANTS: Final = """
SELECT sequence, tenant, event_id, call_id, kind, at, body, checksum, state
FROM entries WHERE sequence > ? ORDER BY sequence LIMIT ?
"""
_ONE_TENANT: Final = """
SELECT sequence, tenant, event_id, call_id, kind, at, body, checksum, state
FROM entries WHERE sequence > ? AND tenant = ? ORDER BY sequence LIMIT ?
"""
_WAITING: Final = """
SELECT sequence, tenant, event_id, call_id, kind, at, body, checksum, state
FROM entries WHERE state = 0 AND sequence > ? ORDER BY sequence LIMIT ?
"""
# By time, so that it begins where the answer does, however long the journal is; the plus keeps
# SQLite from the index of tenants, which would sort all of a tenant's rows for each answer.
_PUBLISHED_SINCE: Final = """
SELECT at_ms, sequence FROM entries
WHERE (at_ms, sequence) > (?, ?) AND +tenant = ? AND state = 1 ORDER BY at_ms, sequence LIMIT ?
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalEntry:
    """One kept message. ``sequence`` rises with time and is never used twice."""

    sequence: int
    tenant: str
    event_id: str
    call_id: str
    kind: str
    at: str
    body: str = field(repr=False)
    published: bool


@dataclass(frozen=True, slots=True)
class Page:
    """What was read: the sound entries in order, and one JournalError for each damaged row.

    ``last_sequence`` is that of the last row seen, sound or not: where the next page begins.
    """

    entries: tuple[JournalEntry, ...]
    damaged: tuple[JournalError, ...]
    last_sequence: int


def read_entry(row: tuple[Any, ...]) -> JournalEntry:
    """The entry of a row (columns as in the queries above); JournalError("row_damaged").

    Texts come as bytes, so that a flipped bit is found here and not by SQLite's driver.
    """
    sequence, *texts, stored, state = row
    try:
        tenant, event_id, call_id, kind, at, body = (text.decode() for text in texts)
        sound = schema.checksum(tenant, event_id, call_id, kind, at, body) == stored
    except (UnicodeDecodeError, AttributeError):
        # A flipped bit can make text that is not UTF-8, or a value that is not text.
        sound = False
    if not sound:
        raise JournalError(
            "row_damaged", f"row {sequence} of the journal fails its checksum", row=sequence
        )
    return JournalEntry(
        sequence=sequence,
        tenant=tenant,
        event_id=event_id,
        call_id=call_id,
        kind=kind,
        at=at,
        body=body,
        published=state == schema.PUBLISHED,
    )


def read_rows(rows: Iterable[tuple[Any, ...]], *, after_sequence: int) -> Page:
    """A page from rows, columns as in the queries above."""
    entries: list[JournalEntry] = []
    damaged: list[JournalError] = []
    last_sequence = after_sequence
    for row in rows:
        last_sequence = row[0]
        try:
            entries.append(read_entry(row))
        except JournalError as error:
            damaged.append(error)
    return Page(tuple(entries), tuple(damaged), last_sequence)


class JournalReader:
    """Reads a journal, beside its running owner or after it. Blocks; for threads and tools."""

    def __init__(self, path: Path) -> None:
        try:
            self._connection = schema.connect_reader(path)
        except sqlite3.Error as error:
            raise journal_error(error) from error

    def read(
        self, *, tenant: str | None = None, after_sequence: int = 0, limit: int = 1000
    ) -> Page:
        """At most ``limit`` rows after a sequence, of one tenant or of all, in order."""
        rows = (
            self.query(_ALL_TENANTS, (after_sequence, limit))
            if tenant is None
            else self.query(_ONE_TENANT, (after_sequence, tenant, limit))
        )
        return read_rows(rows, after_sequence=after_sequence)

    def waiting(self, *, after_sequence: int = 0, limit: int = 1000) -> Page:
        """At most ``limit`` rows that wait to be published, in order."""
        return read_rows(
            self.query(_WAITING, (after_sequence, limit)), after_sequence=after_sequence
        )

    def published_since(
        self, tenant: str, *, since_ms: int, after_sequence: int = 0, limit: int = 1000
    ) -> list[tuple[int, int]]:
        """A tenant's published rows as (``at_ms``, sequence), by time; at most ``limit``.

        From ``since_ms`` on, and of rows made just then, those after ``after_sequence``: the last
        pair of an answer is where the next one begins.
        """
        values = (since_ms, after_sequence, tenant, limit)
        return [(at_ms, sequence) for at_ms, sequence in self.query(_PUBLISHED_SINCE, values)]

    def query(self, statement: str, values: Iterable[Any] = ()) -> list[tuple[Any, ...]]:
        """Rows of any other question, texts as bytes; JournalError where the file is unreadable."""
        try:
            return self._connection.execute(statement, tuple(values)).fetchall()
        except sqlite3.Error as error:
            raise journal_error(error) from error

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
