"""What can go wrong with the journal, as stable words."""

from __future__ import annotations

import sqlite3
from typing import Final

from mamori.errors import MamoriError

_PRIMARY_CODE_MASK: Final = 0xFF  # SQLite's extended result codes keep the primary one here


class JournalError(MamoriError):
    """The journal could not do what was asked; what it was asked to keep is not acknowledged.

    Codes: ``disk_full``, ``io_error``, ``busy`` and ``queue_full`` (recoverable: try again),
    ``in_use``, ``closed``, ``corrupt``, ``newer_schema``, ``read_only``, ``not_found``,
    ``event_id_conflict``, ``row_damaged`` and ``failed``. ``row`` is the damaged row's sequence.
    """

    def __init__(
        self, code: str, message: str, *, recoverable: bool = False, row: int | None = None
    ) -> None:
        super().__init__(code, message, recoverable=recoverable)
        self.row = row


_BY_SQLITE_CODE: Final = {
    sqlite3.SQLITE_FULL: ("disk_full", "no room left for the journal: free disk space", True),
    sqlite3.SQLITE_IOERR: ("io_error", "the journal's disk reported an error", True),
    sqlite3.SQLITE_BUSY: ("busy", "another program holds the journal's write lock", True),
    sqlite3.SQLITE_LOCKED: ("busy", "another program holds the journal's write lock", True),
    sqlite3.SQLITE_CORRUPT: ("corrupt", "the journal's file is damaged: move it aside", False),
    sqlite3.SQLITE_NOTADB: ("corrupt", "the journal's file is no journal: move it aside", False),
    sqlite3.SQLITE_READONLY: ("read_only", "the journal's file must not be written to", False),
    sqlite3.SQLITE_CANTOPEN: ("io_error", "the journal's file cannot be opened", True),
}


def journal_error(error: sqlite3.Error) -> JournalError:
    """SQLite's error as one of ours, with SQLite's own word for it (never any content)."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & _PRIMARY_CODE_MASK
    name = getattr(error, "sqlite_errorname", type(error).__name__)
    word, message, recoverable = _BY_SQLITE_CODE.get(
        code, ("failed", "the journal's database refused the work", False)
    )
    return JournalError(word, f"{message} ({name})", recoverable=recoverable)


def is_disk_full(error: sqlite3.Error) -> bool:
    """Whether freeing disk space would help."""
    return journal_error(error).code == "disk_full"
