"""Sentinel moves the primary and Cluster splits the keys: the same entries, each once."""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from mamori.monitor.store.client import check
from mamori.monitor.store.delivery import PublisherConfig
from mamori.monitor.store.keys import TenantKeys
from mamori.monitor.store.live import LivePublisher
from mamori.monitor.store.publisher import StreamPublisher
from mamori.monitor.store.scripts import StoreClient

StreamIds = Callable[[StoreClient, str], Awaitable[list[str]]]
OpenClient = Callable[..., StoreClient]
Running = Callable[[StreamPublisher], None]
Eventually = Callable[..., Awaitable[None]]
NewServer = Callable[..., Any]

CONFIG = PublisherConfig(batch_entries=20, backoff_longest_s=0.2, verify_every_s=0.2)


def free_port() -> int:
    """Below 32768, where no client's port is in the way, and the cluster's own port 10,000 on."""
    while True:
        port = random.randint(15_000, 22_000)
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port


class Set:
    """A primary with one replica that has finished its first copy, watched by one Sentinel."""

    def __init__(self, new_server: NewServer) -> None:
        self.primary = new_server(port=free_port())
        follow = f"replicaof 127.0.0.1 {self.primary.port}"
        # Answers at once to a Sentinel, and copies again at once when it has lost contact.
        self.replica = new_server(follow, "repl-diskless-sync-delay 0", port=free_port())
        self.sentinel = new_server(
            f"sentinel monitor mamori 127.0.0.1 {self.primary.port} 1",
            "sentinel down-after-milliseconds mamori 500",
            "sentinel failover-timeout mamori 2000",
            port=free_port(),
            sentinel=True,
        )
        self.url = f"redis+sentinel://127.0.0.1:{self.sentinel.port}/mamori"

    async def until_in_step(self, open_client: OpenClient, eventually: Eventually) -> None:
        replica, sentinel = open_client(self.replica.url), open_client(self.sentinel.url)

        async def copied() -> bool:
            info = await replica.info("replication")
            known = await sentinel.execute_command("SENTINEL", "REPLICAS", "mamori")
            return bool(info["master_link_status"] == "up" and known)

        await eventually(copied, within_s=20)


@pytest.fixture
async def replicated(new_server: NewServer, open_client: OpenClient, eventually: Eventually) -> Set:
    servers = await asyncio.to_thread(Set, new_server)
    await servers.until_in_step(open_client, eventually)
    return servers


async def test_after_a_failover_everything_is_in_the_new_primary_and_nothing_twice(
    replicated: Set,
    open_client: OpenClient,
    outbox: Any,
    running: Running,
    eventually: Eventually,
    stream_ids: StreamIds,
) -> None:
    async def on_store_lost(tenant: str) -> None:
        outbox.refill(tenant)

    client = open_client(replicated.url)
    publisher = StreamPublisher(client, outbox, config=CONFIG, on_store_lost=on_store_lost)
    running(publisher)
    outbox.add("firm", 200)
    await eventually(lambda: len(outbox.waiting) < 150)

    replicated.primary.kill()
    outbox.add("firm", 200)
    await eventually(lambda: not outbox.waiting and publisher.state.published >= 400, within_s=30)

    ids = await stream_ids(open_client(replicated.replica.url), "firm")
    assert sorted(ids) == sorted(entry.event_id for entry in outbox.kept)
    assert publisher.state.status == "ok"


async def test_entries_confirmed_by_the_old_primary_alone_are_published_again(
    replicated: Set,
    open_client: OpenClient,
    outbox: Any,
    running: Running,
    eventually: Eventually,
    stream_ids: StreamIds,
) -> None:
    async def on_store_lost(tenant: str) -> None:
        outbox.refill(tenant)

    client = open_client(replicated.url)
    publisher = StreamPublisher(client, outbox, config=CONFIG, on_store_lost=on_store_lost)
    running(publisher)
    replica = open_client(replicated.replica.url)
    early = outbox.add("firm", 50)

    async def replica_has_all() -> bool:
        return bool(await stream_ids(replica, "firm") == early)

    await eventually(replica_has_all)

    # The primary stops copying to its replica, as in the last moments before many a failover.
    primary = open_client(replicated.primary.url)
    await primary.execute_command("ACL", "SETUSER", "default", "-psync", "-sync")
    await primary.execute_command("CLIENT", "KILL", "TYPE", "replica")
    late = outbox.add("firm", 50)
    await eventually(lambda: not outbox.waiting)  # confirmed, and never copied
    replicated.primary.kill()
    await eventually(lambda: publisher.state.store_losses == 1, within_s=40)
    await eventually(lambda: not outbox.waiting)

    assert await stream_ids(open_client(replicated.replica.url), "firm") == early + late


async def test_a_cluster_takes_the_entries_the_live_feed_and_the_calls_of_every_tenant(
    new_server: NewServer,
    open_client: OpenClient,
    outbox: Any,
    eventually: Eventually,
    stream_ids: StreamIds,
) -> None:
    servers = [
        await asyncio.to_thread(lambda: new_server("cluster-enabled yes", port=free_port()))
        for _ in range(2)
    ]
    plain = [open_client(server.url) for server in servers]
    await plain[0].execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 8191)
    await plain[1].execute_command("CLUSTER", "ADDSLOTSRANGE", 8192, 16383)
    await plain[0].execute_command("CLUSTER", "MEET", "127.0.0.1", servers[1].port)

    async def agreed() -> bool:
        texts = [str(await one.execute_command("CLUSTER", "INFO")) for one in plain]
        return all("cluster_state:ok" in text or "'ok'" in text for text in texts)

    await eventually(agreed, within_s=20)

    client = open_client(f"redis+cluster://127.0.0.1:{servers[0].port}")
    tenants = [f"firm{number}" for number in range(6)]
    expected = {name: outbox.add(name, 20) for name in tenants}
    publisher = StreamPublisher(client, outbox, config=CONFIG)
    while await publisher.drain():
        pass
    live = LivePublisher(client)
    for name in tenants:
        live.publish(name, "{}")
        live.publish_level(name, "{}", key="c1")
        live.call_opened(name, "c1", {"agent_id": "a1"})
    assert await live.flush()

    assert {name: await stream_ids(client, name) for name in tenants} == expected
    assert (await check(client)).warnings == ()
    # Both servers hold some of it.
    assert all([await one.dbsize() for one in plain])
    for name in tenants:
        keys = TenantKeys(name)
        assert await client.zrange(keys.calls, 0, -1) == ["c1"]
        assert await client.hgetall(keys.call("c1")) == {"agent_id": "a1"}
        assert await client.xlen(keys.live) == 1
