"""Clients of vosk-server point here unchanged."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from mamori.monitor.events import Channel, EndReason, FinalHypothesis, PartialHypothesis, Word


def final(call_id: str, text: str, *words: Word) -> FinalHypothesis:
    return FinalHypothesis(
        call_id=call_id,
        channel=Channel.MIXED,
        utterance_id="u",
        offset_ms=0,
        end_offset_ms=900,
        text=text,
        language="ja",
        engine="e",
        words=words,
    )


def partial(call_id: str, text: str) -> PartialHypothesis:
    return PartialHypothesis(
        call_id=call_id,
        channel=Channel.MIXED,
        utterance_id="u",
        offset_ms=0,
        text=text,
        revision=1,
        engine="e",
    )


async def ask(socket: Any, message: bytes | str) -> dict[str, Any]:
    await socket.send(message)
    return dict(json.loads(await socket.recv()))


@pytest.mark.parametrize("path", ["/v1/vosk/acme?key={key}&call_id=v1", "/vosk/{key}?call_id=v1"])
async def test_the_dialogue_of_vosk_servers_own_test_client(harness: Any, path: str) -> None:
    await harness.start()
    async with harness.connect(path.format(key=harness.KEY), key=None) as socket:
        await socket.send('{ "config" : { "sample_rate" : 16000, "words" : true } }')
        assert await ask(socket, bytes(6_400)) == {"partial": ""}
        call = harness.sink.call("v1")
        call.emit(partial("v1", "もし"))
        assert await ask(socket, bytes(6_400)) == {"partial": "もし"}
        call.emit(final("v1", "もしもし", Word(text="もしもし", start_ms=100, end_ms=900)))
        assert await ask(socket, bytes(6_400)) == {
            "result": [{"conf": 1.0, "end": 0.9, "start": 0.1, "word": "もしもし"}],
            "text": "もしもし",
        }
        call.emit(final("v1", "はい"))
        assert await ask(socket, '{"eof" : 1}') == {
            "result": [{"conf": 1.0, "end": 0.9, "start": 0.0, "word": "はい"}],
            "text": "はい",
        }
        assert await harness.closed(socket) == (1000, "eof")
    assert call.heard[Channel.MIXED] == 9_600
    assert call.ended is not None
    assert call.ended.reason is EndReason.COMPLETED
    assert call.started.dialect == "vosk"


async def test_what_is_recognised_at_the_very_end_is_in_the_last_final(harness: Any) -> None:
    await harness.start()
    async with harness.connect(f"/vosk/{harness.KEY}?call_id=v1", key=None) as socket:
        await ask(socket, bytes(3_200))
        call = harness.sink.call("v1")
        call.may_end.clear()
        await socket.send('{"eof":1}')
        await asyncio.sleep(0.02)
        call.emit(final("v1", "さようなら"))
        call.may_end.set()
        assert json.loads(await socket.recv()) == {"text": "さようなら"}


async def test_the_address_says_channel_and_language(harness: Any) -> None:
    await harness.start()
    path = "/v1/vosk/acme?channel=customer&language=en-GB&call_id=v1"
    async with harness.connect(path) as socket:
        await ask(socket, bytes(320))
    started = harness.sink.call("v1").started
    assert (started.channels, started.language) == ((Channel.CUSTOMER,), "en")


@pytest.mark.parametrize("query", ["channel=left", "call_id=a%20b", "language=?"])
async def test_an_address_that_says_nonsense_is_refused(harness: Any, query: str) -> None:
    await harness.start()
    async with harness.bystander():
        with pytest.raises(InvalidStatus) as refused:
            await harness.connect(f"/v1/vosk/acme?{query}")
    assert refused.value.response.status_code == 400
    assert json.loads(refused.value.response.body)["code"] == "bad_request"


async def test_a_client_without_a_call_id_gets_one_and_leaves_no_call_waiting(
    harness: Any,
) -> None:
    await harness.start()
    async with harness.connect(f"/vosk/{harness.KEY}", key=None) as socket:
        await ask(socket, bytes(320))
    await harness.until(lambda: harness.observer.reasons == [EndReason.TRANSPORT_LOST])
    ((_, call_id),) = harness.sink.calls
    assert call_id.startswith("vosk-")


async def test_a_client_that_plays_a_file_is_slowed_down_and_loses_nothing(harness: Any) -> None:
    await harness.start()
    loop = asyncio.get_running_loop()
    async with harness.bystander(), harness.connect("/v1/vosk/acme?call_id=v1") as socket:
        before = loop.time()
        for _ in range(3):
            await ask(socket, bytes(16_000))  # one second
        took_s = loop.time() - before
        await ask(socket, '{"eof":1}')
    call = harness.sink.call("v1")
    assert call.heard[Channel.MIXED] == 24_000
    assert call.gap_samples(Channel.MIXED) == 0
    assert 0.9 <= took_s < 3
    assert harness.observer.dropped_samples == 0


async def test_a_message_longer_than_what_may_run_ahead_is_taken_in_pieces(harness: Any) -> None:
    await harness.start()
    async with harness.connect("/v1/vosk/acme?call_id=v1") as socket:
        await ask(socket, bytes(2 * 8_000 * 5 // 2))
        await ask(socket, '{"eof":1}')
    assert harness.sink.call("v1").heard[Channel.MIXED] == 20_000
    assert harness.sink.call("v1").gap_samples(Channel.MIXED) == 0


@pytest.mark.parametrize("text", ["hello", '{"what":1}'])
async def test_text_that_is_no_message_is_refused(harness: Any, text: str) -> None:
    await harness.start()
    async with harness.bystander(), harness.connect("/v1/vosk/acme") as socket:
        error = await ask(socket, text)
        assert error["type"] == "error"
        assert (await harness.closed(socket))[0] in {1007, 1008}


async def test_the_address_without_a_key_takes_clients_that_know_no_other(harness: Any) -> None:
    await harness.start(vosk_listen=("127.0.0.1", 0), vosk_tenant="other")
    async with connect(f"ws://127.0.0.1:{harness.server.vosk_port}", proxy=None) as socket:
        assert await ask(socket, bytes(320)) == {"partial": ""}
        assert await ask(socket, '{"eof":1}') == {"text": ""}
    assert [tenant for tenant, _ in harness.sink.calls] == ["other"]


async def test_the_address_without_a_key_is_off_by_default(harness: Any) -> None:
    await harness.start()
    assert harness.server.vosk_port is None


async def test_a_client_that_reads_no_replies_is_cut_off_in_the_end(harness: Any) -> None:
    await harness.start(max_queued_replies=20, close_timeout_ms=100)
    async with harness.bystander(), harness.connect("/v1/vosk/acme?call_id=v1") as socket:
        await ask(socket, b"")
        socket.transport.pause_reading()
        harness.sink.call("v1").emit(partial("v1", "あ" * 300_000))

        def cut_off() -> bool:
            return bool(harness.observer.refusals["acme", "slow_reader"] == 1)

        for _ in range(400):
            if cut_off() or socket.transport.is_closing():
                break
            socket.transport.write(b"\x82\x80" + bytes(4))
            await asyncio.sleep(0)
        await harness.until(cut_off)
        socket.transport.resume_reading()
