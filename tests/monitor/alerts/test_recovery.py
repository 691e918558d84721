"""What is closed at the start after a crash, and what is left alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from mamori.monitor.alerts.journal import AlertJournal
from mamori.monitor.alerts.messages import JournalRecord
from mamori.monitor.alerts.work import CallKey

MakeAlerts = Callable[..., list[JournalRecord]]


async def test_a_journal_that_was_closed_in_order_has_nothing_to_recover(
    path: Path, alert_records: MakeAlerts
) -> None:
    async with AlertJournal(path, reserve_bytes=0) as journal:
        await journal.call_opened("acme", "c1")
        await journal.append(alert_records("c1", resolved=True))
        await journal.call_closed("acme", "c1")
    async with AlertJournal(path, reserve_bytes=0) as journal:
        found = await journal.recover()
    assert (found.records, found.calls) == ((), ())


async def test_calls_of_this_process_are_never_interrupted(
    journal: AlertJournal, alert_records: MakeAlerts
) -> None:
    await journal.call_opened("acme", "c1")
    await journal.append(alert_records("c1"))
    assert (await journal.recover()).records == ()


async def test_the_same_call_id_in_two_tenants_is_two_calls(
    path: Path, alert_records: MakeAlerts
) -> None:
    async with AlertJournal(path, reserve_bytes=0) as journal:
        for tenant in ("acme", "umbrella"):
            await journal.call_opened(tenant, "c1")
            await journal.append(alert_records("c1", tenant=tenant))
        await journal.append(alert_records("c1", tenant="acme", resolved=True)[-1:])
        await journal.call_closed("acme", "c1")
    async with AlertJournal(path, reserve_bytes=0) as journal:
        found = await journal.recover()
    assert found.calls == (CallKey("umbrella", "c1"),)
    assert [(record.tenant, record.kind) for record in found.records] == [
        ("umbrella", "alert_resolved"),
        ("umbrella", "call_ended"),
    ]


async def test_an_alert_left_open_by_a_call_that_was_never_noted_is_closed_too(
    path: Path, alert_records: MakeAlerts
) -> None:
    async with AlertJournal(path, reserve_bytes=0) as journal:
        await journal.append(alert_records("c1"))
    async with AlertJournal(path, reserve_bytes=0) as journal:
        found = await journal.recover()
    assert [record.event_id for record in found.records] == ["c1-insult:3"]


async def test_the_length_of_an_interrupted_call_is_the_latest_time_known_of_it(
    path: Path, alert_records: MakeAlerts
) -> None:
    async with AlertJournal(path, reserve_bytes=0) as journal:
        for call_id in ("by-alert", "by-progress", "unknown"):
            await journal.call_opened("acme", call_id)
        resolved = [
            record
            for record in alert_records("by-alert", resolved=True)
            if record.kind == "alert_resolved"
        ]
        await journal.append([*alert_records("by-progress"), *resolved])
        await journal.call_progress(
            {CallKey("acme", "by-progress"): 30_000, CallKey("acme", "by-alert"): 1}
        )
        await journal.call_progress({CallKey("acme", "by-progress"): 20_000})
        await journal.call_progress({})
    async with AlertJournal(path, reserve_bytes=0) as journal:
        found = await journal.recover()
    ends = {
        record.call_id: json.loads(record.body)["duration_ms"]
        for record in found.records
        if record.kind == "call_ended"
    }
    assert ends == {"by-alert": 9_000, "by-progress": 30_000, "unknown": 0}


async def test_a_call_id_used_again_does_not_inherit_the_earlier_calls_length(path: Path) -> None:
    old = JournalRecord(
        event_id="c1-ladder:notice:decided:900000",
        tenant="acme",
        call_id="c1",
        kind="ladder_moved",
        body='{"type":"ladder_moved","offset_ms":900000}',
        at="2026-04-01T09:00:00Z",
    )
    async with AlertJournal(path, reserve_bytes=0) as journal:
        await journal.append([old])
        await journal.call_opened("acme", "c1")
    async with AlertJournal(path, reserve_bytes=0) as journal:
        found = await journal.recover()
    assert [json.loads(record.body)["duration_ms"] for record in found.records] == [0]


async def test_a_call_id_interrupted_twice_ends_twice_under_two_ids(path: Path) -> None:
    for _ in range(2):
        async with AlertJournal(path, reserve_bytes=0) as journal:
            await journal.append((await journal.recover()).records)
            await journal.call_opened("acme", "c1")
            await journal.call_opened("acme", "c1")
    async with AlertJournal(path, reserve_bytes=0) as journal:
        await journal.append((await journal.recover()).records)
        ids = [entry.event_id for entry in await journal.read()]
    assert len(set(ids)) == len(ids) == 2


async def test_closed_calls_are_forgotten_by_retention(path: Path, journal: AlertJournal) -> None:
    await journal.call_opened("acme", "c1")
    await journal.call_closed("acme", "c1")
    await journal.call_opened("acme", "c1")
    assert await journal.prune("2027-01-01T00:00:00Z") == 0
    await journal.close()
    async with AlertJournal(path, reserve_bytes=0) as again:
        assert [record.event_id for record in (await again.recover()).records] == [
            "c1-call_ended:2"
        ]
