"""A call's whole life over a real socket: start, audio, events, loss, return, end."""

from __future__ import annotations

import asyncio
import json
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from mamori.monitor.events import (
    CallUpdated,
    Channel,
    Direction,
    EndReason,
    GapCause,
    MediaGap,
    Party,
    SpeechStarted,
)
from mamori.telephony.registry import RegistryConfig

CERTIFICATES = Path(__file__).parent / "data"
STOP = '{"type":"stop"}'


async def test_a_call_reaches_the_application_with_all_that_the_client_said(harness: Any) -> None:
    await harness.start(tenant_languages={"acme": "ko"})
    async with harness.connect() as socket:
        await socket.send(
            harness.start_message(
                direction="inbound",
                customer={"number": "0312345678", "name": "山田"},
                agent_id="a7",
            )
        )
        answer = await harness.receive(socket)
    started = harness.sink.call("c1").started
    assert answer == {
        "type": "started",
        "version": 1,
        "call_id": "c1",
        "resumed": False,
        "position_ms": 0,
        "sample_rate_hz": 8000,
        "language": "ko",
    }
    assert (started.tenant, started.dialect, started.language) == ("acme", "native", "ko")
    assert started.channels == (Channel.CUSTOMER, Channel.AGENT)
    assert started.encoding == "mulaw"
    assert started.direction is Direction.INBOUND
    assert started.customer == Party(number="0312345678", name="山田")
    assert started.agent_id == "a7"
    assert started.started_at is not None
    assert started.started_at.endswith("Z")
    age = datetime.now(UTC) - datetime.fromisoformat(started.started_at)
    assert timedelta(0) <= age + timedelta(milliseconds=1) < timedelta(seconds=10)


@pytest.mark.parametrize("piece_bytes", [1, 7, 320, 3_200])
async def test_the_account_is_exact_whatever_the_size_of_the_messages(
    harness: Any, piece_bytes: int
) -> None:
    await harness.start()
    media = {"encoding": "pcm_s16le", "sample_rate_hz": 16000, "channels": ["customer", "agent"]}
    audio = bytes(4 * 801)
    async with harness.connect() as socket:
        await socket.send(harness.start_message(media=media))
        for start in range(0, len(audio), piece_bytes):
            await socket.send(audio[start : start + piece_bytes])
        await socket.send(STOP)
        stopped = await harness.receive_type(socket, "stopped")
        assert await harness.closed(socket) == (1000, "stopped")
    assert stopped["duration_ms"] == 50
    assert [channel["received_samples"] for channel in stopped["ledger"]] == [801, 801]
    assert harness.server.live_calls == 0


async def test_updates_reach_the_call_at_their_place_on_the_timeline(harness: Any) -> None:
    await harness.start()
    async with harness.connect() as socket:
        await socket.send(harness.start_message())
        await socket.send(bytes(320))
        await socket.send('{"type":"update","agent_id":"a9"}')
        await socket.send(STOP)
        await harness.receive_type(socket, "stopped")
    assert harness.sink.call("c1").fed[-1] == CallUpdated(call_id="c1", offset_ms=20, agent_id="a9")


async def test_the_calls_own_events_come_back_where_they_were_asked_for(harness: Any) -> None:
    await harness.start()
    async with harness.connect() as socket:
        await socket.send(harness.start_message(events=True))
        await harness.receive_type(socket, "started")
        call = harness.sink.call("c1")
        call.emit(
            SpeechStarted(call_id="c1", channel=Channel.AGENT, utterance_id="u1", offset_ms=0)
        )
        await socket.send(STOP)
        types = [(await harness.receive(socket))["type"] for _ in range(3)]
    assert types == ["speech_started", "call_ended", "stopped"]
    assert call.listeners == []


async def test_events_do_not_come_back_unasked(harness: Any) -> None:
    await harness.start()
    async with harness.connect() as socket:
        await socket.send(harness.start_message())
        await harness.receive_type(socket, "started")
        assert harness.sink.call("c1").listeners == []
        await socket.send(STOP)
        assert (await harness.receive(socket))["type"] == "stopped"


async def test_stop_waits_until_all_of_the_call_is_worked_through(harness: Any) -> None:
    await harness.start()
    async with harness.connect() as socket:
        await socket.send(harness.start_message())
        await harness.receive_type(socket, "started")
        call = harness.sink.call("c1")
        call.may_end.clear()
        await socket.send(STOP)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(socket.recv(), 0.05)
        call.may_end.set()
        await harness.receive_type(socket, "stopped")


