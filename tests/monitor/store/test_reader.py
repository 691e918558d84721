"""Whoever follows the stream sees each event once, across restarts of the server."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from mamori.monitor.store.keys import TenantKeys
from mamori.monitor.store.publisher import StreamPublisher
from mamori.monitor.store.reader import FROM_NOW, FROM_START, StoredMessage, follow, latest


async def add(client: Any, tenant: str, *event_ids: str) -> list[str]:
    key = TenantKeys(tenant).alerts
    return [await client.xadd(key, {"id": name, "body": f"b-{name}"}) for name in event_ids]


async def take(messages: Any, count: int) -> list[str]:
    async with asyncio.timeout(10):
        return [(await anext(messages)).event_id for _ in range(count)]


async def test_following_from_the_start_gives_what_is_there_and_then_what_comes(
    client: Any, tenant: str
) -> None:
    await add(client, tenant, "a", "b")
    messages = follow(client, tenant, FROM_START, block_ms=50)
    assert await take(messages, 2) == ["a", "b"]
    await add(client, tenant, "c")
    assert await take(messages, 1) == ["c"]


async def test_following_after_an_entry_goes_on_behind_it(client: Any, tenant: str) -> None:
    (first, _) = await add(client, tenant, "a", "b")
    messages = follow(client, tenant, first, block_ms=50)
    message = await anext(messages)
    assert isinstance(message, StoredMessage)
    assert (message.event_id, message.body) == ("b", "b-b")


async def test_following_from_now_leaves_out_what_was_there(
    client: Any, tenant: str, eventually: Any
) -> None:
    await add(client, tenant, "old")
    messages = follow(client, tenant, FROM_NOW, block_ms=50)
    waiting = asyncio.ensure_future(take(messages, 1))

    async def reading() -> bool:
        clients = await client.execute_command("CLIENT", "LIST")
        return "xread" in str(clients)

    await eventually(reading)
    await add(client, tenant, "new")
    assert await waiting == ["new"]


async def test_an_event_that_is_in_the_stream_twice_is_given_once(client: Any, tenant: str) -> None:
    await add(client, tenant, "a", "b", "a", "b", "c")
    assert await take(follow(client, tenant, FROM_START, block_ms=50), 3) == ["a", "b", "c"]


async def test_following_survives_a_restart_of_the_server(
    new_server: Any, open_client: Any, outbox: Any, running: Any, eventually: Any
) -> None:
    server = new_server()
    publisher = StreamPublisher(open_client(server.url), outbox)
    running(publisher)
    troubles: list[str] = []
    messages = follow(
        open_client(server.url), "firm", FROM_START, block_ms=50, on_trouble=troubles.append
    )
    first = outbox.add("firm", 3)
    assert await take(messages, 3) == first

    waiting = asyncio.ensure_future(take(messages, 3))
    server.kill()
    await eventually(lambda: bool(troubles))
    second = outbox.add("firm", 3)
    server.start()

    assert await waiting == second
    assert troubles[0] == "unreachable"


async def test_the_latest_messages_come_oldest_first(client: Any, tenant: str) -> None:
    await add(client, tenant, "a", "b", "c")
    assert [message.event_id for message in await latest(client, tenant, 2)] == ["b", "c"]
    assert await latest(client, f"{tenant}-empty", 2) == []


@pytest.mark.parametrize("count", [0, 10_001])
async def test_a_count_outside_its_bounds_is_refused(count: int, client: Any) -> None:
    with pytest.raises(ValueError, match="count"):
        await latest(client, "t", count)


async def test_an_entry_of_another_program_is_named_by_its_place(client: Any, tenant: str) -> None:
    entry_id = await client.xadd(TenantKeys(tenant).alerts, {"what": b"\xff\xfe"})
    (message,) = await latest(client, tenant, 1)
    assert (message.event_id, message.body) == (entry_id, "")
