"""Everything a client can do wrong: it hears why, and no other call feels it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import psutil
import pytest
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import InvalidStatus

from mamori.monitor.events import AudioFrame, Channel, EndReason, GapCause, MediaDropped, MediaGap
from mamori.telephony.port import CallRefused
from mamori.telephony.protocols.errors import ERRORS

MEDIA = {"encoding": "mulaw", "sample_rate_hz": 8000, "channels": ["customer", "agent"]}


async def refused_error(harness: Any, socket: ClientConnection) -> dict[str, Any]:
    """The error the client hears, after checking that the close code is the table's."""
    error = await harness.receive_type(socket, "error")
    code, reason = await harness.closed(socket)
    assert (code, reason) == (ERRORS[error["code"]].close_code, error["code"])
    return dict(error)


async def status_of(harness: Any, path: str, key: str | None) -> tuple[int, dict[str, Any], Any]:
    with pytest.raises(InvalidStatus) as refused:
        async with harness.connect(path, key=key):
            pass
    response = refused.value.response
    return response.status_code, json.loads(response.body or b"{}"), response.headers


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("/v1/native/acme", "not-a-key-at-all"),
        ("/v1/native/acme", None),
        ("/v1/native/acme", ""),
        ("/v1/native/acme", "only-key-of-other"),
        ("/v1/native/nobody", "first-key-of-acme"),
        ("/v1/vosk/acme", None),
        ("/v1/vosk/acme?key=wrong-key", None),
        ("/vosk/wrong-key", None),
    ],
)
async def test_a_wrong_or_missing_key_is_refused_before_the_upgrade(
    harness: Any, path: str, key: str | None
) -> None:
    await harness.start()
    async with harness.bystander():
        status, body, headers = await status_of(harness, path, key)
    assert status == 401
    assert body["code"] == "unauthorised"
    assert headers["WWW-Authenticate"].startswith("Bearer")
    assert harness.observer.refusals[None, "unauthorised"] == 1


async def test_a_refusal_takes_the_same_time_whatever_was_wrong(harness: Any) -> None:
    await harness.start(auth_failure_delay_ms=150)
    loop = asyncio.get_running_loop()
    for path, key in (("/v1/native/acme", "wrong-key"), ("/v1/native/nobody", harness.KEY)):
        before = loop.time()
        await status_of(harness, path, key)
        assert 0.15 <= loop.time() - before < 1.0


@pytest.mark.parametrize(
    "path", ["/", "/v1/native/", "/v1/native/a/b", "/v2/native/acme", "/vosk/"]
)
async def test_an_unknown_address_is_not_found(harness: Any, path: str) -> None:
    await harness.start()
    status, body, _ = await status_of(harness, path, harness.KEY)
    assert (status, body["code"]) == (404, "not_found")


async def test_both_keys_of_a_tenant_open_the_door_while_they_are_rotated(harness: Any) -> None:
    await harness.start()
    for number, key in enumerate((harness.KEY, harness.NEW_KEY)):
        async with harness.connect(key=key) as socket:
            await socket.send(harness.start_message(f"c{number}"))
            await harness.receive_type(socket, "started")


async def test_silence_after_connecting_ends_in_first_message_timeout(harness: Any) -> None:
    await harness.start(first_message_timeout_ms=80)
    async with harness.connect() as socket:
        error = await refused_error(harness, socket)
    assert error["code"] == "first_message_timeout"
    assert error["recoverable"] is True


async def test_silence_after_connecting_harms_no_other_call(harness: Any) -> None:
    await harness.start(first_message_timeout_ms=300)
    async with harness.bystander(), harness.connect() as socket:
        assert (await refused_error(harness, socket))["code"] == "first_message_timeout"


async def test_a_call_without_audio_ends_in_idle_timeout_with_its_account(harness: Any) -> None:
    await harness.start(idle_timeout_ms=300)
    async with harness.connect() as socket:
        await socket.send(harness.start_message())
        await socket.send(bytes(320))
        await harness.receive_type(socket, "started")
        assert (await harness.receive(socket))["code"] == "idle_timeout"
        stopped = await harness.receive_type(socket, "stopped")
        assert (await harness.closed(socket))[0] == 1008
    assert stopped["reason"] == "idle_timeout"
    assert stopped["ledger"][0]["received_samples"] == 160
    assert harness.observer.reasons == [EndReason.IDLE_TIMEOUT]