async def test_a_client_that_leaves_right_after_stop_has_completed_its_call(harness: Any) -> None:
    await harness.start()
    async with harness.connect() as socket:
        await socket.send(harness.start_message())
        await socket.send(bytes(3_200))
        await socket.send(STOP)
    await harness.until(lambda: harness.observer.reasons == [EndReason.COMPLETED])
    assert harness.sink.call("c1").heard[Channel.AGENT] == 1_600


async def test_a_lost_connection_may_come_back_with_the_position_of_its_audio(
    harness: Any,
) -> None:
    await harness.start()
    async with harness.connect() as socket:
        await socket.send(harness.start_message())
        await socket.send(bytes(2 * 160))
        await harness.receive_type(socket, "started")
        await harness.until(lambda: harness.sink.call("c1").heard[Channel.AGENT] == 160)
    async with harness.connect() as socket:
        await socket.send(harness.start_message(position_ms=500))
        answer = await harness.receive_type(socket, "started")
        await socket.send(bytes(2 * 160))
        await socket.send(STOP)
        stopped = await harness.receive_type(socket, "stopped")
    assert (answer["call_id"], answer["resumed"], answer["position_ms"]) == ("c1", True, 500)
    for channel in stopped["ledger"]:
        assert channel["received_samples"] == 520 * 8
        assert channel["gaps"] == [{"cause": "loss", "samples": 480 * 8}]
    assert (harness.observer.calls, harness.observer.resumed) == (1, 1)


async def test_a_lost_connection_that_names_no_position_is_measured_by_the_clock(
    harness: Any,
) -> None:
    await harness.start()
    loop = asyncio.get_running_loop()
    async with harness.connect() as socket:
        await socket.send(harness.start_message())
        await socket.send(bytes(2 * 160))
        await harness.until(lambda: harness.sink.calls != {} and harness.sink.call("c1").fed != [])
        heard_s = loop.time()
    await asyncio.sleep(0.1)
    async with harness.connect() as socket:
        await socket.send(harness.start_message())
        await harness.receive_type(socket, "started")
        elapsed_s = loop.time() - heard_s
        (gap,) = [
            event
            for event in harness.sink.call("c1").fed
            if isinstance(event, MediaGap) and event.channel == Channel.AGENT
        ]
    assert gap.cause is GapCause.LOSS
    assert 100 <= gap.duration_ms <= elapsed_s * 1_000 + 50


async def test_after_the_grace_a_lost_call_has_ended_and_the_next_is_linked_to_it(
    harness: Any,
) -> None:
    await harness.start(registry=RegistryConfig(grace_ms=50))
    async with harness.connect() as socket:
        await socket.send(harness.start_message())
        await harness.receive_type(socket, "started")
    await harness.until(lambda: harness.observer.reasons == [EndReason.TRANSPORT_LOST])
    async with harness.connect() as socket:
        await socket.send(harness.start_message())
        answer = await harness.receive_type(socket, "started")
    assert (answer["call_id"], answer["linked_call_id"]) == ("c1~2", "c1")
    assert harness.sink.call("c1~2").started.linked_call_id == "c1"


async def test_a_message_that_ends_the_connection_leaves_the_call_its_grace(harness: Any) -> None:
    await harness.start(registry=RegistryConfig(grace_ms=700))
    for resumed in (False, True):
        async with harness.connect() as socket:
            await socket.send(harness.start_message())
            assert (await harness.receive_type(socket, "started"))["resumed"] is resumed
            await socket.send("nonsense")
            assert (await harness.closed(socket))[0] == 1007
    await harness.until(lambda: harness.observer.reasons == [EndReason.PROTOCOL_ERROR])


async def test_a_call_goes_on_only_with_the_same_media(harness: Any) -> None:
    await harness.start()
    async with harness.connect() as socket:
        await socket.send(harness.start_message())
        await harness.receive_type(socket, "started")
    media = {"encoding": "alaw", "sample_rate_hz": 8000, "channels": ["customer", "agent"]}
    async with harness.connect() as socket:
        await socket.send(harness.start_message(media=media))
        assert (await harness.receive(socket))["code"] == "media_changed"


