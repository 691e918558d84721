"""Commits the alerts of all calls, in order, and shows each once it is committed."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import structlog

from mamori.errors import MamoriError
from mamori.monitor.alerts.messages import JournalRecord, journal_message
from mamori.monitor.events import AlertEvent, CallStarted, JsonEvent, StageFailed

log = structlog.get_logger(__name__)

Show = Callable[[JsonEvent], None]

# One commit of a hundred rows costs about what a single one does (measured).
_MOST_A_COMMIT: Final = 256


class Journal(Protocol):
    """Where alerts become durable, as ``alerts/journal.py`` gives it."""

    async def append(self, records: Sequence[JournalRecord]) -> None:
        """Return once the records are committed; MamoriError when they are not."""
        ...


@dataclass(slots=True)
class _Entry:
    event: AlertEvent
    record: JournalRecord
    call: CallAlerts
    submitted_s: float
    shown: bool = False


class AlertWriter:
    """The one way of alerts into the journal.

    While the journal works, an alert is shown once it is committed. While it fails, people are told
    so (StageFailed of the stage ``journal``) and alerts are shown at once, since they protect
    somebody now; they are kept and committed when the journal works again. What is kept is bounded
    by ``most_waiting``: beyond it, or when the journal refuses a record for good, the alert has
    been shown but is not durable; ``lost`` counts those.
    """

    def __init__(
        self,
        journal: Journal,
        *,
        now_utc: Callable[[], str],
        observe_seconds: Callable[[float], None],
        # Half an hour of a hundred harassing calls: one update per category and 15 s, 4 categories.
        most_waiting: int = 50_000,
        # Long enough not to hammer a full disk, short enough that a freed one is used at once.
        retry_s: float = 0.5,
    ) -> None:
        self._journal = journal
        self._now_utc = now_utc
        self._observe_seconds = observe_seconds
        self._most_waiting = most_waiting
        self._retry_s = retry_s
        self._waiting: deque[_Entry] = deque()
        self._work = asyncio.Event()
        self._failure: MamoriError | None = None
        self.lost = 0

    @property
    def uncommitted(self) -> int:
        """Alert events that wait for the journal."""
        return len(self._waiting)

    @property
    def failure_code(self) -> str | None:
        """The journal's last error while it fails, None while it works."""
        return self._failure.code if self._failure else None

    def of_call(self, started: CallStarted, show: Show) -> CallAlerts:
        """The writer's side of one call."""
        return CallAlerts(self, started, show)

    def submit(self, event: AlertEvent, call: CallAlerts) -> None:
        """Queue an alert event; never blocks."""
        record = journal_message(event, tenant=call.tenant, at=self._now_utc())
        entry = _Entry(event, record, call, time.monotonic())
        call.pending += 1
        if len(self._waiting) >= self._most_waiting:
            self._give_up(self._waiting.popleft(), "too_many_waiting")
        self._waiting.append(entry)
        if self._failure is not None:
            self._show_uncommitted(self._failure)
        self._work.set()

    async def run(self) -> None:
        """Write until cancelled."""
        while True:
            await self._work.wait()
            self._work.clear()
            await self.flush()

    async def flush(self) -> None:
        """Return once nothing waits."""
        while self._waiting:
            batch = [self._waiting[n] for n in range(min(len(self._waiting), _MOST_A_COMMIT))]
            try:
                await self._journal.append([entry.record for entry in batch])
            except MamoriError as error:
                if error.recoverable:
                    self._fail(error)
                    await asyncio.sleep(self._retry_s)
                else:
                    await self._write_alone(self._waiting.popleft())
                continue
            except Exception as error:  # boundary: whatever it is, the alerts are shown and kept
                log.error("journal_raised", error_type=type(error).__name__)
                self._fail(MamoriError("internal", type(error).__name__, recoverable=True))
                await asyncio.sleep(self._retry_s)
                continue
            self._failure = None
            for entry in batch:
                # Bounded waiting may have given up some of them meanwhile.
                if self._waiting and self._waiting[0] is entry:
                    self._waiting.popleft()
                self._committed(entry)

    async def _write_alone(self, entry: _Entry) -> None:
        """A batch was refused for good: find out whether it was for this record."""
        try:
            await self._journal.append([entry.record])
        except MamoriError as error:
            if error.recoverable:
                self._waiting.appendleft(entry)
                return
            self._give_up(entry, error.code)
        else:
            self._committed(entry)

    def _committed(self, entry: _Entry) -> None:
        self._observe_seconds(time.monotonic() - entry.submitted_s)
        entry.call.show(entry)

    def _fail(self, error: MamoriError) -> None:
        if self._failure is None:
            log.error("journal_failed", code=error.code)
        self._failure = error
        self._show_uncommitted(error)

    def _show_uncommitted(self, error: MamoriError) -> None:
        for entry in self._waiting:
            if not entry.shown:
                entry.call.warn(entry, error.code, recoverable=True)
                entry.call.show(entry)

    def _give_up(self, entry: _Entry, code: str) -> None:
        self.lost += 1
        log.error("alert_not_durable", code=code, event_id=entry.record.event_id)
        entry.call.warn(entry, code, recoverable=False)
        entry.call.show(entry)


class CallAlerts:
    """One call's alerts on their way through the writer."""

    def __init__(self, writer: AlertWriter, started: CallStarted, show: Show) -> None:
        self.tenant = started.tenant
        self.pending = 0
        self._writer = writer
        self._call_id = started.call_id
        self._show = show
        self._warned: set[str] = set()
        self._all_shown = asyncio.Event()

    def submit(self, event: AlertEvent) -> None:
        """Queue an alert event of this call."""
        self._all_shown.clear()
        self._writer.submit(event, self)

    async def shown(self) -> None:
        """Return once every alert event of this call has been shown."""
        if self.pending:
            await self._all_shown.wait()

    def show(self, entry: _Entry) -> None:
        """Show the event, once."""
        if entry.shown:
            return
        entry.shown = True
        self._show(entry.event)
        self.pending -= 1
        if self.pending == 0:
            self._all_shown.set()

    def warn(self, entry: _Entry, code: str, *, recoverable: bool) -> None:
        """Say once per cause that what follows is not on the disk."""
        if entry.shown or code in self._warned:
            return
        self._warned.add(code)
        self._show(
            StageFailed(
                call_id=self._call_id,
                offset_ms=entry.event.offset_ms,
                stage="journal",
                code=code,
                recoverable=recoverable,
            )
        )
