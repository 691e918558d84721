"""The live feed never waits and never raises; what it drops is counted."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest

from mamori.monitor.store.keys import TenantKeys
from mamori.monitor.store.live import LiveConfig, LivePublisher


async def bodies(client: Any, tenant: str) -> list[str]:
    return [fields["body"] for _, fields in await client.xrange(TenantKeys(tenant).live)]


async def test_messages_arrive_in_order(client: Any, tenant: str) -> None:
    live = LivePublisher(client)
    for number in range(450):
        live.publish(tenant, str(number))
    assert await live.flush()
    assert await bodies(client, tenant) == [str(number) for number in range(450)]
    assert live.counts.published == 450


async def test_the_live_stream_is_capped(client: Any, tenant: str) -> None:
    live = LivePublisher(client, config=LiveConfig(stream_entries=200))
    for number in range(3_000):
        live.publish(tenant, str(number))
    assert await live.flush()
    # Approximate trimming removes whole nodes of about 100 entries.
    assert 200 <= await client.xlen(TenantKeys(tenant).live) <= 400


@pytest.mark.parametrize(("messages", "dropped"), [(9, 0), (10, 0), (11, 1)])
async def test_a_full_queue_drops_the_oldest_message_and_counts_it(
    messages: int, dropped: int, client: Any, tenant: str
) -> None:
    live = LivePublisher(client, config=LiveConfig(queue_messages=10))
    for number in range(messages):
        live.publish(tenant, str(number))
    assert await live.flush()
    assert await bodies(client, tenant) == [str(number) for number in range(dropped, messages)]
    assert live.counts.dropped_messages == dropped


async def test_of_levels_with_the_same_key_only_the_newest_is_sent(
    client: Any, tenant: str
) -> None:
    pubsub = client.pubsub()
    await pubsub.subscribe(TenantKeys(tenant).levels)
    assert (await pubsub.get_message(timeout=1))["type"] == "subscribe"
    live = LivePublisher(client)
    for number in range(5):
        live.publish_level(tenant, f"c1-{number}", key="c1")
    live.publish_level(tenant, "c2-0", key="c2")
    assert await live.flush()

    received = [(await pubsub.get_message(timeout=1))["data"] for _ in range(2)]
    assert received == ["c1-4", "c2-0"]
    assert live.counts.replaced_levels == 4
    assert live.counts.dropped_levels == 0  # the screen shows what is newest: nothing is lost
    await pubsub.aclose()


async def test_with_too_many_levels_the_oldest_goes(client: Any, tenant: str) -> None:
    live = LivePublisher(client, config=LiveConfig(queue_levels=2))
    for name in ("a", "b", "c"):
        live.publish_level(tenant, name, key=name)
    assert live.counts.dropped_levels == 1
    assert live.counts.replaced_levels == 0
    assert await live.flush()
    assert live.counts.published == 2


async def test_a_call_is_listed_while_it_lives_and_its_state_outlives_it(
    client: Any, tenant: str
) -> None:
    keys = TenantKeys(tenant)
    live = LivePublisher(client, now_s=lambda: 1_000_000.0)
    live.call_opened(tenant, "c1", {"agent_id": "a1", "severity": "none"})
    live.call_updated(tenant, "c1", {"severity": "warning"})
    assert await live.flush()
    assert await client.zrange(keys.calls, 0, -1, withscores=True) == [("c1", 1_000_000.0)]
    assert await client.hgetall(keys.call("c1")) == {"agent_id": "a1", "severity": "warning"}
    assert 50 < await client.ttl(keys.call("c1")) <= 60

    live.call_closed(tenant, "c1", {"state": "ended"})
    assert await live.flush()
    assert await client.zrange(keys.calls, 0, -1) == []
    assert (await client.hgetall(keys.call("c1")))["state"] == "ended"
    assert 590 < await client.ttl(keys.call("c1")) <= 600
    live.call_updated(tenant, "c1", {"state": "late"})
    assert await live.flush()
    assert (await client.hgetall(keys.call("c1")))["state"] == "ended"


@pytest.mark.parametrize(("passed_s", "score"), [(14.9, 0.0), (15.0, 15.0), (15.1, 15.1)])
async def test_a_silent_call_is_refreshed_when_it_is_due(
    passed_s: float, score: float, client: Any, tenant: str
) -> None:
    now = [0.0]
    live = LivePublisher(client, now_s=lambda: now[0])
    live.call_opened(tenant, "c1", {})
    assert await live.flush()
    now[0] = passed_s
    assert await live.flush()
    assert await client.zscore(TenantKeys(tenant).calls, "c1") == score


@pytest.mark.parametrize(("age_s", "listed"), [(59, True), (60, False), (61, False)])
async def test_calls_of_a_node_that_died_leave_the_list(
    age_s: int, listed: bool, client: Any, tenant: str
) -> None:
    calls = TenantKeys(tenant).calls
    await client.zadd(calls, {"dead": 1_000.0 - age_s})
    live = LivePublisher(client, now_s=lambda: 1_000.0)
    live.call_opened(tenant, "alive", {})
    assert await live.flush()
    assert ("dead" in await client.zrange(calls, 0, -1)) == listed


async def test_more_calls_than_the_bound_are_counted(client: Any, tenant: str) -> None:
    live = LivePublisher(client, config=LiveConfig(most_calls=2))
    for name in ("a", "b", "c"):
        live.call_opened(tenant, name, {})
    assert live.counts.dropped_calls == 1


async def test_hostile_names_are_counted_and_harm_nobody(client: Any, tenant: str) -> None:
    live = LivePublisher(client)
    live.publish("a}:b", "x")
    live.publish_level("", "x", key="k")
    live.call_opened(tenant, "a\nb", {})
    live.publish(tenant, "fine")
    assert await live.flush()
    assert live.counts.refused == 3
    assert await bodies(client, tenant) == ["fine"]


async def test_while_the_server_is_away_the_newest_are_kept_and_arrive_on_its_return(
    new_server: Any, open_client: Any, eventually: Any
) -> None:
    server = new_server()
    client = open_client(server.url)
    live = LivePublisher(client, config=LiveConfig(queue_messages=5))
    live.call_opened("firm", "c1", {"agent_id": "a1"})
    assert await live.flush()
    server.kill()
    running = asyncio.create_task(live.run())
    for number in range(8):
        live.publish("firm", str(number))
        live.publish_level("firm", str(number), key="c1")
    await eventually(lambda: live.counts.error_code is not None)
    server.start()

    await eventually(lambda: live.counts.error_code is None)
    assert await bodies(client, "firm") == ["3", "4", "5", "6", "7"]
    assert live.counts.dropped_messages == 3
    # A server that came back empty would have the call's state again too.
    assert await client.hgetall(TenantKeys("firm").call("c1")) == {"agent_id": "a1"}
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running


async def test_messages_that_the_server_refuses_are_dropped_and_counted(
    client: Any, tenant: str
) -> None:
    await client.set(TenantKeys(tenant).live, "not a stream")
    live = LivePublisher(client)
    live.publish(tenant, "x")
    assert not await live.flush()
    assert live.counts.dropped_messages == 1
    assert live.counts.error_code == "wrong_type"
    assert await live.flush()


async def test_the_feed_runs_by_itself(client: Any, tenant: str, eventually: Any) -> None:
    live = LivePublisher(client)
    running = asyncio.create_task(live.run())
    live.publish(tenant, "x")
    await eventually(lambda: live.counts.published == 1, within_s=2)
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running


@pytest.mark.parametrize(("refresh_s", "accepted"), [(30.0, True), (30.1, False)])
def test_a_call_is_refreshed_at_least_twice_in_its_life(refresh_s: float, accepted: bool) -> None:
    if accepted:
        assert LiveConfig(refresh_every_s=refresh_s).refresh_every_s == refresh_s
    else:
        with pytest.raises(ValueError, match="refresh_every_s"):
            LiveConfig(refresh_every_s=refresh_s)
