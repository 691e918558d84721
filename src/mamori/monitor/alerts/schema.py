"""The journal's tables, and the two ways of opening them."""

from __future__ import annotations

import hashlib
import os
import sqlite3
from contextlib import ExitStack
from pathlib import Path
from typing import Final
from urllib.parse import quote

from mamori.monitor.alerts.errors import JournalError

SCHEMA_VERSION: Final = 1
PAGE_BYTES: Final = 4096

# A row's state. 0: it waits to be published (written out in the queries, so that SQLite sees that
# the small index of waiting rows serves them).
PUBLISHED: Final = 1
DAMAGED: Final = 2

# Another program may hold the write lock for a moment (a backup, the sqlite3 shell).
_BUSY_TIMEOUT_S: Final = 5.0
# The log is cut back to this after a checkpoint, so that a burst does not hold disk space.
_LOG_LIMIT_BYTES: Final = 8 * 1024 * 1024

# state: 0 and 1 take no room in SQLite's record format, so marking a row as published never needs
# a new page, not even on a full disk. open_alerts points to the latest entry of every alert that
# is not resolved, which makes recovery independent of the journal's length.
_TABLES: Final = (
    """
    CREATE TABLE entries (
        sequence INTEGER PRIMARY KEY AUTOINCREMENT,
        tenant   TEXT NOT NULL,
        event_id TEXT NOT NULL,
        call_id  TEXT NOT NULL,
        kind     TEXT NOT NULL,
        at       TEXT NOT NULL,
        at_ms    INTEGER NOT NULL,
        body     TEXT NOT NULL,
        checksum BLOB NOT NULL,
        state    INTEGER NOT NULL DEFAULT 0,
        UNIQUE (tenant, event_id)
    )
    """,
    "CREATE INDEX entries_waiting ON entries (sequence) WHERE state = 0",
    "CREATE INDEX entries_by_call ON entries (tenant, call_id, sequence)",
    "CREATE INDEX entries_by_time ON entries (at_ms)",
    """
    CREATE TABLE open_alerts (
        tenant   TEXT NOT NULL,
        alert_id TEXT NOT NULL,
        sequence INTEGER NOT NULL,
        PRIMARY KEY (tenant, alert_id)
    ) WITHOUT ROWID
    """,
    "CREATE INDEX open_alerts_by_sequence ON open_alerts (sequence)",
    """
    CREATE TABLE calls (
        call_row       INTEGER PRIMARY KEY AUTOINCREMENT,
        tenant         TEXT NOT NULL,
        call_id        TEXT NOT NULL,
        opened_at_ms   INTEGER NOT NULL,
        after_sequence INTEGER NOT NULL,
        closed_at_ms   INTEGER,
        last_offset_ms INTEGER NOT NULL DEFAULT 0
    )
    """,
    "CREATE UNIQUE INDEX calls_live ON calls (tenant, call_id) WHERE closed_at_ms IS NULL",
)


def checksum(*parts: str) -> bytes:
    """Eight bytes over a row's texts; each part's length counts, so nothing can slide over."""
    digest = hashlib.blake2b(digest_size=8)
    for part in parts:
        encoded = part.encode()
        digest.update(len(encoded).to_bytes(8, "big"))
        digest.update(encoded)
    return digest.digest()


def prepare_files(path: Path) -> None:
    """Make the folder (0700) and the file (0600; SQLite gives its log the same mode)."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.fchmod(descriptor, 0o600)
    finally:
        os.close(descriptor)


def connect_writer(path: Path, *, max_bytes: int | None = None) -> sqlite3.Connection:
    """Open for writing: WAL, every commit on the disk before it returns.

    Creates the tables where there are none. ``max_bytes`` caps the file (None: only the disk).
    Raises JournalError("newer_schema") or sqlite3.Error.
    """
    connection = sqlite3.connect(
        path, timeout=_BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
    )
    with ExitStack() as on_error:
        on_error.callback(connection.close)
        # FULL, not NORMAL: in WAL mode NORMAL acknowledges what a power cut takes back.
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA journal_size_limit = {_LOG_LIMIT_BYTES}")
        # What retention removes is overwritten, not only forgotten: these are callers' words.
        connection.execute("PRAGMA secure_delete = ON")
        if max_bytes is not None:
            connection.execute(f"PRAGMA max_page_count = {max_bytes // PAGE_BYTES}")
        _create(connection)
        on_error.pop_all()
    return connection


def connect_reader(path: Path) -> sqlite3.Connection:
    """Open for reading only, beside the writer. Texts come as bytes: a flipped bit is no error yet.

    Raises JournalError("not_found", "newer_schema") or sqlite3.Error.
    """
    if not path.is_file():
        raise JournalError("not_found", f"there is no journal at {path}")
    connection = sqlite3.connect(
        f"file:{quote(str(path))}?mode=ro",
        uri=True,
        timeout=_BUSY_TIMEOUT_S,
        isolation_level=None,
        check_same_thread=False,
    )
    with ExitStack() as on_error:
        on_error.callback(connection.close)
        connection.text_factory = bytes
        _refuse_newer(connection)
        on_error.pop_all()
    return connection


def _create(connection: sqlite3.Connection) -> None:
    if _refuse_newer(connection) == SCHEMA_VERSION:
        return
    connection.execute("BEGIN IMMEDIATE")
    for statement in _TABLES:
        connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    connection.execute("COMMIT")


def _refuse_newer(connection: sqlite3.Connection) -> int:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > SCHEMA_VERSION:
        raise JournalError(
            "newer_schema",
            f"the journal was written by a newer Mamori (schema {version},"
            f" this one knows up to {SCHEMA_VERSION})",
        )
    return int(version)
