"""Entries of the outbox arrive in the stream: in order, each once, nobody blocked."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest

from mamori.errors import MamoriError
from mamori.monitor.store.delivery import PublisherConfig
from mamori.monitor.store.keys import TenantKeys
from mamori.monitor.store.port import OutboxEntry, OutboxItem
from mamori.monitor.store.publisher import PublishError, StreamPublisher
from mamori.monitor.store.scripts import StoreClient
from mamori.monitor.store.sender import StoreLostError, batches

StreamIds = Callable[[StoreClient, str], Awaitable[list[str]]]
DAY_S = 86_400
FAST = PublisherConfig(backoff_first_s=0.01, backoff_longest_s=0.05, verify_every_s=0.05)


def entry(sequence: int, body: str = "{}") -> OutboxEntry:
    return OutboxEntry(sequence=sequence, event_id=f"e{sequence}", tenant="t", body=body)


async def drain(publisher: StreamPublisher) -> None:
    while await publisher.drain():
        pass


async def test_entries_arrive_in_the_order_of_the_outbox_and_are_marked(
    client: Any, tenant: str, outbox: Any, stream_ids: StreamIds
) -> None:
    ids = outbox.add(tenant, 450)

    await drain(StreamPublisher(client, outbox))

    assert await stream_ids(client, tenant) == ids
    assert not outbox.waiting


async def test_an_entry_carries_its_id_and_its_body_unchanged(
    client: Any, tenant: str, outbox: Any
) -> None:
    body = '{"quote":"殺すぞ\\u0000 \\ud800 🙇"}'
    (event_id,) = outbox.add(tenant, body=body)

    await drain(StreamPublisher(client, outbox))

    ((_, fields),) = await client.xrange(TenantKeys(tenant).alerts)
    assert fields == {"id": event_id, "body": body}


async def test_an_entry_sent_again_is_not_doubled(
    client: Any, tenant: str, outbox: Any, stream_ids: StreamIds
) -> None:
    ids = outbox.add(tenant, 10)
    publisher = StreamPublisher(client, outbox)
    await drain(publisher)
    outbox.refill(tenant)

    await drain(publisher)

    assert await stream_ids(client, tenant) == ids
    assert publisher.state.published == 10
    assert publisher.state.duplicates == 10


async def test_a_second_publisher_of_the_same_outbox_doubles_nothing(
    client: Any, tenant: str, outbox: Any, stream_ids: StreamIds
) -> None:
    ids = outbox.add(tenant, 10)
    await drain(StreamPublisher(client, outbox))
    outbox.refill(tenant)

    await drain(StreamPublisher(client, outbox, config=PublisherConfig(publisher_id="other")))

    assert await stream_ids(client, tenant) == ids


async def test_the_script_is_sent_again_to_a_server_that_forgot_it(
    client: Any, tenant: str, outbox: Any, stream_ids: StreamIds
) -> None:
    publisher = StreamPublisher(client, outbox)
    ids = outbox.add(tenant)
    await drain(publisher)
    await client.execute_command("SCRIPT", "FLUSH")

    ids += outbox.add(tenant)
    await drain(publisher)

    assert await stream_ids(client, tenant) == ids


async def test_the_seen_key_lives_as_long_as_configured(
    client: Any, tenant: str, outbox: Any
) -> None:
    (event_id,) = outbox.add(tenant)
    config = PublisherConfig(retention_s=3600, seen_ttl_s=100_000)
    await drain(StreamPublisher(client, outbox, config=config))

    remaining_ms = await client.pttl(TenantKeys(tenant).seen(event_id))
    assert 99_990_000 < remaining_ms <= 100_000_000


async def let_pass(client: Any, tenant: str, seconds: int) -> None:
    """Bring every key that expires nearer to its end, as time would; those due are gone."""
    async for key in client.scan_iter(match=f"mamori:{{{tenant}}}:*", count=1_000):
        remaining_ms = await client.pttl(key)
        if remaining_ms >= 0:
            await client.pexpire(key, remaining_ms - seconds * 1_000)


@pytest.mark.parametrize("age_days", [6, 8, 30])
async def test_a_refill_of_all_that_the_retention_covers_doubles_nothing(
    age_days: int, client: Any, tenant: str, outbox: Any, stream_ids: StreamIds
) -> None:
    config = PublisherConfig(retention_s=30 * DAY_S)
    ids = outbox.add(tenant, 3)
    await drain(StreamPublisher(client, outbox, config=config))
    await let_pass(client, tenant, age_days * DAY_S)
    outbox.refill(tenant)

    await drain(StreamPublisher(client, outbox, config=config))

    assert await stream_ids(client, tenant) == ids


@pytest.mark.parametrize("retention_s", [1, 7 * DAY_S, 10 * 366 * DAY_S])
def test_an_entry_is_known_a_day_longer_than_it_is_kept(retention_s: int) -> None:
    assert PublisherConfig(retention_s=retention_s).seen_life_s == retention_s + DAY_S


@pytest.mark.parametrize(
    ("seen_ttl_s", "accepted"),
    [(31 * DAY_S - 1, False), (31 * DAY_S, True), (31 * DAY_S + 1, True)],
)
def test_an_entry_must_be_known_at_least_a_day_longer_than_it_is_kept(
    seen_ttl_s: int, accepted: bool
) -> None:
    bounds = contextlib.nullcontext() if accepted else pytest.raises(ValueError, match="seen_ttl_s")
    with bounds:
        PublisherConfig(retention_s=30 * DAY_S, seen_ttl_s=seen_ttl_s)


async def test_a_new_entry_wakes_an_idle_publisher(
    client: Any,
    tenant: str,
    outbox: Any,
    running: Callable[[StreamPublisher], None],
    eventually: Callable[..., Awaitable[None]],
) -> None:
    publisher = StreamPublisher(
        client, outbox, config=PublisherConfig(verify_every_s=3600, trim_every_s=3600)
    )
    running(publisher)
    outbox.add(tenant)
    await eventually(lambda: not outbox.waiting)
    outbox.add(tenant)

    await eventually(lambda: publisher.state.published == 2, within_s=1)


async def test_the_owner_is_asked_to_fill_a_stream_that_was_never_seen(
    client: Any, tenant: str, outbox: Any, stream_ids: StreamIds
) -> None:
    old = outbox.add(tenant, 3)
    outbox.waiting.clear()  # marked published, into a store that is no more

    async def on_store_lost(lost: str) -> None:
        outbox.refill(lost)

    publisher = StreamPublisher(client, outbox, on_store_lost=on_store_lost, tenants=[tenant])
    await drain(publisher)

    assert await stream_ids(client, tenant) == old
    assert publisher.state.store_losses == 0  # the first contact is no loss


@pytest.mark.parametrize("harm", ["marks", "alerts", "all"])
async def test_a_store_that_lost_entries_is_filled_again_from_the_outbox_in_order(
    harm: str,
    client: Any,
    tenant: str,
    outbox: Any,
    stream_ids: StreamIds,
    running: Callable[[StreamPublisher], None],
    eventually: Callable[..., Awaitable[None]],
) -> None:
    async def on_store_lost(lost: str) -> None:
        outbox.refill(lost)

    publisher = StreamPublisher(client, outbox, config=FAST, on_store_lost=on_store_lost)
    running(publisher)
    ids = outbox.add(tenant, 20)
    await eventually(lambda: publisher.state.published == 20)

    keys = TenantKeys(tenant)
    if harm == "all":
        await client.delete(keys.alerts, keys.marks, *(keys.seen(event_id) for event_id in ids))
    else:
        await client.delete(getattr(keys, harm))

    await eventually(lambda: publisher.state.store_losses == 1)
    ids += outbox.add(tenant, 1)
    await eventually(lambda: not outbox.waiting)
    assert await stream_ids(client, tenant) == ids
    await eventually(lambda: publisher.state.status == "ok")


async def test_a_loss_is_noticed_before_a_newer_entry_can_cover_it(
    client: Any, tenant: str, outbox: Any, stream_ids: StreamIds
) -> None:
    """As after a failover to a replica that lacks the last entries of this publisher."""

    async def on_store_lost(lost: str) -> None:
        outbox.refill(lost)

    publisher = StreamPublisher(client, outbox, on_store_lost=on_store_lost)
    keys = TenantKeys(tenant)
    first = outbox.add(tenant, 5)
    await drain(publisher)
    mark = await client.hget(keys.marks, "node")
    lost = outbox.add(tenant, 5)
    await drain(publisher)
    # Back to the first five; then another publisher writes, so the stream's last id is newer.
    late = [entry_id for entry_id, _ in await client.xrange(keys.alerts)][5:]
    await client.xdel(keys.alerts, *late)
    await client.delete(*(keys.seen(event_id) for event_id in lost))
    await client.hset(keys.marks, "node", mark)
    await client.xadd(keys.alerts, {"id": "other", "body": "{}"})

    outbox.add(tenant, 1)
    with pytest.raises(PublishError, match="entries_missing"):
        await publisher.drain()
    await drain(publisher)

    assert await stream_ids(client, tenant) == [*first, "other", *lost, "e11"]


async def test_entries_of_other_tenants_pass_by_one_whose_stream_is_broken(
    client: Any, tenant: str, outbox: Any, stream_ids: StreamIds
) -> None:
    await client.set(TenantKeys(tenant).alerts, "not a stream")
    broken = outbox.add(tenant, 3)
    fine = outbox.add(f"{tenant}-other", 3)
    publisher = StreamPublisher(client, outbox)

    for _ in range(20):
        with pytest.raises(PublishError) as caught:
            await publisher.drain()
        assert (caught.value.code, caught.value.recoverable) == ("wrong_type", True)
        assert isinstance(caught.value, MamoriError)

    assert await stream_ids(client, f"{tenant}-other") == fine
    # A server that refuses a whole tenant condemns none of its entries.
    assert [waiting.event_id for waiting in outbox.waiting.values()] == broken
    assert publisher.state.dead_lettered == 0


@pytest.mark.parametrize(
    "hostile", ["", "A", "a" * 65, "a}:x", "{a", "a:b", "a b", "a*", "á", "\n"]
)
async def test_an_entry_with_a_hostile_tenant_is_set_aside_and_reported(
    hostile: str, client: Any, tenant: str, outbox: Any, stream_ids: StreamIds
) -> None:
    reported: list[tuple[OutboxItem, str]] = []

    async def on_dead_letter(item: OutboxItem, code: str) -> None:
        reported.append((item, code))

    outbox.add(hostile)
    ids = outbox.add(tenant)
    publisher = StreamPublisher(client, outbox, on_dead_letter=on_dead_letter)
    await drain(publisher)

    assert [(item.tenant, code) for item, code in reported] == [(hostile, "bad_tenant")]
    assert await stream_ids(client, tenant) == ids
    assert not outbox.waiting


async def test_a_failing_outbox_is_retried_and_reported(
    client: Any,
    tenant: str,
    outbox: Any,
    running: Callable[[StreamPublisher], None],
    eventually: Callable[..., Awaitable[None]],
) -> None:
    failures = iter([MamoriError("disk_full", "no space", recoverable=True), OSError("odd")])
    honest = outbox.unpublished

    async def failing(limit: int) -> Sequence[OutboxEntry]:
        for failure in failures:
            raise failure
        entries: Sequence[OutboxEntry] = await honest(limit)
        return entries

    outbox.unpublished = failing
    publisher = StreamPublisher(client, outbox, config=FAST)
    outbox.add(tenant)
    running(publisher)

    await eventually(lambda: not outbox.waiting)
    await eventually(lambda: publisher.state.status == "ok")
    assert publisher.state.retries == 2
    assert publisher.state.error_code == "internal"


@pytest.mark.parametrize("after_turns", range(0, 60, 3))
async def test_the_publisher_ends_whenever_it_is_cancelled(
    after_turns: int, client: Any, tenant: str, outbox: Any
) -> None:
    """Also in the middle of a command, where Python 3.11 may drop the cancellation."""
    config = PublisherConfig(verify_every_s=0.01, trim_every_s=0.01)
    publisher = StreamPublisher(client, outbox, config=config, tenants=[tenant])
    task = asyncio.create_task(publisher.run())
    for _ in range(after_turns):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task], timeout=5)
    assert task.cancelled()


def test_a_batch_keeps_the_limit_of_entries() -> None:
    entries = [entry(number) for number in range(7)]
    cut = batches(entries, max_entries=3, max_bytes=1_000)
    assert [[item.sequence for item in batch] for batch in cut] == [[0, 1, 2], [3, 4, 5], [6]]


@pytest.mark.parametrize(("size", "count"), [(9, 1), (10, 1), (11, 2)])
def test_a_batch_keeps_the_limit_of_bytes(size: int, count: int) -> None:
    assert (
        len(batches([entry(1, "x" * 10), entry(2, "y" * size)], max_entries=9, max_bytes=20))
        == count
    )


def test_an_entry_above_the_limit_travels_alone() -> None:
    entries = [entry(1), entry(2, "x" * 50), entry(3)]
    cut = batches(entries, max_entries=9, max_bytes=20)
    assert [[item.sequence for item in batch] for batch in cut] == [[1], [2], [3]]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("batch_entries", 0),
        ("batch_entries", 1_001),
        ("seen_ttl_s", 3_599),
        ("retention_s", 0),
        ("poison_tries", 1),
        ("backoff_longest_s", 0.01),
        ("publisher_id", ""),
    ],
)
def test_a_configuration_outside_its_bounds_is_refused_by_name(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=name):
        PublisherConfig(**{name: value})


def test_a_lost_store_has_a_code_and_can_be_recovered_from() -> None:
    lost: MamoriError = StoreLostError("t", first_contact=False)
    assert (lost.code, lost.recoverable) == ("entries_missing", True)
