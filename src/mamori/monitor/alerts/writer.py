"""The journal's one writer: a thread that groups the work of many callers into few commits."""

from __future__ import annotations

import queue
import sqlite3
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import structlog

from mamori.monitor.alerts.errors import JournalError, is_disk_full, journal_error
from mamori.monitor.alerts.guard import DiskReserve

_log = structlog.get_logger(__name__)
T = TypeVar("T")

# One commit of 100 rows takes about as long as one of a single row (4.8 against 4.0 ms, measured);
# the bound only keeps one transaction from growing without end.
_MOST_JOBS_A_COMMIT: Final = 512
# Pages after which SQLite folds its log into the file: its own default; and one that leaves what
# is left of a full disk to the entries (a commit logs about six pages, measured).
_LOG_PAGES: Final = 1000
_TIGHT_LOG_PAGES: Final = 32


@dataclass(slots=True)
class Transaction:
    """What a job works with. ``outbox_delta``: how many rows began (or ceased) to wait."""

    connection: sqlite3.Connection
    outbox_delta: int = 0


@dataclass(frozen=True, slots=True)
class Outbox:
    """Rows that wait to be published, and when the first of them was made (None: none waits)."""

    size: int
    oldest_at_ms: int | None


@dataclass(frozen=True, slots=True)
class _Job:
    work: Callable[[Transaction], Any]
    future: Future[Any]


@dataclass(frozen=True, slots=True)
class _Outcome:
    value: Any = None
    error: Exception | None = None