async def test_a_declared_gap_is_a_sign_of_life(harness: Any) -> None:
    # Twenty times the pause between two gaps: a busy machine may be late by a second.
    await harness.start(idle_timeout_ms=1_000)
    loop = asyncio.get_running_loop()
    gaps = 0
    async with harness.connect() as socket:
        await socket.send(harness.start_message())
        until_s = loop.time() + 1.2
        while loop.time() < until_s:
            await asyncio.sleep(0.05)
            await socket.send('{"type":"gap","duration_ms":50,"cause":"paused"}')
            gaps += 1
        await socket.send('{"type":"stop"}')
        stopped = await harness.receive_type(socket, "stopped")
    assert stopped["reason"] == "completed"
    assert stopped["ledger"][0]["gaps"] == [{"cause": "paused", "samples": gaps * 50 * 8}]


@pytest.mark.parametrize(
    ("text", "code", "hint"),
    [
        ("hello", "not_json", "JSON"),
        ("", "not_json", "JSON"),
        ("[" * 5_000, "not_json", "JSON"),
        ("[]", "bad_message", "object"),
        ("{}", "unknown_type", "start, update, gap, stop"),
        ('{"type":"begin"}', "unknown_type", "start, update, gap, stop"),
        ('{"type":"stop"}', "not_started", "start"),
        (
            {"media": {**MEDIA, "encoding": "opus"}},
            "unknown_encoding",
            "'pcm_s16le', 'mulaw' or 'alaw'",
        ),
        ({"media": {**MEDIA, "channels": []}}, "bad_channels", "1 or 2 channels, not 0"),
        (
            {"media": {**MEDIA, "channels": ["customer", "customer"]}},
            "bad_channels",
            "same channel twice",
        ),
        ({"media": {**MEDIA, "channels": ["mixed", "agent"]}}, "bad_channels", "alone"),
        ({"media": {**MEDIA, "sample_rate_hz": 7999}}, "bad_sample_rate", "8000"),
        ({"media": {**MEDIA, "sample_rate_hz": 48001}}, "bad_sample_rate", "48000"),
        ({"version": 2}, "unsupported_version", "version"),
        ({"call_id": "two words"}, "bad_call_id", "printable ASCII"),
        ({"call_id": "x" * 129}, "bad_call_id", "128"),
        ({"langauge": "ja"}, "bad_message", "unknown key 'langauge' in start"),
        ({"customer": {"phone": "x"}}, "bad_message", "allowed are number, name"),
    ],
)
async def test_a_wrong_message_is_explained(
    harness: Any, text: str | dict[str, Any], code: str, hint: str
) -> None:
    await harness.start()
    async with harness.bystander(), harness.connect() as socket:
        if isinstance(text, dict):
            text = json.dumps({**json.loads(harness.start_message()), **text})
        await socket.send(text)
        error = await refused_error(harness, socket)
    assert error["code"] == code
    assert hint in error["message"]
    assert len(harness.sink.calls) == 1


async def test_an_error_never_repeats_what_the_client_sent(harness: Any) -> None:
    await harness.start()
    async with harness.connect() as socket:
        await socket.send(harness.start_message(customer={"number": ["09012345678"]}))
        error = await refused_error(harness, socket)
    assert "customer.number" in error["message"]
    assert "09012345678" not in json.dumps(error)


async def test_binary_before_start_is_refused(harness: Any) -> None:
    await harness.start()
    async with harness.bystander(), harness.connect() as socket:
        await socket.send(bytes(320))
        assert (await refused_error(harness, socket))["code"] == "audio_before_start"


async def test_a_second_start_on_one_connection_is_refused(harness: Any) -> None:
    await harness.start()
    async with harness.connect() as socket:
        await socket.send(harness.start_message("c1"))
        await socket.send(harness.start_message("c2"))
        assert (await refused_error(harness, socket))["code"] == "already_started"


async def test_bytes_that_never_become_a_sample_are_reported(harness: Any) -> None:
    await harness.start()
    media = {**MEDIA, "encoding": "pcm_s16le"}
    async with harness.bystander(), harness.connect() as socket:
        await socket.send(harness.start_message(media=media))
        for piece in (bytes(7), bytes(1), bytes(3)):
            await socket.send(piece)
        await socket.send('{"type":"stop"}')
        warning = await harness.receive_type(socket, "warning")
        stopped = await harness.receive_type(socket, "stopped")
    assert warning["code"] == "odd_bytes"
    assert "last 3 bytes" in warning["message"]
    assert [channel["received_samples"] for channel in stopped["ledger"]] == [2, 2]


