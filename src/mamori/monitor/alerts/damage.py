"""Damaged rows met while reading: each reported once, by its number."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import structlog

from mamori.monitor.alerts.errors import JournalError

_log = structlog.get_logger(__name__)

# Reports kept for a screen; a disk that damages more than this needs replacing, not listing.
_MOST_REPORTS: Final = 100


class DamageLog:
    """The reports of this process, at most a hundred; the log has every row."""

    def __init__(self) -> None:
        self._reports: dict[int, JournalError] = {}

    def add(self, errors: Iterable[JournalError]) -> None:
        """Report the rows that are new."""
        for error in errors:
            if error.row is None or error.row in self._reports:
                continue
            _log.error("journal_row_damaged", row=error.row)
            if len(self._reports) < _MOST_REPORTS:
                self._reports[error.row] = error

    def reports(self) -> tuple[JournalError, ...]:
        """One error for each row, in the order they were met."""
        return tuple(self._reports.values())