async def test_a_tenant_at_its_limit_is_told_to_come_back_later(harness: Any) -> None:
    await harness.start(registry=RegistryConfig(max_calls_per_tenant=1, grace_ms=60_000))
    async with harness.connect() as socket:
        await socket.send(harness.start_message("c1"))
        await harness.receive_type(socket, "started")
        with pytest.raises(InvalidStatus) as refused:
            await harness.connect()
        assert refused.value.response.status_code == 503
        assert refused.value.response.headers["Retry-After"] == "5"
        async with harness.connect("/v1/native/other", key=harness.OTHER_KEY) as other:
            await other.send(harness.start_message("c1"))
            await harness.receive_type(other, "started")
    await harness.until(lambda: harness.observer.open_connections == 0)
    async with harness.connect() as socket:
        await socket.send(harness.start_message("c2"))
        assert (await harness.receive(socket))["code"] == "too_many_calls"
    async with harness.connect() as socket:
        await socket.send(harness.start_message("c1"))
        assert (await harness.receive_type(socket, "started"))["resumed"] is True


async def test_calls_that_cannot_end_keep_no_new_call_of_their_tenant_out(harness: Any) -> None:
    await harness.start(registry=RegistryConfig(max_calls_per_tenant=1), max_connections=2)
    async with harness.connect() as stuck:
        await stuck.send(harness.start_message("stuck"))
        await harness.receive_type(stuck, "started")
        harness.sink.call("stuck").may_end.clear()
        await stuck.send(STOP)
        await harness.until(lambda: harness.sink.call("stuck").ending)
        async with harness.connect() as socket:
            await socket.send(harness.start_message("next"))
            await harness.receive_type(socket, "started")
            with pytest.raises(InvalidStatus):
                await harness.connect()  # two connections are still two
            await socket.send(STOP)
            await harness.receive_type(socket, "stopped")
        assert harness.server.live_calls == 1
        harness.sink.call("stuck").may_end.set()
        await harness.receive_type(stuck, "stopped")


async def test_a_node_at_its_limit_refuses_connections(harness: Any) -> None:
    await harness.start(max_connections=1)
    async with harness.connect():
        with pytest.raises(InvalidStatus) as refused:
            await harness.connect("/v1/native/other", key=harness.OTHER_KEY)
        assert json.loads(refused.value.response.body)["code"] == "busy"


async def test_a_draining_node_refuses_new_calls_and_lets_live_ones_finish(harness: Any) -> None:
    await harness.start()
    async with harness.connect() as idle, harness.connect() as socket:
        await socket.send(harness.start_message())
        await harness.receive_type(socket, "started")
        harness.server.begin_draining()
        with pytest.raises(InvalidStatus) as refused:
            await harness.connect()
        assert refused.value.response.status_code == 503
        assert refused.value.response.headers["Retry-After"] == "5"
        assert json.loads(refused.value.response.body)["code"] == "draining"
        await idle.send(harness.start_message("c2"))
        assert (await harness.receive(idle))["code"] == "shutting_down"
        drained = asyncio.create_task(harness.server.drain(10))
        await socket.send(bytes(320))
        await socket.send(STOP)
        stopped = await harness.receive_type(socket, "stopped")
        await drained
    assert stopped["reason"] == "completed"
    assert stopped["ledger"][0]["received_samples"] == 160


async def test_calls_that_outlast_the_drain_end_as_a_shutdown_with_their_account(
    harness: Any,
) -> None:
    await harness.start(registry=RegistryConfig(grace_ms=60_000))
    async with harness.connect() as lost:
        await lost.send(harness.start_message("lost"))
        await harness.receive_type(lost, "started")
    async with harness.connect() as silent, harness.connect() as socket:
        await socket.send(harness.start_message())
        await harness.receive_type(socket, "started")
        await socket.send(bytes(320))
        await harness.until(lambda: harness.sink.call("c1").fed != [])
        drained = asyncio.create_task(harness.server.drain(0.02))
        assert (await harness.receive(socket))["code"] == "shutting_down"
        stopped = await harness.receive_type(socket, "stopped")
        assert await harness.closed(socket) == (1001, "shutting_down")
        assert (await harness.closed(silent))[0] == 1001
        await drained
    assert stopped["reason"] == "shutdown"
    assert stopped["ledger"][0]["received_samples"] == 160
    assert harness.observer.reasons == [EndReason.SHUTDOWN] * 2


async def test_a_call_that_opens_while_the_node_stops_is_ended_too(harness: Any) -> None:
    await harness.start()
    harness.sink.may_open.clear()
    async with harness.connect() as socket:
        await socket.send(harness.start_message())
        await harness.sink.opening.wait()
        stopped = asyncio.create_task(harness.server.stop())
        assert (await harness.receive(socket))["code"] == "shutting_down"
        harness.sink.may_open.set()
        await stopped
    assert harness.observer.reasons == [EndReason.SHUTDOWN]


