"""The journal keeps what it acknowledged, once, in order, and hands it to who publishes it."""

from __future__ import annotations

import asyncio
import sqlite3
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import pytest

from mamori.monitor.alerts import schema
from mamori.monitor.alerts.entries import JournalReader
from mamori.monitor.alerts.errors import JournalError
from mamori.monitor.alerts.journal import AlertJournal
from mamori.monitor.alerts.messages import JournalRecord

MakeRecord = Callable[..., JournalRecord]
AT = "2026-04-01T09:00:00.000Z"
LETTER = "this is a letter, not a database\n" * 100


class Clock(Protocol):
    """What the fixture ``clock`` is."""

    def advance(self, seconds: float) -> None: ...


@pytest.fixture
def open_file(path: Path) -> Path:
    """A journal's file that others may read."""
    path.parent.mkdir()
    path.touch(mode=0o644)
    return path


@pytest.fixture
def letter(path: Path) -> Path:
    """A file that is no journal, where one should be."""
    path.parent.mkdir()
    path.write_text(LETTER)
    return path


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def sequences(journal: AlertJournal) -> list[int]:
    return [entry.sequence for entry in await journal.unpublished(1000)]


# Appending


async def test_what_was_appended_is_read_back_in_order(
    journal: AlertJournal, record: MakeRecord
) -> None:
    await journal.append([record(1, text="ばかやろう"), record(2)])
    await journal.append([record(3)])
    entries = await journal.read()
    assert [entry.event_id for entry in entries] == ["note-1:1", "note-2:1", "note-3:1"]
    assert entries[0].body == record(1, text="ばかやろう").body
    assert [entry.sequence for entry in entries] == [1, 2, 3]
    assert "ばかやろう" not in repr(entries[0])


async def test_appending_nothing_commits_nothing(journal: AlertJournal) -> None:
    await journal.append([])
    assert journal.status().commits == 0


async def test_what_is_appended_twice_is_kept_once(
    journal: AlertJournal, record: MakeRecord
) -> None:
    await journal.append([record(1), record(1)])
    await journal.append([record(1), record(2)])
    assert [entry.event_id for entry in await journal.read()] == ["note-1:1", "note-2:1"]
    assert journal.outbox_size() == 2


async def test_a_retry_with_a_later_time_is_the_same_event(
    journal: AlertJournal, alert_records: Callable[..., list[JournalRecord]]
) -> None:
    first, *_ = alert_records("c1")
    later_at = "2026-04-01T09:00:01.000Z"
    retried = JournalRecord(
        event_id=first.event_id,
        tenant=first.tenant,
        call_id=first.call_id,
        kind=first.kind,
        body=first.body.replace(first.at, later_at),
        at=later_at,
    )
    await journal.append([first])
    await journal.append([retried])
    assert [entry.at for entry in await journal.read()] == [first.at]


async def test_another_event_under_a_used_id_is_refused_and_keeps_nothing(
    journal: AlertJournal, record: MakeRecord
) -> None:
    await journal.append([record(1)])
    with pytest.raises(JournalError) as caught:
        await journal.append([record(2), record(1, text="other")])
    assert (caught.value.code, caught.value.recoverable) == ("event_id_conflict", False)
    assert [entry.event_id for entry in await journal.read()] == ["note-1:1"]
    assert journal.outbox_size() == 1


async def test_a_refused_append_does_not_harm_those_committed_with_it(
    path: Path, record: MakeRecord
) -> None:
    async with AlertJournal(path, group_commit_ms=300, reserve_bytes=0) as journal:
        await journal.append([record(1)])
        outcomes = await asyncio.gather(
            journal.append([record(2)]),
            journal.append([record(1, text="other")]),
            journal.append([record(3)]),
            return_exceptions=True,
        )
        assert [isinstance(outcome, JournalError) for outcome in outcomes] == [False, True, False]
        assert journal.status().commits == 2
        assert len(await journal.read()) == 3


async def test_two_tenants_may_use_the_same_event_id(
    journal: AlertJournal, record: MakeRecord
) -> None:
    await journal.append([record(1, tenant="acme"), record(1, tenant="umbrella", text="other")])
    assert [entry.tenant for entry in await journal.read()] == ["acme", "umbrella"]
    assert [entry.tenant for entry in await journal.read(tenant="umbrella")] == ["umbrella"]