class JournalWriter:
    """Runs jobs in order, many to a transaction, each commit at least ``group_commit_s`` apart.

    A lone job on an idle journal is committed at once. Jobs of one transaction stand apart: one
    that raises is undone alone. ``on_commit`` is called in the writer's thread after each commit
    that left rows waiting, before the callers learn of it. Should the thread itself fail, whoever
    waits and whoever comes later gets JournalError("failed"): nobody waits for ever.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        *,
        group_commit_s: float,
        most_jobs: int,
        reserve: DiskReserve,
        on_commit: Callable[[], None],
    ) -> None:
        self._connection = connection
        self._group_commit_s = group_commit_s
        self._queue: queue.Queue[_Job | None] = queue.Queue(most_jobs)
        self._reserve = reserve
        self._on_commit = on_commit
        self._next_commit_s = 0.0
        # Held to queue a job and to give up, so that no job is queued after the last was refused.
        self._giving_up = threading.Lock()
        self._failed_by: str | None = None
        self._closing = False
        self._tight = False
        self._thread = threading.Thread(target=self._run, name="mamori-journal", daemon=True)
        self.commits = 0
        self.last_error_code: str | None = None
        self.outbox = Outbox(*_count_waiting(connection))

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def submit(self, work: Callable[[Transaction], T]) -> Future[T]:
        """Queue a job; its future is done once the job is committed, or failed.

        Never blocks. JournalError("queue_full", "closed" or "failed") where it cannot be queued.
        """
        if self._closing:
            raise JournalError("closed", "the journal is closed")
        future: Future[T] = Future()
        # Whoever waits may go away; what was handed over is written all the same.
        future.set_running_or_notify_cancel()
        with self._giving_up:
            if self._failed_by is not None:
                raise _writes_no_more(self._failed_by)
            try:
                self._queue.put_nowait(_Job(work, future))
            except queue.Full:
                raise JournalError(
                    "queue_full", "the disk cannot keep up with the journal", recoverable=True
                ) from None
        return future

    def refuse_more(self) -> None:
        """Refuse new jobs from now on; what is queued is still written."""
        self._closing = True

    def stop(self) -> None:
        """Write what is queued, end the thread and close the connection. Blocks."""
        self.refuse_more()
        self._queue.put(None)
        self._thread.join()
        self._connection.close()

    def _run(self) -> None:
        batch: list[_Job] = []
        more = True
        try:
            while more:
                batch, more = self._gather()
                if batch:
                    self._write(batch)
        except BaseException as error:  # boundary of the thread: who waits for it must hear of it
            self._give_up(batch, error)

    def _give_up(self, batch: list[_Job], error: BaseException) -> None:
        """Refuse what waits and whatever comes: the writer writes no more."""
        cause = type(error).__name__
        _log.error("journal_writer_failed", error_type=cause)
        with self._giving_up:
            self._failed_by = cause
            self.last_error_code = _writes_no_more(cause).code
        waiting: list[_Job | None] = list(batch)
        with suppress(queue.Empty):
            while True:
                waiting.append(self._queue.get_nowait())
        for job in waiting:
            if job is not None and not job.future.done():
                job.future.set_exception(_writes_no_more(cause))

    def _gather(self) -> tuple[list[_Job], bool]:
        """The next jobs to commit together, and whether more may come after them."""
        batch: list[_Job] = []
        while len(batch) < _MOST_JOBS_A_COMMIT:
            job = self._next(idle=not batch)
            if job is None:
                break
            batch.append(job)
        return batch, not (self._closing and self._queue.empty())

    def _next(self, *, idle: bool) -> _Job | None:
        """The next job; None where the batch must be written now."""
        if idle:
            return self._queue.get()
        try:
            wait_s = self._next_commit_s - time.monotonic()
            if wait_s > 0:
                return self._queue.get(timeout=wait_s)
            return self._queue.get_nowait()
        except queue.Empty:
            return None

    def _write(self, batch: list[_Job]) -> None:
        """Commit the batch; on a full disk make room and try again; else each job alone."""
        try:
            try:
                outcomes, outbox_delta = self._transact(batch)
            except sqlite3.Error as error:
                if not is_disk_full(error):
                    raise
                self._make_room()
                outcomes, outbox_delta = self._transact(batch)
        except sqlite3.Error as error:
            if len(batch) == 1:
                self._fail(batch[0], error)
                return
            for job in batch:
                self._write([job])
            return
        try:
            self._committed(outbox_delta)
        finally:  # the batch is on the disk, whatever becomes of what follows a commit
            for job, outcome in zip(batch, outcomes, strict=True):
                if outcome.error is None:
                    job.future.set_result(outcome.value)
                else:
                    job.future.set_exception(outcome.error)

    def _transact(self, batch: list[_Job]) -> tuple[list[_Outcome], int]:
        """Run and commit: outcomes, and rows more in the outbox. Raises where nothing was kept."""
        connection = self._connection
        transaction = Transaction(connection)
        try:
            connection.execute("BEGIN IMMEDIATE")
            outcomes = [_attempt(transaction, job) for job in batch]
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        return outcomes, transaction.outbox_delta

    def _make_room(self) -> None:
        """Give up the reserve, and fold SQLite's log, which may be megabytes, into the file."""
        if self._reserve.give_up():
            _log.error("journal_reserve_given_up")
        with suppress(sqlite3.Error):  # the file may have to grow for it, on the same full disk
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._connection.execute(f"PRAGMA wal_autocheckpoint = {_TIGHT_LOG_PAGES}")
        self._tight = True

    def _committed(self, outbox_delta: int) -> None:
        """What follows a commit; what the disk fails of it is reported, and done after the next."""
        self._next_commit_s = time.monotonic() + self._group_commit_s
        self.commits += 1
        self.last_error_code = None
        self.outbox = Outbox(self.outbox.size + outbox_delta, self.outbox.oldest_at_ms)
        try:
            self._look_around()
        except (sqlite3.Error, OSError) as error:
            failure = (
                journal_error(error)
                if isinstance(error, sqlite3.Error)
                else JournalError("io_error", "the journal's reserve cannot be kept")
            )
            self.last_error_code = failure.code
            _log.error("journal_upkeep_failed", code=failure.code)
        if self.outbox.size > 0:
            self._on_commit()

    def _look_around(self) -> None:
        """Find the oldest row that waits; take back what a full disk had cost."""
        size = self.outbox.size
        self.outbox = Outbox(size, _oldest_waiting_at_ms(self._connection) if size else None)
        self._reserve.restore()
        if self._tight and not self._reserve.missing:
            self._connection.execute(f"PRAGMA wal_autocheckpoint = {_LOG_PAGES}")
            self._tight = False

    def _fail(self, job: _Job, error: sqlite3.Error) -> None:
        failure = journal_error(error)
        self.last_error_code = failure.code
        _log.error("journal_write_failed", code=failure.code)
        job.future.set_exception(failure)


def _writes_no_more(cause: str) -> JournalError:
    return JournalError("failed", f"the journal writes no more ({cause}): start Mamori anew")


def _attempt(transaction: Transaction, job: _Job) -> _Outcome:
    """One job in its own savepoint: the boundary at which an error belongs to who queued it."""
    connection, before = transaction.connection, transaction.outbox_delta
    connection.execute("SAVEPOINT job")
    try:
        outcome = _Outcome(value=job.work(transaction))
    except sqlite3.Error:
        raise
    except Exception as error:
        connection.execute("ROLLBACK TO job")
        transaction.outbox_delta = before
        outcome = _Outcome(error=error)
    connection.execute("RELEASE job")
    return outcome


def _count_waiting(connection: sqlite3.Connection) -> tuple[int, int | None]:
    (size,) = connection.execute("SELECT count(*) FROM entries WHERE state = 0").fetchone()
    return size, _oldest_waiting_at_ms(connection)


def _oldest_waiting_at_ms(connection: sqlite3.Connection) -> int | None:
    row = connection.execute(
        "SELECT at_ms FROM entries WHERE state = 0 ORDER BY sequence LIMIT 1"
    ).fetchone()
    return None if row is None else int(row[0])