async def test_a_drain_tells_how_many_calls_do_not_end_and_waits_no_longer(harness: Any) -> None:
    await harness.start(registry=RegistryConfig(grace_ms=60_000))
    async with harness.connect() as lost:
        await lost.send(harness.start_message("lost"))
        await harness.receive_type(lost, "started")
    async with harness.connect() as stuck, harness.connect() as sound:
        for socket, call_id in ((stuck, "stuck"), (sound, "sound")):
            await socket.send(harness.start_message(call_id))
            await harness.receive_type(socket, "started")
        for call_id in ("stuck", "lost"):
            harness.sink.call(call_id).may_end.clear()
        async with asyncio.timeout(5):
            assert await harness.server.drain(0.01, end_timeout_s=0.2) == 2
        assert (await harness.receive_type(sound, "stopped"))["reason"] == "shutdown"
        assert harness.observer.reasons == [EndReason.SHUTDOWN]
        harness.sink.call("stuck").may_end.set()
        assert (await harness.receive_type(stuck, "stopped"))["reason"] == "shutdown"
        assert await harness.closed(stuck) == (1001, "shutting_down")
        harness.sink.call("lost").may_end.set()
        assert await harness.server.drain(0, end_timeout_s=5) == 0


async def test_a_stop_breaks_off_calls_that_never_end(harness: Any) -> None:
    await harness.start()
    async with harness.connect() as stopping, harness.connect() as live:
        for socket, call_id in ((stopping, "stopping"), (live, "live")):
            await socket.send(harness.start_message(call_id))
            await harness.receive_type(socket, "started")
            harness.sink.call(call_id).may_end.clear()
        await stopping.send(STOP)
        await harness.until(lambda: harness.sink.call("stopping").ending)
        async with asyncio.timeout(5):
            await harness.server.stop(end_timeout_s=0.05)
        assert (await harness.receive(stopping))["code"] == "internal_error"
        assert (await harness.receive(live))["code"] == "shutting_down"
        assert await harness.closed(live) == (1001, "shutting_down")
    assert harness.server.live_calls == 0
    assert harness.observer.failed == 2


async def test_a_stop_after_a_drain_does_not_wait_for_the_same_calls_again(harness: Any) -> None:
    await harness.start()
    async with harness.connect() as socket:
        await socket.send(harness.start_message())
        await harness.receive_type(socket, "started")
        harness.sink.call("c1").may_end.clear()
        assert await harness.server.drain(0, end_timeout_s=0.01) == 1
        async with asyncio.timeout(5):
            await harness.server.stop(end_timeout_s=60)
    assert harness.server.live_calls == 0


async def test_a_stop_does_not_wait_for_a_call_that_the_application_never_opens(
    harness: Any,
) -> None:
    await harness.start()
    harness.sink.may_open.clear()
    async with harness.connect() as socket:
        await socket.send(harness.start_message())
        await harness.sink.opening.wait()
        async with asyncio.timeout(5):
            await harness.server.stop(end_timeout_s=0.05)
        assert (await harness.receive(socket))["code"] == "shutting_down"
    assert harness.server.live_calls == 0


async def test_the_subprotocol_is_echoed_where_it_is_offered_and_never_demanded(
    harness: Any,
) -> None:
    await harness.start()
    async with harness.connect(subprotocols=["x", "mamori.native.v1"]) as socket:
        assert socket.subprotocol == "mamori.native.v1"
    async with harness.connect(subprotocols=["x"]) as socket:
        assert socket.subprotocol is None


async def test_compression_is_never_agreed_to(harness: Any) -> None:
    await harness.start()
    headers = {"Authorization": f"Bearer {harness.KEY}"}
    async with connect(
        harness.url(), additional_headers=headers, compression="deflate", proxy=None
    ) as socket:
        assert socket.response is not None
        assert "Sec-WebSocket-Extensions" not in socket.response.headers


async def test_audio_comes_in_over_tls(harness: Any) -> None:
    certificate = CERTIFICATES / "localhost.crt"
    await harness.start(
        tls_certificate_path=certificate, tls_key_path=CERTIFICATES / "localhost.key"
    )
    context = ssl.create_default_context(cafile=str(certificate))
    async with connect(
        f"wss://localhost:{harness.server.port}/v1/native/acme",
        additional_headers={"Authorization": f"Bearer {harness.KEY}"},
        ssl=context,
        proxy=None,
    ) as socket:
        await socket.send(harness.start_message())
        assert (await harness.receive(socket))["type"] == "started"