async def test_a_hundred_concurrent_appends_take_few_commits(
    journal: AlertJournal, record: MakeRecord
) -> None:
    await asyncio.gather(*(journal.append([record(number)]) for number in range(100)))
    assert journal.status().commits <= 10
    assert journal.outbox_size() == 100


async def test_one_append_after_another_takes_a_commit_each(
    journal: AlertJournal, record: MakeRecord
) -> None:
    for number in range(3):
        await journal.append([record(number)])
    assert journal.status().commits == 3


async def test_an_append_whose_caller_went_away_is_kept_all_the_same(
    path: Path, record: MakeRecord
) -> None:
    async with AlertJournal(path, reserve_bytes=0) as journal:
        waiting = asyncio.create_task(journal.append([record(1)]))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    with JournalReader(path) as reader:
        assert [entry.event_id for entry in reader.read().entries] == ["note-1:1"]


async def test_more_than_may_wait_is_refused_without_blocking(
    path: Path, record: MakeRecord
) -> None:
    async with AlertJournal(path, reserve_bytes=0, group_commit_ms=300, most_jobs=1) as journal:
        await journal.append([record(0)])
        other = sqlite3.connect(path)
        other.execute("BEGIN IMMEDIATE")  # the writer now waits for the disk's lock
        tasks = [asyncio.create_task(journal.append([record(n)])) for n in range(1, 600)]
        await asyncio.sleep(0)
        other.execute("ROLLBACK")
        other.close()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        refused = [outcome for outcome in outcomes if isinstance(outcome, JournalError)]
        assert {error.code for error in refused} == {"queue_full"}
        assert all(error.recoverable for error in refused)
        assert len(await journal.read()) == 600 - len(refused)


async def test_a_closed_journal_refuses_everything(path: Path, record: MakeRecord) -> None:
    journal = AlertJournal(path, reserve_bytes=0)
    for _ in range(2):
        with pytest.raises(JournalError, match="not open"):
            await journal.append([record(1)])
        with pytest.raises(JournalError, match="not open"):
            await journal.read()
        await journal.start()
        await journal.close()
        await journal.close()


# The outbox


async def test_the_outbox_hands_over_in_order_and_forgets_nothing_until_told(
    journal: AlertJournal, record: MakeRecord
) -> None:
    await journal.append([record(number) for number in range(5)])
    assert [entry.event_id for entry in await journal.unpublished(2)] == ["note-0:1", "note-1:1"]
    await journal.mark_published([1, 3])
    assert await sequences(journal) == [2, 4, 5]
    assert journal.outbox_size() == 3


async def test_marking_twice_counts_once(journal: AlertJournal, record: MakeRecord) -> None:
    await journal.append([record(1), record(2)])
    await journal.mark_published([1])
    await journal.mark_published([1, 99])
    await journal.mark_published([])
    assert journal.outbox_size() == 1


async def test_published_entries_stay_readable(journal: AlertJournal, record: MakeRecord) -> None:
    await journal.append([record(1), record(2)])
    await journal.mark_published([1])
    assert [(entry.sequence, entry.published) for entry in await journal.read()] == [
        (1, True),
        (2, False),
    ]


async def test_waiting_ends_with_the_next_commit(journal: AlertJournal, record: MakeRecord) -> None:
    assert await journal.unpublished(10) == []
    waiter = asyncio.create_task(journal.wait_for_unpublished())
    await asyncio.sleep(0)
    assert not waiter.done()
    await journal.append([record(1)])
    await waiter
    assert await sequences(journal) == [1]


async def test_an_empty_outbox_is_waited_for_again(
    journal: AlertJournal, record: MakeRecord
) -> None:
    await journal.append([record(1)])
    await journal.wait_for_unpublished()
    await journal.mark_published(await sequences(journal))
    assert await journal.unpublished(10) == []
    waiter = asyncio.create_task(journal.wait_for_unpublished())
    await asyncio.sleep(0)
    assert not waiter.done()
    waiter.cancel()


async def test_what_was_unpublished_at_the_end_waits_at_the_next_start(
    path: Path, record: MakeRecord
) -> None:
    async with AlertJournal(path, reserve_bytes=0) as journal:
        await journal.append([record(1), record(2)])
        await journal.mark_published([1])
    async with AlertJournal(path, reserve_bytes=0) as journal:
        await journal.wait_for_unpublished()
        assert await sequences(journal) == [2]
        assert journal.outbox_size() == 1


