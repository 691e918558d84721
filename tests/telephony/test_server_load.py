"""Many connections at once: those that speak are served, those that do not are gone in time."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable
from typing import Any

import psutil
import pytest
import uvloop

from mamori.telephony.registry import RegistryConfig


async def test_of_200_connections_half_never_speak_and_the_rest_are_served(harness: Any) -> None:
    await harness.start(
        first_message_timeout_ms=1_500, registry=RegistryConfig(max_calls_per_tenant=200)
    )
    process = psutil.Process()
    base = process.num_fds()
    loop = asyncio.get_running_loop()

    async def silent() -> tuple[int, str]:
        async with harness.connect() as socket:
            closed: tuple[int, str] = await harness.closed(socket)
            return closed

    async def speaking(number: int) -> float:
        began = loop.time()
        async with harness.connect() as socket:
            await socket.send(harness.start_message(f"c{number}"))
            await harness.receive_type(socket, "started")
            served_s = loop.time() - began
            await socket.send(bytes(320))
            await socket.send('{"type":"stop"}')
            stopped = await harness.receive_type(socket, "stopped")
        assert stopped["ledger"][0]["received_samples"] == 160
        return served_s

    silent_ones = [asyncio.create_task(silent()) for _ in range(100)]
    served = await asyncio.gather(*(speaking(number) for number in range(100)))
    codes = await asyncio.gather(*silent_ones)
    assert max(served) <= 5
    assert set(codes) == {(1008, "first_message_timeout")}
    await harness.until(lambda: harness.observer.open_connections == 0)
    await harness.until(lambda: process.num_fds() <= base)


async def test_half_open_handshakes_are_closed_in_time_and_keep_nobody_out(harness: Any) -> None:
    await harness.start(open_timeout_ms=800, max_half_open=40)
    port = harness.server.port
    loop = asyncio.get_running_loop()
    half_open = []
    for _ in range(120):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /v1/native/acme HTTP/1.1\r\nHost: x\r\n")
        half_open.append((reader, writer))
    before = loop.time()
    async with harness.bystander():
        assert loop.time() - before <= 1
        async with asyncio.timeout(5):
            for reader, writer in half_open:
                with contextlib.suppress(ConnectionResetError):
                    await reader.read()
                writer.close()


async def test_a_flood_of_tiny_messages_lets_other_calls_have_their_turn(harness: Any) -> None:
    await harness.start()
    loop = asyncio.get_running_loop()
    async with harness.connect() as flood, harness.connect() as socket:
        await flood.send(harness.start_message("flood"))
        await harness.receive_type(flood, "started")
        await socket.send(harness.start_message("calm"))
        await harness.receive_type(socket, "started")
        flood.transport.write((b"\x82\x81" + bytes(4) + b"\xd5") * 20_000)
        before = loop.time()
        await socket.send('{"type":"stop"}')
        await harness.receive_type(socket, "stopped")
        waited_s = loop.time() - before
        await flood.send('{"type":"stop"}')
        stopped = await harness.receive_type(flood, "stopped")
        flooded_s = loop.time() - before
    assert stopped["ledger"][0]["received_samples"] == 10_000
    assert waited_s < max(0.5, flooded_s / 2)


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
async def test_handshakes_that_are_reset_at_once_hold_no_place(
    harness: Any, new_loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    await harness.start()

    async def scenario() -> None:
        own = type(harness)()
        await own.start(registry=RegistryConfig(max_calls_per_tenant=3))
        for _ in range(30):
            await asyncio.to_thread(_knock_and_reset, own)
        await own.until(lambda: own.observer.open_connections == 0)
        async with own.bystander():
            pass
        await own.server.stop()

    def run() -> None:
        with asyncio.Runner(loop_factory=new_loop) as runner:
            runner.run(scenario())

    await asyncio.to_thread(run)


def _knock_and_reset(harness: Any) -> None:
    request = (
        "GET /v1/native/acme HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
        f"Authorization: Bearer {harness.KEY}\r\n\r\n"
    ).encode()
    with socket.create_connection(("127.0.0.1", harness.server.port)) as line:
        line.sendall(request)
        # Closed with a reset, so that the server reads the request and the loss in one go.
        line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
