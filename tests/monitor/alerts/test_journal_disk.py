"""The journal on a full disk, on a damaged one, and after a power cut."""

from __future__ import annotations

import random
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from mamori.monitor.alerts import schema
from mamori.monitor.alerts.entries import JournalReader
from mamori.monitor.alerts.errors import JournalError
from mamori.monitor.alerts.journal import AlertJournal
from mamori.monitor.alerts.messages import JournalRecord

MakeRecord = Callable[..., JournalRecord]
SMALL_BYTES = 64 * schema.PAGE_BYTES
LATER = "2027-01-01T00:00:00Z"


def small(path: Path) -> AlertJournal:
    """A journal on a disk that is soon full."""
    return AlertJournal(path, reserve_bytes=0, group_commit_ms=0, max_bytes=SMALL_BYTES)


async def fill(journal: AlertJournal, record: MakeRecord) -> int:
    """Append until the journal is full; how many entries were acknowledged."""
    for acknowledged in range(1000):
        try:
            await journal.append([record(acknowledged, padding=4000)])
        except JournalError as error:
            assert (error.code, error.recoverable) == ("disk_full", True)  # noqa: PT017
            return acknowledged
    raise AssertionError("the journal never filled up")


# Full


async def test_a_full_disk_refuses_the_append_and_keeps_all_before_it(
    path: Path, record: MakeRecord
) -> None:
    async with small(path) as journal:
        acknowledged = await fill(journal, record)
        assert acknowledged > 10
        assert len(await journal.read()) == acknowledged
        assert journal.outbox_size() == acknowledged
        assert journal.status().last_error_code == "disk_full"


async def test_a_full_disk_does_not_stop_publishing(path: Path, record: MakeRecord) -> None:
    async with small(path) as journal:
        acknowledged = await fill(journal, record)
        waiting = [entry.sequence for entry in await journal.unpublished(1000)]
        await journal.mark_published(waiting)
        assert len(waiting) == acknowledged
        assert journal.outbox_size() == 0


async def test_after_room_is_made_the_same_append_works(path: Path, record: MakeRecord) -> None:
    async with small(path) as journal:
        acknowledged = await fill(journal, record)
        await journal.mark_published([entry.sequence for entry in await journal.read()])
        assert await journal.prune(LATER) == acknowledged
        await journal.append([record(acknowledged, padding=4000)])
        assert [entry.event_id for entry in await journal.read()] == [f"note-{acknowledged}:1"]
        assert journal.status().last_error_code is None


async def test_one_append_that_does_not_fit_leaves_room_for_the_smaller_one(
    path: Path, record: MakeRecord
) -> None:
    async with small(path) as journal:
        with pytest.raises(JournalError, match="no room"):
            await journal.append([record(1, padding=2 * SMALL_BYTES)])
        await journal.append([record(2)])
        assert [entry.event_id for entry in await journal.read()] == ["note-2:1"]


async def test_the_reserve_is_held_given_up_when_full_and_taken_back(
    path: Path, record: MakeRecord
) -> None:
    reserve = path.with_name(path.name + ".reserve")
    async with AlertJournal(path, reserve_bytes=1_000_000, max_bytes=SMALL_BYTES) as journal:
        assert journal.status().reserve_held
        assert reserve.stat().st_blocks * 512 >= 1_000_000
        await fill(journal, record)
        assert not journal.status().reserve_held
        assert not reserve.exists()
        await journal.mark_published([entry.sequence for entry in await journal.read()])
        assert journal.status().reserve_held
        assert reserve.stat().st_blocks * 512 >= 1_000_000


async def test_a_reserve_that_the_disk_cannot_hold_is_done_without(
    path: Path, record: MakeRecord
) -> None:
    async with AlertJournal(path, reserve_bytes=2**60) as journal:
        assert not journal.status().reserve_held
        await journal.append([record(1)])
    assert not path.with_name(path.name + ".reserve").exists()


# Damaged


def flip(path: Path, word: bytes) -> None:
    """Flip the lowest bit of the first byte of the only place where ``word`` stands."""
    content = bytearray(path.read_bytes())
    assert content.count(word) == 1
    content[content.index(word)] ^= 1
    path.write_bytes(content)


def copy_of(folder: Path, path: Path, database: bytes, log: bytes) -> Path:
    """Another journal of these bytes."""
    folder.mkdir()
    copy = folder / path.name
    copy.write_bytes(database)
    copy.with_name(f"{path.name}-wal").write_bytes(log)
    return copy