async def test_the_oldest_waiting_entry_has_an_age(
    journal: AlertJournal, clock: Clock, record: MakeRecord
) -> None:
    assert journal.oldest_unpublished_age_s() == 0.0
    await journal.append([record(1, at="2026-04-01T08:59:50.000Z"), record(2)])
    assert journal.oldest_unpublished_age_s() == 10.0
    clock.advance(5)
    assert journal.oldest_unpublished_age_s() == 15.0
    await journal.mark_published([1])
    assert journal.oldest_unpublished_age_s() == 5.0
    clock.advance(-3600)
    assert journal.oldest_unpublished_age_s() == 0.0


async def test_a_lost_stream_is_refilled_for_one_tenant_from_a_moment_on(
    journal: AlertJournal, record: MakeRecord
) -> None:
    times = ["2026-04-01T08:59:59.999Z", "2026-04-01T09:00:00.000Z", "2026-04-01T09:00:00.001Z"]
    await journal.append([record(number, at=at) for number, at in enumerate(times)])
    await journal.append([record(9, tenant="umbrella")])
    await journal.mark_published([1, 2, 3, 4])
    assert await journal.mark_all_unpublished("acme", "2026-04-01T09:00:00.000Z") == 2
    await journal.wait_for_unpublished()
    assert await sequences(journal) == [2, 3]
    assert journal.outbox_size() == 2


async def test_a_refill_of_many_entries_lets_alerts_pass_between_its_slices(
    path: Path, record: MakeRecord
) -> None:
    async with AlertJournal(path, reserve_bytes=0, group_commit_ms=0) as journal:
        await journal.append([record(number) for number in range(5000)])
        await journal.append([record(number, tenant="umbrella") for number in range(5)])
        await journal.mark_published(range(1, 5006))
        assert await journal.unpublished(1) == []
        commits = journal.status().commits

        refill = asyncio.create_task(journal.mark_all_unpublished("acme", AT))
        await journal.wait_for_unpublished()
        await journal.append([record(9999)])

        assert not refill.done()
        assert await refill == 5000
        assert journal.status().commits - commits >= 5
        assert journal.outbox_size() == 5001


@pytest.mark.parametrize("published", [999, 1000, 1001])
async def test_a_refill_ends_with_its_last_slice_whatever_its_size(
    journal: AlertJournal, record: MakeRecord, published: int
) -> None:
    await journal.append([record(number) for number in range(published)])
    await journal.mark_published(range(1, published + 1))
    assert await journal.mark_all_unpublished("acme", AT) == published
    assert len(await journal.unpublished(2000)) == published


# Retention


async def test_retention_removes_what_is_older_and_published(
    journal: AlertJournal, record: MakeRecord
) -> None:
    times = ["2026-04-01T08:59:59.999Z", "2026-04-01T09:00:00.000Z", "2026-04-01T08:59:59.999Z"]
    await journal.append([record(number, at=at) for number, at in enumerate(times)])
    await journal.mark_published([1, 2])
    assert await journal.prune("2026-04-01T09:00:00.000Z") == 1
    assert [entry.sequence for entry in await journal.read()] == [2, 3]


async def test_retention_removes_more_than_one_transaction_holds(
    journal: AlertJournal, record: MakeRecord
) -> None:
    await journal.append([record(number) for number in range(2001)])
    await journal.mark_published(range(1, 2002))
    assert await journal.prune("2027-01-01T00:00:00Z") == 2001
    assert await journal.read() == []


async def test_retention_never_removes_the_latest_of_an_open_alert(
    journal: AlertJournal, alert_records: Callable[..., list[JournalRecord]]
) -> None:
    await journal.append(alert_records("open"))
    await journal.append(alert_records("over", resolved=True))
    await journal.mark_published(await sequences(journal))
    await journal.prune("2027-01-01T00:00:00Z")
    assert [entry.event_id for entry in await journal.read()] == ["open-insult:2"]


async def test_a_sequence_is_never_used_again(journal: AlertJournal, record: MakeRecord) -> None:
    await journal.append([record(1)])
    await journal.mark_published([1])
    await journal.prune("2027-01-01T00:00:00Z")
    await journal.append([record(2)])
    assert [entry.sequence for entry in await journal.read()] == [2]


