"""Whatever fails in the writer's thread: what is committed is acknowledged, and nobody hangs."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mamori.monitor.alerts import schema, work
from mamori.monitor.alerts.errors import JournalError
from mamori.monitor.alerts.guard import DiskReserve
from mamori.monitor.alerts.messages import JournalRecord
from mamori.monitor.alerts.writer import JournalWriter, Transaction

MakeRecord = Callable[..., JournalRecord]
Job = Callable[[Transaction], None]
LONGEST_S = 10


class Flaky(sqlite3.Connection):
    """A connection whose disk fails the statements that begin with ``broken``."""

    broken: str | None = None

    def execute(self, statement: str, *values: object) -> sqlite3.Cursor:
        if self.broken is not None and statement.startswith(self.broken):
            raise sqlite3.OperationalError("disk I/O error")
        return super().execute(statement, *values)  # type: ignore[arg-type]


class BrokenReserve(DiskReserve):
    """A reserve whose folder became unusable."""

    def restore(self) -> None:
        raise PermissionError(13, "Permission denied")


class Fatal(BaseException):
    """What no job's boundary catches."""


@pytest.fixture
def connection(path: Path) -> Flaky:
    schema.prepare_files(path)
    schema.connect_writer(path).close()
    return sqlite3.connect(path, isolation_level=None, check_same_thread=False, factory=Flaky)


@pytest.fixture
def open_writer(connection: Flaky, path: Path) -> Iterator[Callable[..., JournalWriter]]:
    writers: list[JournalWriter] = []

    def make(
        on_commit: Callable[[], None] = lambda: None, reserve: type[DiskReserve] = DiskReserve
    ) -> JournalWriter:
        writers.append(
            JournalWriter(
                connection,
                group_commit_s=0.0,
                most_jobs=100,
                reserve=reserve(path.with_name("reserve"), 0),
                on_commit=on_commit,
            )
        )
        return writers[-1]

    yield make
    for writer in writers:
        writer.stop()


def kept(path: Path) -> int:
    reader = sqlite3.connect(path)
    (count,) = reader.execute("SELECT count(*) FROM entries").fetchone()
    reader.close()
    return int(count)


def adding(record: JournalRecord) -> Job:
    return lambda transaction: work.append(transaction, [record])


def test_a_disk_that_fails_after_the_commit_makes_no_committed_job_fail_or_run_again(
    open_writer: Callable[..., JournalWriter], connection: Flaky, path: Path, record: MakeRecord
) -> None:
    runs = []

    def job(transaction: Transaction) -> None:
        runs.append(1)
        work.append(transaction, [record(len(runs))])

    writer = open_writer()
    connection.broken = "SELECT at_ms"
    writer.start()
    writer.submit(job).result(LONGEST_S)

    assert (len(runs), kept(path), writer.commits) == (1, 1, 1)
    assert writer.outbox.size == 1
    assert writer.last_error_code is not None


def test_what_the_disk_failed_after_one_commit_is_made_good_after_the_next(
    open_writer: Callable[..., JournalWriter], connection: Flaky, record: MakeRecord
) -> None:
    writer = open_writer()
    connection.broken = "SELECT at_ms"
    writer.start()
    writer.submit(adding(record(1))).result(LONGEST_S)
    connection.broken = None
    writer.submit(lambda _: None).result(LONGEST_S)

    assert writer.outbox.oldest_at_ms is not None
    assert writer.last_error_code is None


def test_a_reserve_that_cannot_be_taken_back_stops_nothing(
    open_writer: Callable[..., JournalWriter], path: Path, record: MakeRecord
) -> None:
    writer = open_writer(reserve=BrokenReserve)
    writer.start()
    for number in (1, 2):
        writer.submit(adding(record(number))).result(LONGEST_S)

    assert kept(path) == 2
    assert writer.last_error_code == "io_error"


def test_when_the_thread_fails_everybody_who_waits_hears_of_it_and_the_batch_is_undone(
    open_writer: Callable[..., JournalWriter], path: Path, record: MakeRecord
) -> None:
    def fatal(_: Transaction) -> None:
        raise Fatal

    writer = open_writer()
    futures = [writer.submit(job) for job in (adding(record(1)), fatal, adding(record(2)))]
    writer.start()

    for future in futures:
        with pytest.raises(JournalError, match="writes no more") as caught:
            future.result(LONGEST_S)
        assert (caught.value.code, caught.value.recoverable) == ("failed", False)
    assert kept(path) == 0
    assert writer.last_error_code == "failed"


def test_jobs_that_were_queued_behind_the_failing_batch_hear_of_it_too(
    open_writer: Callable[..., JournalWriter], record: MakeRecord
) -> None:
    running, go_on = threading.Event(), threading.Event()

    def fatal(_: Transaction) -> None:
        running.set()
        assert go_on.wait(LONGEST_S)
        raise Fatal

    writer = open_writer()
    writer.submit(fatal)
    writer.start()
    assert running.wait(LONGEST_S)
    behind = writer.submit(adding(record(1)))
    go_on.set()

    with pytest.raises(JournalError, match="writes no more"):
        behind.result(LONGEST_S)


def test_after_the_thread_failed_every_job_is_refused_at_once(
    open_writer: Callable[..., JournalWriter], record: MakeRecord
) -> None:
    def fatal(_: Transaction) -> None:
        raise Fatal

    writer = open_writer()
    future = writer.submit(fatal)
    writer.start()
    with pytest.raises(JournalError):
        future.result(LONGEST_S)

    with pytest.raises(JournalError, match="Fatal") as caught:
        writer.submit(adding(record(1)))
    assert caught.value.code == "failed"


def test_a_batch_that_is_committed_is_acknowledged_though_the_thread_fails_after_it(
    open_writer: Callable[..., JournalWriter], path: Path, record: MakeRecord
) -> None:
    def on_commit() -> None:
        raise Fatal

    writer = open_writer(on_commit)
    future = writer.submit(adding(record(1)))
    writer.start()
    future.result(LONGEST_S)

    assert kept(path) == 1
