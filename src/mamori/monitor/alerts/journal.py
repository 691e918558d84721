"""The truth of alerts: an alert is shown once it is committed here."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TypeVar

from mamori.monitor.alerts import recovery, schema, work
from mamori.monitor.alerts.damage import DamageLog
from mamori.monitor.alerts.entries import JournalEntry, JournalReader, Page
from mamori.monitor.alerts.errors import JournalError, journal_error
from mamori.monitor.alerts.guard import DiskReserve, OwnerLock
from mamori.monitor.alerts.messages import JournalRecord, utc_iso, utc_ms
from mamori.monitor.alerts.recovery import Recovery
from mamori.monitor.alerts.work import CallKey
from mamori.monitor.alerts.writer import JournalWriter, Transaction

T = TypeVar("T")

# Rows that one transaction of retention removes, or of a refill changes, so that an alert never
# waits long behind it.
_SLICE_ROWS: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalStatus:
    """What a health check must know. ``damaged_rows`` counts those met, to 100."""

    outbox_size: int
    oldest_unpublished_age_s: float
    commits: int
    reserve_held: bool
    damaged_rows: int
    last_error_code: str | None


def _utc_now() -> datetime:
    return datetime.now(UTC)


class AlertJournal:
    """Alert events and human actions on disk, and the outbox from which they are published.

    ``path`` is the database file; its folder is made with mode 0700, its files with 0600.
    ``group_commit_ms`` in [0, 1000]: the least time between two commits. ``reserve_bytes``: disk
    space held back for the journal, given up when the disk is full (0: none). ``max_bytes``: a
    cap on the file (None: only the disk). ``most_jobs``: calls that may wait for the writer.
    Methods raise JournalError; what raises is not acknowledged, and may be tried again.
    """

    def __init__(
        self,
        path: Path,
        *,
        # A commit takes 4 ms (p50, measured): 20 ms keeps the disk at a fifth of its time under
        # any load and is not felt by a person.
        group_commit_ms: int = 20,
        # Room for about 30,000 alerts of 2 KB after everything else has filled the disk.
        reserve_bytes: int = 64 * 1024 * 1024,
        max_bytes: int | None = None,
        # Over a hundred times what one node's calls raise in a second (judgement).
        most_jobs: int = 4096,
        now: Callable[[], datetime] = _utc_now,
    ) -> None:
        if not 0 <= group_commit_ms <= 1000:
            raise ValueError(f"group_commit_ms must be in [0, 1000], not {group_commit_ms}")
        if reserve_bytes < 0:
            raise ValueError(f"reserve_bytes must not be negative, not {reserve_bytes}")
        if max_bytes is not None and max_bytes < 64 * schema.PAGE_BYTES:
            raise ValueError(f"max_bytes must be at least {64 * schema.PAGE_BYTES}")
        if most_jobs < 1:
            raise ValueError(f"most_jobs must be at least 1, not {most_jobs}")
        self._path = path
        self._group_commit_s = group_commit_ms / 1000
        self._max_bytes = max_bytes
        self._most_jobs = most_jobs
        self._now = now
        self._lock = OwnerLock(path.with_name(path.name + ".lock"))
        self._reserve = DiskReserve(path.with_name(path.name + ".reserve"), reserve_bytes)
        self._waiting = asyncio.Event()
        self._damage = DamageLog()
        self._writer: JournalWriter | None = None
        self._reader: JournalReader | None = None
        self._reading: ThreadPoolExecutor | None = None

    async def start(self) -> None:
        """Open or create the journal. JournalError("in_use", "corrupt", "newer_schema", ...)."""
        loop = asyncio.get_running_loop()

        def rows_wait() -> None:
            with suppress(RuntimeError):  # the loop may be gone while the last jobs are written
                loop.call_soon_threadsafe(self._waiting.set)

        await asyncio.to_thread(self._open, rows_wait)
        if self.outbox_size():
            self._waiting.set()

    async def close(self) -> None:
        """Write what is queued, then close; safe to call twice."""
        writer, self._writer = self._writer, None
        if writer is None:
            return
        writer.refuse_more()
        if self._reading is not None:
            await asyncio.to_thread(self._reading.shutdown)
        if self._reader is not None:
            self._reader.close()
        await asyncio.to_thread(writer.stop)
        self._lock.release()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def append(self, records: Sequence[JournalRecord]) -> None:
        """Keep all of them or none; returns after the commit.

        An event that is kept already is passed over; another event under a used id is refused
        ("event_id_conflict"). A ``call_ended`` closes its call.
        """
        kept = tuple(records)
        if kept:
            await self._write(lambda transaction: work.append(transaction, kept))

    async def call_opened(self, tenant: str, call_id: str) -> None:
        """Keep that a call is live, so that a crash does not leave it open for ever."""
        call, at_ms = CallKey(tenant, call_id), self._now_ms()
        await self._write(lambda transaction: work.open_call(transaction, call, at_ms))

    async def call_progress(self, offsets_ms: Mapping[CallKey, int]) -> None:
        """Keep how far live calls have come, so that an interrupted one has a length."""
        kept = dict(offsets_ms)
        if kept:
            await self._write(lambda transaction: work.note_progress(transaction, kept))

    async def call_closed(self, tenant: str, call_id: str) -> None:
        """Keep that a call is over."""
        call, at_ms = CallKey(tenant, call_id), self._now_ms()
        await self._write(lambda transaction: work.close_call(transaction, call, at_ms))

    async def recover(self) -> Recovery:
        """What the last process left open. Changes nothing: append its records.

        Only what was there at ``start`` counts, so live calls of this process are never touched.
        """
        at = utc_iso(self._now())
        found = await self._read(
            lambda reader: recovery.find_interrupted(reader, self._horizon, at=at)
        )
        self._damage.add(found.damaged)
        return found

    async def unpublished(self, limit: int) -> list[JournalEntry]:
        """At most ``limit`` entries that wait to be published, in order.

        A damaged row is reported and taken out of the outbox; the others come all the same.
        """
        self._waiting.clear()  # before reading: a commit meanwhile sets it again
        entries: list[JournalEntry] = []
        damaged: list[JournalError] = []
        after = 0
        while (wanted := limit - len(entries)) > 0:
            page = await self._waiting_page(after, wanted)
            entries += page.entries
            damaged += page.damaged
            if not page.damaged:
                break
            after = page.last_sequence
        if entries:
            self._waiting.set()
        if damaged:
            self._damage.add(damaged)
            await self._set_aside(damaged)
        return entries

    async def mark_published(self, sequences: Sequence[int]) -> None:
        """Take entries out of the outbox; they are kept until retention removes them."""
        kept = tuple(sequences)
        if kept:
            await self._write(lambda transaction: work.mark(transaction, kept, schema.PUBLISHED))

    async def wait_for_unpublished(self) -> None:
        """Return once there may be entries to publish; ``unpublished`` says whether there are."""
        await self._waiting.wait()

    async def mark_all_unpublished(self, tenant: str, since: str) -> int:
        """Publish a tenant's entries made at or after ``since`` (UTC, ISO 8601) again; how many.

        For a stream that was lost. Readers know doubles by their event id. In slices, between
        which alerts are committed; one that fails leaves those before it waiting.
        """
        at_ms, sequence, changed = utc_ms(since), 0, 0
        while found := await self._published_since(tenant, at_ms, sequence):
            at_ms, sequence = found[-1]
            changed += await self._refill(tuple(row for _, row in found))
        return changed

    async def prune(self, before: str) -> int:
        """Remove published entries made before a time (UTC, ISO 8601), and closed calls; how many.

        What is unpublished, damaged, or the latest of an open alert stays.
        """
        before_ms = utc_ms(before)
        removed, more = 0, True
        while more:
            rows = await self._write(
                lambda transaction: work.prune_entries(transaction, before_ms, _SLICE_ROWS)
            )
            removed += rows
            more = rows == _SLICE_ROWS
        await self._write(lambda transaction: work.prune_calls(transaction, before_ms))
        return removed

    async def read(
        self, tenant: str | None = None, after_sequence: int = 0, limit: int = 1000
    ) -> list[JournalEntry]:
        """At most ``limit`` entries after a sequence, of one tenant or of all, in order.

        Damaged rows are left out and reported: see ``damaged``.
        """
        page = await self._read(
            lambda reader: reader.read(tenant=tenant, after_sequence=after_sequence, limit=limit)
        )
        self._damage.add(page.damaged)
        return list(page.entries)

    def outbox_size(self) -> int:
        """How many entries wait to be published."""
        return self._opened.outbox.size

    def oldest_unpublished_age_s(self) -> float:
        """Age of the first waiting entry by the wall clock; 0 where none waits."""
        oldest_at_ms = self._opened.outbox.oldest_at_ms
        return 0.0 if oldest_at_ms is None else max(0.0, (self._now_ms() - oldest_at_ms) / 1000)

    @property
    def damaged(self) -> tuple[JournalError, ...]:
        """Damaged rows met since the start, each once; at most the first hundred."""
        return self._damage.reports()

    def status(self) -> JournalStatus:
        """The journal's health now."""
        return JournalStatus(
            outbox_size=self.outbox_size(),
            oldest_unpublished_age_s=self.oldest_unpublished_age_s(),
            commits=self._opened.commits,
            reserve_held=self._reserve.held,
            damaged_rows=len(self._damage.reports()),
            last_error_code=self._opened.last_error_code,
        )

    @property
    def _opened(self) -> JournalWriter:
        if self._writer is None:
            raise JournalError("closed", "the journal is not open")
        return self._writer

    def _open(self, on_commit: Callable[[], None]) -> None:
        try:
            self._open_files(on_commit)
        except sqlite3.Error as error:
            raise journal_error(error) from error
        except OSError as error:
            raise JournalError(
                "io_error", f"the journal at {self._path} cannot be opened: {error.strerror}"
            ) from error

    def _open_files(self, on_commit: Callable[[], None]) -> None:
        with ExitStack() as on_error:
            schema.prepare_files(self._path)
            self._lock.acquire()
            on_error.callback(self._lock.release)
            self._reserve.take()
            connection = schema.connect_writer(self._path, max_bytes=self._max_bytes)
            on_error.callback(connection.close)
            reader = JournalReader(self._path)
            on_error.callback(reader.close)
            self._horizon = recovery.horizon(reader)
            writer = JournalWriter(
                connection,
                group_commit_s=self._group_commit_s,
                most_jobs=self._most_jobs,
                reserve=self._reserve,
                on_commit=on_commit,
            )
            on_error.pop_all()
        self._reader, self._writer = reader, writer
        self._reading = ThreadPoolExecutor(1, thread_name_prefix="mamori-journal-read")
        writer.start()

    async def _write(self, job: Callable[[Transaction], T]) -> T:
        return await asyncio.wrap_future(self._opened.submit(job))

    async def _read(self, question: Callable[[JournalReader], T]) -> T:
        if self._writer is None or self._reader is None or self._reading is None:
            raise JournalError("closed", "the journal is not open")
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._reading, question, self._reader)

    async def _waiting_page(self, after_sequence: int, limit: int) -> Page:
        return await self._read(
            lambda reader: reader.waiting(after_sequence=after_sequence, limit=limit)
        )

    async def _published_since(
        self, tenant: str, since_ms: int, after_sequence: int
    ) -> list[tuple[int, int]]:
        return await self._read(
            lambda reader: reader.published_since(
                tenant, since_ms=since_ms, after_sequence=after_sequence, limit=_SLICE_ROWS
            )
        )

    async def _refill(self, sequences: tuple[int, ...]) -> int:
        return await self._write(lambda transaction: work.refill(transaction, sequences))

    async def _set_aside(self, damaged: Iterable[JournalError]) -> None:
        rows = tuple(error.row for error in damaged if error.row is not None)
        # A full disk must not keep the sound entries from being published: tried again next time.
        with suppress(JournalError):
            await self._write(lambda transaction: work.mark(transaction, rows, schema.DAMAGED))

    def _now_ms(self) -> int:
        return utc_ms(utc_iso(self._now()))