async def three_entries(path: Path, record: MakeRecord) -> None:
    async with AlertJournal(path, reserve_bytes=0) as journal:
        await journal.append([record(1), record(2, text="馬鹿にするな"), record(3)])


@pytest.mark.parametrize("word", ["馬鹿にするな".encode(), b'"n":2'])
async def test_a_flipped_bit_is_reported_by_row_and_hides_no_other_row(
    path: Path, record: MakeRecord, word: bytes
) -> None:
    await three_entries(path, record)
    flip(path, word)
    async with AlertJournal(path, reserve_bytes=0) as journal:
        assert [entry.sequence for entry in await journal.read()] == [1, 3]
        (error,) = journal.damaged
        assert (error.code, error.row) == ("row_damaged", 2)
        assert "row 2" in str(error)


async def test_a_damaged_row_leaves_the_outbox_and_the_others_are_published(
    path: Path, record: MakeRecord
) -> None:
    await three_entries(path, record)
    flip(path, b'"n":2')
    async with AlertJournal(path, reserve_bytes=0) as journal:
        assert [entry.sequence for entry in await journal.unpublished(2)] == [1, 3]
        assert journal.outbox_size() == 2
        await journal.mark_published([1, 3])
        assert await journal.unpublished(2) == []
        assert await journal.prune(LATER) == 2
        assert [error.row for error in journal.damaged] == [2]
        assert journal.status().damaged_rows == 1
    with JournalReader(path) as reader:
        assert [error.row for error in reader.read().damaged] == [2]


async def test_damaged_rows_at_the_head_do_not_hide_the_outbox(
    path: Path, record: MakeRecord
) -> None:
    async with AlertJournal(path, reserve_bytes=0) as journal:
        await journal.append([record(number) for number in range(10, 30)])
    for number in range(10, 20):
        flip(path, f'"n":{number}'.encode())
    async with AlertJournal(path, reserve_bytes=0) as journal:
        entries = await journal.unpublished(3)
        assert [entry.event_id for entry in entries] == ["note-20:1", "note-21:1", "note-22:1"]
        assert journal.outbox_size() == 10


async def test_an_open_alert_whose_row_is_damaged_is_named_and_the_others_are_closed(
    path: Path, alert_records: Callable[..., list[JournalRecord]]
) -> None:
    async with AlertJournal(path, reserve_bytes=0) as journal:
        await journal.append([*alert_records("c1"), *alert_records("c2")])
    connection = sqlite3.connect(path)
    connection.execute("UPDATE entries SET body = body || ' ' WHERE event_id = 'c1-insult:2'")
    connection.commit()
    connection.close()
    async with AlertJournal(path, reserve_bytes=0) as journal:
        recovery = await journal.recover()
        assert [kept.event_id for kept in recovery.records] == ["c2-insult:3"]
        assert [error.row for error in recovery.damaged] == [2]


# Torn


async def test_wherever_the_last_record_is_torn_only_what_was_not_acknowledged_is_lost(
    path: Path, tmp_path: Path, record: MakeRecord
) -> None:
    log = path.with_name(path.name + "-wal")
    async with AlertJournal(path, reserve_bytes=0) as journal:
        await journal.append([record(number, padding=500) for number in range(20)])
        acknowledged_bytes = log.stat().st_size
        await journal.append([record(20, padding=9000)])
        whole, database = (file.read_bytes() for file in (log, path))
    edges = range(acknowledged_bytes, len(whole) + 1, schema.PAGE_BYTES + 24)
    rng = random.Random(3)
    cuts = {edge + step for edge in edges for step in (-1, 0, 1)} & set(
        range(acknowledged_bytes, len(whole) + 1)
    )
    cuts |= {rng.randrange(acknowledged_bytes, len(whole)) for _ in range(20)}
    assert len(cuts) > 25
    for number, cut in enumerate(sorted(cuts)):
        copy = copy_of(tmp_path / f"cut{number}", path, database, whole[:cut])
        async with AlertJournal(copy, reserve_bytes=0, group_commit_ms=0) as journal:
            kept = [entry.event_id for entry in await journal.read()]
            assert kept[:20] == [f"note-{earlier}:1" for earlier in range(20)]
            assert len(kept) == (21 if cut == len(whole) else 20)
            await journal.append([record(20, padding=9000)])
            assert len(await journal.read()) == 21
        shutil.rmtree(copy.parent)
