"""The stream is kept by time, and an unread entry is never trimmed away."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from mamori.monitor.store.delivery import PublisherConfig
from mamori.monitor.store.keys import TenantKeys
from mamori.monitor.store.publisher import StreamPublisher
from mamori.monitor.store.scripts import StoreClient

StreamIds = Callable[[StoreClient, str], Awaitable[list[str]]]
RETENTION_S = 3_600


@pytest.fixture
def publisher(client: Any, outbox: Any) -> StreamPublisher:
    return StreamPublisher(client, outbox, config=PublisherConfig(retention_s=RETENTION_S))


def ids_of_age(*ages_s: float) -> list[str]:
    now_ms = time.time_ns() // 1_000_000
    return [f"{now_ms - int(age_s * 1000)}-0" for age_s in ages_s]


async def fill(client: Any, tenant: str, entry_ids: list[str]) -> str:
    key = TenantKeys(tenant).alerts
    for number, entry_id in enumerate(entry_ids):
        await client.xadd(key, {"id": f"e{number}", "body": "{}"}, id=entry_id)
    return key


async def kept(client: Any, tenant: str) -> list[str]:
    return [entry_id for entry_id, _ in await client.xrange(TenantKeys(tenant).alerts)]


async def test_without_readers_what_is_older_than_the_retention_goes(
    client: Any, tenant: str, publisher: StreamPublisher
) -> None:
    # Two seconds on either side, for the time between the clock and the server.
    ids = ids_of_age(RETENTION_S + 60, RETENTION_S + 2, RETENTION_S - 2, 0)
    await fill(client, tenant, ids)

    assert await publisher.trim(tenant) == 2
    assert await kept(client, tenant) == ids[2:]
    assert publisher.state.trimmed == 2
    assert publisher.state.trim_held_by == ()


async def test_trimming_a_stream_that_is_not_there_removes_nothing(
    tenant: str, publisher: StreamPublisher
) -> None:
    assert await publisher.trim(tenant) == 0


@pytest.mark.parametrize(
    ("acknowledged", "kept_from"),
    [
        ([], 0),  # all pending
        ([0], 1),  # just below the oldest pending goes, the oldest pending itself stays
        ([1], 0),  # what is acknowledged after the oldest pending stays with it
        ([0, 1], 2),
        ([0, 1, 2], 3),
        ([0, 1, 2, 3], 4),  # nothing pending: the retention alone decides
    ],
)
async def test_a_pending_entry_and_all_after_it_stay_whatever_their_age(
    acknowledged: list[int],
    kept_from: int,
    client: Any,
    tenant: str,
    publisher: StreamPublisher,
) -> None:
    old = ids_of_age(*(RETENTION_S + 100 - number for number in range(4)))
    ids = old + ids_of_age(10)
    key = await fill(client, tenant, ids)
    await client.xgroup_create(key, "recorder", "0")
    await client.xreadgroup("recorder", "one", {key: ">"}, count=4)
    for number in acknowledged:
        await client.xack(key, "recorder", ids[number])

    await publisher.trim(tenant)

    assert await kept(client, tenant) == ids[kept_from:]
    held = kept_from < 4
    assert publisher.state.trim_held_by == (((tenant, "recorder"),) if held else ())


@pytest.mark.parametrize("read", [0, 1, 3, 4])
async def test_an_entry_that_a_group_has_not_read_yet_stays(
    read: int, client: Any, tenant: str, publisher: StreamPublisher
) -> None:
    ids = ids_of_age(*(RETENTION_S + 100 - number for number in range(4)))
    key = await fill(client, tenant, ids)
    await client.xgroup_create(key, "recorder", "0")
    if read:
        await client.xreadgroup("recorder", "one", {key: ">"}, count=read, noack=True)

    await publisher.trim(tenant)

    assert await kept(client, tenant) == ids[read:]


async def test_the_slowest_of_several_groups_decides(
    client: Any, tenant: str, publisher: StreamPublisher
) -> None:
    ids = ids_of_age(*(RETENTION_S + 100 - number for number in range(4)))
    key = await fill(client, tenant, ids)
    for group, read in (("fast", 4), ("slow", 1), ("middle", 3)):
        await client.xgroup_create(key, group, "0")
        await client.xreadgroup(group, "one", {key: ">"}, count=read, noack=True)

    await publisher.trim(tenant)

    assert await kept(client, tenant) == ids[1:]
    assert publisher.state.trim_held_by == ((tenant, "slow"),)


async def test_entries_with_the_same_millisecond_are_told_apart_by_their_number(
    client: Any, tenant: str, publisher: StreamPublisher
) -> None:
    (moment,) = ids_of_age(RETENTION_S + 100)
    ids = [moment.replace("-0", f"-{number}") for number in (8, 9, 10, 11)]
    key = await fill(client, tenant, ids)
    await client.xgroup_create(key, "recorder", "0")
    await client.xreadgroup("recorder", "one", {key: ">"}, count=4)
    await client.xack(key, "recorder", *ids[:2])

    await publisher.trim(tenant)

    assert await kept(client, tenant) == ids[2:]


async def test_the_publisher_trims_by_itself(
    client: Any,
    tenant: str,
    outbox: Any,
    running: Callable[[StreamPublisher], None],
    eventually: Callable[..., Awaitable[None]],
) -> None:
    await fill(client, tenant, ids_of_age(RETENTION_S + 100))
    publisher = StreamPublisher(
        client,
        outbox,
        config=PublisherConfig(retention_s=RETENTION_S, trim_every_s=0.05),
        tenants=[tenant],
    )
    running(publisher)
    await eventually(lambda: publisher.state.trimmed == 1)
    await fill(client, tenant, ids_of_age(RETENTION_S + 90))
    await eventually(lambda: publisher.state.trimmed == 2)