async def test_removed_words_are_gone_from_the_file(path: Path, record: MakeRecord) -> None:
    async with AlertJournal(path, reserve_bytes=0) as journal:
        await journal.append([record(1, text="ばかやろう")])
        await journal.mark_published([1])
        await journal.prune("2027-01-01T00:00:00Z")
    left = b"".join(file.read_bytes() for file in path.parent.iterdir())
    assert "ばかやろう".encode() not in left


# Reading


async def test_reading_goes_on_from_a_sequence(journal: AlertJournal, record: MakeRecord) -> None:
    await journal.append([record(number) for number in range(5)])
    page = await journal.read(after_sequence=2, limit=2)
    assert [entry.sequence for entry in page] == [3, 4]


async def test_another_program_may_read_beside_the_owner(
    journal: AlertJournal, path: Path, record: MakeRecord
) -> None:
    await journal.append([record(1)])
    with JournalReader(path) as reader:
        assert [entry.event_id for entry in reader.read().entries] == ["note-1:1"]
        await journal.append([record(2)])
        assert [entry.event_id for entry in reader.read(after_sequence=1).entries] == ["note-2:1"]


def test_reading_where_there_is_no_journal_says_so(path: Path) -> None:
    with pytest.raises(JournalError) as caught:
        JournalReader(path)
    assert caught.value.code == "not_found"


# Its files


async def test_only_its_owner_can_read_its_files(
    journal: AlertJournal, path: Path, record: MakeRecord
) -> None:
    await journal.append([record(1)])
    assert mode_of(path.parent) == 0o700
    modes = {file.name: mode_of(file) for file in path.parent.iterdir()}
    assert set(modes.values()) == {0o600}
    assert {path.name, f"{path.name}-wal", f"{path.name}.lock"} <= set(modes)


async def test_a_file_that_others_could_read_is_closed_to_them(open_file: Path) -> None:
    assert mode_of(open_file) == 0o644
    async with AlertJournal(open_file, reserve_bytes=0):
        assert mode_of(open_file) == 0o600


def test_every_commit_is_on_the_disk_before_it_is_acknowledged(path: Path) -> None:
    schema.prepare_files(path)
    connection = schema.connect_writer(path)
    try:
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    finally:
        connection.close()


async def test_a_second_owner_is_refused_and_told_who_the_first_is(
    journal: AlertJournal, path: Path, record: MakeRecord
) -> None:
    second = AlertJournal(path, reserve_bytes=0)
    with pytest.raises(JournalError, match=r"belongs to running process \d+") as caught:
        await second.start()
    assert caught.value.code == "in_use"
    await journal.append([record(1)])
    await journal.close()
    await second.start()
    assert len(await second.read()) == 1
    await second.close()


async def test_a_file_that_is_no_journal_is_refused_and_left_alone(letter: Path) -> None:
    for _ in range(2):  # the failed start gives its lock back
        with pytest.raises(JournalError) as caught:
            await AlertJournal(letter, reserve_bytes=0).start()
        assert caught.value.code == "corrupt"
    assert letter.read_text() == LETTER


async def test_a_journal_of_a_newer_version_is_refused(path: Path) -> None:
    async with AlertJournal(path, reserve_bytes=0):
        pass
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {schema.SCHEMA_VERSION + 1}")
    connection.close()
    with pytest.raises(JournalError) as caught:
        await AlertJournal(path, reserve_bytes=0).start()
    assert caught.value.code == "newer_schema"


async def test_a_folder_that_cannot_be_made_is_an_error_with_its_reason(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(JournalError) as caught:
        await AlertJournal(tmp_path / "file" / "alerts.sqlite3", reserve_bytes=0).start()
    assert caught.value.code == "io_error"


# Its configuration


@pytest.mark.parametrize("group_commit_ms", [0, 1000])
def test_commits_may_be_up_to_a_second_apart(path: Path, group_commit_ms: int) -> None:
    AlertJournal(path, group_commit_ms=group_commit_ms)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"group_commit_ms": -1}, r"\[0, 1000\]"),
        ({"group_commit_ms": 1001}, r"\[0, 1000\]"),
        ({"reserve_bytes": -1}, "must not be negative"),
        ({"max_bytes": 64 * 4096 - 1}, "at least 262144"),
        ({"most_jobs": 0}, "at least 1"),
    ],
)
def test_a_wrong_setting_names_what_is_allowed(
    path: Path, wrong: dict[str, int], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        AlertJournal(path, **wrong)  # type: ignore[arg-type]
