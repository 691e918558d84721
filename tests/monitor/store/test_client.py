"""Addresses of every kind, timeouts, secrets, and what is wrong with a server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from redis.asyncio import Redis, RedisCluster
from redis.exceptions import ConnectionError  # noqa: A004

from mamori.monitor.store.client import ClientConfig, StoreUrlError, check, connect, redacted
from mamori.monitor.store.faults import fault_code
from mamori.monitor.store.scripts import StoreClient

OpenClient = Callable[..., StoreClient]
NewServer = Callable[..., Any]
SECRET = "geheim"

ADDRESSES = [
    f"redis://user:{SECRET}@localhost:6379/2",
    f"rediss://:{SECRET}@localhost",
    f"unix:///run/x.sock?password={SECRET}",
    f"redis+sentinel://user:{SECRET}@a:1,b:2/mamori?db=3&sentinel_password={SECRET}",
    f"rediss+sentinel://:{SECRET}@a/mamori",
    f"redis+cluster://user:{SECRET}@localhost:7000",
]


@pytest.mark.parametrize("url", ADDRESSES)
async def test_no_password_shows_in_the_client_or_the_redacted_address(url: str) -> None:
    client = connect(url)
    shown = [repr(client), str(client), redacted(url)]
    if isinstance(client, Redis):
        shown += [repr(client.connection_pool), str(client.connection_pool)]
    assert not [text for text in shown if SECRET in text]
    await client.aclose()


@pytest.mark.parametrize("url", [*ADDRESSES[:2], ADDRESSES[3]])
async def test_a_client_has_a_socket_timeout_and_repeats_nothing_by_itself(url: str) -> None:
    client = connect(url)
    assert isinstance(client, Redis)
    options = client.connection_pool.connection_kwargs
    assert options["socket_timeout"] == 5.0
    assert options["health_check_interval"] == 15
    assert options["retry"].get_retries() == 0
    await client.aclose()


async def test_sentinels_service_and_credentials_are_read_from_the_address() -> None:
    client: Any = connect("redis+sentinel://u:p%40ss@[::1]:1,b/main?db=3&sentinel_password=sp")
    pool = client.connection_pool
    assert pool.service_name == "main"
    assert pool.connection_kwargs["username"] == "u"
    assert pool.connection_kwargs["password"] == "p@ss"
    assert pool.connection_kwargs["db"] == 3
    sentinels = [one.connection_pool.connection_kwargs for one in pool.sentinel_manager.sentinels]
    assert [(one["host"], one["port"]) for one in sentinels] == [("::1", 1), ("b", 26379)]
    assert [one["password"] for one in sentinels] == ["sp", "sp"]
    assert all(one.get("username") is None for one in sentinels)
    await client.aclose()


async def test_a_cluster_address_gives_a_cluster_client() -> None:
    client = connect("redis+cluster://localhost:7000")
    assert isinstance(client, RedisCluster)
    await client.aclose()


@pytest.mark.parametrize(
    "url",
    [
        "",
        "localhost:6379",
        f"http://user:{SECRET}@localhost",
        f"redis://user:{SECRET}@localhost:port",
        f"redis://user:{SECRET}@localhost?db=many",
        f"redis+sentinel://user:{SECRET}@localhost:1",
        f"redis+sentinel://user:{SECRET}@/mamori",
        f"redis+sentinel://user:{SECRET}@a:1:2/mamori",
    ],
)
def test_an_address_that_cannot_be_used_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(StoreUrlError) as caught:
        connect(url)
    assert caught.value.code == "bad_store_url"
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(("block_ms", "accepted"), [(3_999, True), (4_000, True), (4_001, False)])
def test_a_blocking_read_must_end_before_the_socket_times_out(
    block_ms: int, accepted: bool
) -> None:
    if accepted:
        assert ClientConfig(block_ms=block_ms).block_ms == block_ms
    else:
        with pytest.raises(ValueError, match="block_ms"):
            ClientConfig(block_ms=block_ms)


async def test_a_sound_server_gets_no_warning(client: StoreClient) -> None:
    found = await check(client)
    assert found.product == "valkey"
    assert found.version.startswith("9.")
    assert found.warnings == ()


@pytest.mark.parametrize(
    ("policy", "codes"), [("noeviction", []), ("allkeys-lru", ["evicts_alerts"])]
)
async def test_a_server_that_may_evict_alerts_is_warned_of(
    policy: str, codes: list[str], new_server: NewServer, open_client: OpenClient
) -> None:
    server = new_server(f"maxmemory-policy {policy}")
    found = await check(open_client(server.url))
    assert [warning.code for warning in found.warnings] == codes


async def test_what_the_server_forbids_to_ask_is_said(
    new_server: NewServer, open_client: OpenClient
) -> None:
    server = new_server("user default on nopass ~* &* +@all -config -info")
    found = await check(open_client(server.url))
    assert [warning.code for warning in found.warnings] == ["cannot_check", "cannot_check"]
    assert "noeviction" in found.warnings[1].message


async def test_a_wrong_password_and_an_absent_server_are_errors_of_the_check(
    new_server: NewServer, open_client: OpenClient
) -> None:
    server = new_server("requirepass right")
    with pytest.raises(ConnectionError) as caught:
        await check(open_client(f"{server.url}?password=wrong"))
    assert fault_code(caught.value) == "forbidden"
    server.kill()
    with pytest.raises(ConnectionError):
        await check(open_client(server.url))


@pytest.mark.parametrize(
    "url",
    [
        "redis://:s3cr3t/xyz@127.0.0.1:6379",
        "redis://:s3cr3t#xyz@127.0.0.1:6379",
        "redis://:s3cr3t?xyz@127.0.0.1:6379",
        "redis://u:s3cr3t[x@127.0.0.1:6379",
        "redis+cluster://u:s3cr3t/x@127.0.0.1:6379",
        "redis+sentinel://127.0.0.1:6379/x?db=s3cr3t",
        "redis://127.0.0.1:1?no_such_option=s3cr3t",
        "s3cr3t://127.0.0.1:6379",
        "s3cr3t@127.0.0.1:6379",
    ],
)
def test_an_address_that_cannot_be_read_is_refused_without_its_secrets(url):
    with pytest.raises(StoreUrlError) as refused:
        connect(url)

    assert refused.value.code == "bad_store_url"
    assert "s3cr3t" not in str(refused.value)
