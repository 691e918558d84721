"""The server dies, freezes, fills up, turns read-only or chokes on one entry: nothing is lost."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from mamori.monitor.store.delivery import PublisherConfig
from mamori.monitor.store.keys import TenantKeys
from mamori.monitor.store.port import OutboxItem
from mamori.monitor.store.publisher import PublishError, StreamPublisher
from mamori.monitor.store.scripts import StoreClient

StreamIds = Callable[[StoreClient, str], Awaitable[list[str]]]
OpenClient = Callable[..., StoreClient]
Running = Callable[[StreamPublisher], None]
Eventually = Callable[..., Awaitable[None]]
NewServer = Callable[..., Any]

# Small batches, so that the fault meets the middle of the backlog.
CONFIG = PublisherConfig(
    batch_entries=10, backoff_first_s=0.01, backoff_longest_s=0.1, verify_every_s=0.2
)


async def test_killed_while_a_thousand_entries_are_published_none_is_lost_and_none_doubled(
    new_server: NewServer,
    open_client: OpenClient,
    outbox: Any,
    running: Running,
    eventually: Eventually,
    stream_ids: StreamIds,
) -> None:
    server = new_server()
    client = open_client(server.url)
    publisher = StreamPublisher(client, outbox, config=CONFIG)
    ids = outbox.add("firm", 1_000)
    running(publisher)

    for share in (950, 600, 250):
        await eventually(lambda share=share: len(outbox.waiting) < share)
        server.kill()
        await eventually(lambda: publisher.state.status == "degraded")
        assert publisher.state.error_code == "unreachable"
        server.start()
    await eventually(lambda: not outbox.waiting, within_s=5)

    assert await stream_ids(open_client(server.url), "firm") == ids


async def test_frozen_beyond_the_timeout_none_is_lost_and_none_doubled(
    new_server: NewServer,
    open_client: OpenClient,
    outbox: Any,
    running: Running,
    eventually: Eventually,
    stream_ids: StreamIds,
) -> None:
    server = new_server()
    # No checks in between: the attempt that the frost meets carries entries.
    config = replace(CONFIG, verify_every_s=3_600)
    publisher = StreamPublisher(open_client(server.url, 0.3), outbox, config=config)
    running(publisher)
    ids = outbox.add("firm", 100)
    await eventually(lambda: not outbox.waiting)

    server.freeze()
    ids += outbox.add("firm", 1_000)
    await eventually(lambda: publisher.state.status == "degraded")
    assert publisher.state.error_code == "timeout"
    # The first attempt waits in the frozen server's socket: it will be carried out after all.
    await eventually(lambda: publisher.state.retries >= 4)
    server.thaw()
    await eventually(lambda: not outbox.waiting, within_s=5)

    assert await stream_ids(open_client(server.url), "firm") == ids
    assert publisher.state.duplicates > 0  # the script had them already


async def test_an_idle_publisher_shows_that_the_server_is_away_and_that_it_is_back(
    new_server: NewServer,
    open_client: OpenClient,
    outbox: Any,
    running: Running,
    eventually: Eventually,
) -> None:
    server = new_server()
    publisher = StreamPublisher(open_client(server.url), outbox, config=CONFIG, tenants=["firm"])
    running(publisher)
    server.kill()
    await eventually(lambda: publisher.state.status == "degraded", within_s=5)
    degraded_since = publisher.state.since

    server.start()
    await eventually(lambda: publisher.state.status == "ok", within_s=5)
    assert publisher.state.since >= degraded_since


@pytest.mark.parametrize(
    ("setting", "refusing", "willing", "code"),
    [
        ("maxmemory", "1", "100mb", "out_of_memory"),
        ("min-replicas-to-write", "1", "0", "no_replicas"),
    ],
)
async def test_a_server_that_refuses_to_write_takes_all_once_it_is_willing_again(
    setting: str,
    refusing: str,
    willing: str,
    code: str,
    new_server: NewServer,
    open_client: OpenClient,
    outbox: Any,
    running: Running,
    eventually: Eventually,
    stream_ids: StreamIds,
) -> None:
    server = new_server(f"{setting} {refusing}", "maxmemory-policy noeviction")
    client = open_client(server.url)
    publisher = StreamPublisher(client, outbox, config=CONFIG)
    ids = outbox.add("firm", 50)
    running(publisher)
    await eventually(lambda: publisher.state.retries >= CONFIG.poison_tries + 2)
    assert publisher.state.error_code == code
    assert publisher.state.dead_lettered == 0

    await client.config_set(setting, willing)
    await eventually(lambda: not outbox.waiting, within_s=5)

    assert await stream_ids(client, "firm") == ids


async def test_a_primary_that_became_a_replica_is_retried_until_it_is_a_primary(
    new_server: NewServer,
    open_client: OpenClient,
    outbox: Any,
    running: Running,
    eventually: Eventually,
    stream_ids: StreamIds,
) -> None:
    server = new_server()
    client = open_client(server.url)
    await client.execute_command("REPLICAOF", "127.0.0.1", "1")
    publisher = StreamPublisher(client, outbox, config=CONFIG)
    ids = outbox.add("firm", 20)
    running(publisher)
    await eventually(lambda: publisher.state.retries >= CONFIG.poison_tries + 2)
    assert publisher.state.error_code == "read_only"

    await client.execute_command("REPLICAOF", "NO", "ONE")
    await eventually(lambda: not outbox.waiting, within_s=5)

    assert await stream_ids(client, "firm") == ids


async def test_an_entry_too_large_for_the_server_is_set_aside_and_blocks_nobody(
    new_server: NewServer,
    open_client: OpenClient,
    outbox: Any,
    running: Running,
    eventually: Eventually,
    stream_ids: StreamIds,
) -> None:
    server = new_server("proto-max-bulk-len 1mb")
    client = open_client(server.url)
    reported: list[tuple[str, str]] = []

    async def on_dead_letter(item: OutboxItem, code: str) -> None:
        reported.append((item.event_id, code))

    publisher = StreamPublisher(client, outbox, config=CONFIG, on_dead_letter=on_dead_letter)
    before = outbox.add("firm", 5)
    (too_large,) = outbox.add("firm", body="x" * (1024 * 1024 + 1))
    (just_fits,) = outbox.add("firm", body="x" * (1024 * 1024))
    after = outbox.add("firm", 5)
    running(publisher)
    await eventually(lambda: not outbox.waiting)

    assert await stream_ids(client, "firm") == [*before, just_fits, *after]
    assert [event_id for event_id, _ in reported] == [too_large]
    (letter,) = await client.lrange(TenantKeys("firm").dead, 0, -1)
    assert json.loads(letter)["event_id"] == too_large
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", json.loads(letter)["at"])
    assert publisher.state.dead_lettered == 1
    await eventually(lambda: publisher.state.status == "ok")


@pytest.mark.parametrize("tries", [2, 5])
async def test_an_entry_gets_the_configured_number_of_tries(
    tries: int, new_server: NewServer, open_client: OpenClient, outbox: Any
) -> None:
    server = new_server("proto-max-bulk-len 1mb")
    config = PublisherConfig(poison_tries=tries)
    publisher = StreamPublisher(open_client(server.url), outbox, config=config)
    await publisher.drain()
    outbox.add("firm")
    while await publisher.drain():
        pass
    outbox.add("firm", body="x" * (2 * 1024 * 1024))
    outbox.add("firm")

    failed = 0
    while outbox.waiting:
        try:
            await publisher.drain()
        except PublishError:
            failed += 1
    assert failed == tries - 1