async def test_a_message_of_100_megabytes_is_refused_as_soon_as_it_is_announced(
    harness: Any,
) -> None:
    await harness.start()
    async with harness.bystander(), harness.connect() as socket:
        await socket.send(harness.start_message())
        await harness.receive_type(socket, "started")
        header = b"\x82\xff" + (100_000_000).to_bytes(8, "big") + bytes(4)
        socket.transport.write(header + bytes(1_000))
        assert (await harness.closed(socket))[0] == 1009
        await harness.until(lambda: harness.observer.refusals["acme", "message_too_big"] == 1)


async def test_a_message_of_100_megabytes_that_really_comes_takes_no_memory(harness: Any) -> None:
    await harness.start()
    rss_bytes = psutil.Process().memory_info
    async with harness.bystander(), harness.connect() as socket:
        await socket.send(harness.start_message())
        await harness.receive_type(socket, "started")
        piece = bytes(2**16)
        header = b"\x82\xff" + (100_000_000).to_bytes(8, "big") + bytes(4)
        before = rss_bytes().rss
        socket.transport.write(header)
        for _ in range(100_000_000 // len(piece)):
            if socket.transport.is_closing():
                break
            socket.transport.write(piece)
            await asyncio.sleep(0)
        await harness.until(lambda: harness.observer.refusals["acme", "message_too_big"] == 1)
        assert rss_bytes().rss - before < 50_000_000


@pytest.mark.parametrize(("size", "accepted"), [(4_096, True), (4_097, False)])
async def test_the_longest_message_is_accepted_and_one_byte_more_is_not(
    harness: Any, size: int, accepted: bool
) -> None:
    await harness.start(max_message_bytes=4_096)
    async with harness.connect() as socket:
        await socket.send(harness.start_message())
        await socket.send(bytes(size))
        if accepted:
            await socket.send('{"type":"stop"}')
            stopped = await harness.receive_type(socket, "stopped")
            assert stopped["ledger"][0]["received_samples"] == 2_048
        else:
            assert (await harness.closed(socket))[0] == 1009


async def test_invalid_utf8_is_refused_with_its_close_code(harness: Any) -> None:
    await harness.start()
    async with harness.bystander(), harness.connect() as socket:
        await socket.send(b'{"type":"\xff"}', text=True)
        code, reason = await harness.closed(socket)
        assert code == 1007
        assert "position 9" in reason
        await harness.until(lambda: harness.observer.refusals["acme", "invalid_utf8"] == 1)


async def test_control_characters_in_names_are_replaced(harness: Any) -> None:
    await harness.start()
    async with harness.connect() as socket:
        await socket.send(harness.start_message(customer={"name": "a\x00b\x1b[31m"}))
        await harness.receive_type(socket, "started")
    assert harness.sink.call("c1").started.customer.name == "a�b�[31m"


async def test_a_connected_call_id_cannot_be_taken_twice(harness: Any) -> None:
    await harness.start()
    async with harness.bystander(), harness.connect() as second:
        await second.send(harness.start_message("bystander"))
        assert (await refused_error(harness, second))["code"] == "duplicate_call"


async def test_the_same_call_id_of_two_tenants_is_two_calls(harness: Any) -> None:
    await harness.start()
    async with (
        harness.bystander(),
        harness.connect("/v1/native/other", key=harness.OTHER_KEY) as socket,
    ):
        await socket.send(harness.start_message("bystander"))
        started = await harness.receive_type(socket, "started")
        assert started["call_id"] == "bystander"
        assert harness.sink.call("bystander", "other").heard[Channel.CUSTOMER] == 0


async def test_a_flood_costs_the_flooding_call_counted_audio_and_nobody_else(
    harness: Any,
) -> None:
    await harness.start()
    message = bytes(320)  # 20 ms of two channels
    async with harness.bystander(), harness.connect() as socket:
        await socket.send(harness.start_message("flood"))
        await harness.receive_type(socket, "started")
        began = asyncio.get_running_loop().time()
        for number in range(5_000):  # 100 s of audio: a hundred times real time in a second
            await socket.send(message)
            if number % 50 == 49:
                await asyncio.sleep(0.01)
        await socket.send('{"type":"stop"}')
        stopped = await harness.receive_type(socket, "stopped")
        took_s = asyncio.get_running_loop().time() - began
    call = harness.sink.call("flood")
    for channel in stopped["ledger"]:
        assert channel["received_samples"] == 5_000 * 160
        assert channel["processed_samples"] + channel["gap_samples"] == 5_000 * 160
        assert 16_000 <= channel["processed_samples"] <= (2 + took_s) * 8_000
    assert harness.observer.dropped_samples == call.gap_samples(Channel.CUSTOMER)
    gaps = [event for event in call.fed if isinstance(event, MediaGap)]
    assert {gap.cause for gap in gaps} == {GapCause.DROPPED}
    assert max(gap.duration_ms for gap in gaps) <= 1_000
    told = [event for event in call.fed if isinstance(event, MediaDropped)]
    assert [(d.channel, d.duration_samples, d.code) for d in told] == [
        (gap.channel, gap.duration_samples, "flood") for gap in gaps
    ]
    frames = [event for event in call.fed if isinstance(event, AudioFrame)]
    assert len(frames) * 20 <= 2 * (2_000 + took_s * 1_000) + 100


async def test_a_refusal_of_the_application_is_passed_on(harness: Any) -> None:
    await harness.start()
    harness.sink.refusal = CallRefused("no_engine", "no recogniser is free", retry_after_s=3)
    async with harness.connect() as socket:
        await socket.send(harness.start_message())
        error = await refused_error(harness, socket)
    assert error["code"] == "call_refused"
    assert error["detail"] == "no_engine"
    assert error["message"] == "no recogniser is free"
    assert (error["retry_after_s"], error["recoverable"]) == (3, True)
    harness.sink.refusal = None
    async with harness.connect() as socket:
        await socket.send(harness.start_message())
        assert (await harness.receive_type(socket, "started"))["call_id"] == "c1"


async def test_a_call_that_fails_inside_ends_alone(harness: Any) -> None:
    await harness.start()
    async with harness.bystander(), harness.connect() as socket:
        await socket.send(harness.start_message("bad"))
        await harness.receive_type(socket, "started")
        harness.sink.call("bad").fails_on_feed = True
        await socket.send(bytes(320))
        error = await refused_error(harness, socket)
    assert error["code"] == "internal_error"
    assert "secret" not in json.dumps(error)
    assert harness.sink.call("bad").ended.reason is EndReason.INTERRUPTED
    assert harness.observer.failed == 1


async def test_a_call_that_fails_at_its_end_is_reported_and_leaves_nothing(harness: Any) -> None:
    await harness.start()
    async with harness.bystander(), harness.connect() as socket:
        await socket.send(harness.start_message("bad"))
        await harness.receive_type(socket, "started")
        harness.sink.call("bad").fails_on_end = True
        await socket.send('{"type":"stop"}')
        assert (await refused_error(harness, socket))["code"] == "internal_error"
        assert harness.server.live_calls == 1


async def test_an_application_that_fails_to_open_a_call_fails_that_call_only(harness: Any) -> None:
    await harness.start()
    async with harness.bystander():
        harness.sink.refusal = RuntimeError("broken")
        async with harness.connect() as socket:
            await socket.send(harness.start_message("bad"))
            assert (await refused_error(harness, socket))["code"] == "internal_error"
        harness.sink.refusal = None


async def test_a_client_that_reads_no_events_loses_events_and_no_audio(harness: Any) -> None:
    await harness.start(max_queued_events=10)
    async with harness.connect() as socket:
        await socket.send(harness.start_message("slow", events=True))
        await harness.receive_type(socket, "started")
        socket.transport.pause_reading()
        call = harness.sink.call("slow")
        event = MediaGap.at(
            call_id="x" * 50_000,
            channel=Channel.AGENT,
            cause=GapCause.LOSS,
            offset_samples=0,
            duration_samples=0,
            sample_rate_hz=8000,
        )
        while harness.observer.dropped_events < 5:
            call.emit(event)
            await asyncio.sleep(0)
        await socket.send(bytes(3_200))
        await harness.until(lambda: call.heard[Channel.CUSTOMER] == 1_600)
        socket.transport.resume_reading()
        note = await harness.receive_type(socket, "events_dropped")
        assert note["count"] == harness.observer.dropped_events
