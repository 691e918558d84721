"""One call of the load, against small servers of the test's own."""

import json
import time
from http import HTTPStatus

import numpy as np
import pytest
from bench.client import Call
from bench.speech import BenchCall
from websockets.asyncio.server import serve

from mamori.telephony.codecs import decode

MESSAGES = 5
SAMPLES = MESSAGES * 160


def _bench_call():
    customer = (np.arange(SAMPLES) * 37 % 4_000).astype(np.int16)
    silent = np.zeros(SAMPLES, dtype=np.int16)
    voiced = np.zeros(MESSAGES * 2, dtype=bool)
    return BenchCall(
        customer=customer,
        agent=silent,
        customer_voiced=voiced,
        agent_voiced=voiced,
        customer_speech_ratio=0.0,
        agent_speech_ratio=0.0,
        sentences=0,
    )


def _call(server, dialect, path=""):
    address = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/{path}"
    job = {"name": "load", "url": address, "key": "k", "dialect": dialect}
    return Call(job, 7, _bench_call())


async def _play(handle, dialect, path="", **options):
    async with serve(handle, "127.0.0.1", 0, compression=None, **options) as server:
        call = _call(server, dialect, path)
        await call.run(time.monotonic())
    return call.result()


async def test_a_native_call_is_sent_in_real_time_as_mu_law_of_both_channels():
    heard = []

    async def handle(socket):
        heard.append(json.loads(await socket.recv()))
        await socket.send('{"type":"started"}')
        async for message in socket:
            heard.append(message)
            if isinstance(message, str):
                await socket.send('{"type":"stopped","ledger":[{"channel":"customer"}]}')
                return

    result = await _play(handle, "native")
    start, *audio, stop = heard
    assert (start["call_id"], json.loads(stop)["type"]) == ("load-007", "stop")
    assert [len(message) for message in audio] == [320] * MESSAGES
    assert result["sent_samples"] == SAMPLES
    assert result["ledger"] == [{"channel": "customer"}]
    assert (result["refusal"], result["failure"]) == (None, None)
    sent_s = result["sent_s"]
    # The last message is due 80 ms after the first.
    assert sent_s == sorted(sent_s)
    assert sent_s[-1] - sent_s[0] > 0.05


async def test_a_call_by_the_vosk_protocol_carries_what_mu_law_leaves_of_the_customer():
    heard = []

    async def handle(socket):
        async for message in socket:
            if isinstance(message, bytes):
                heard.append(message)
                await socket.send('{"partial": ""}')
            elif "eof" in message:
                await socket.send('{"text": ""}')
                return

    result = await _play(handle, "vosk", path="v1/vosk?call_id={call_id}")
    assert b"".join(heard) == decode_of_mu_law(_bench_call().customer)
    assert (result["refusal"], result["failure"]) == (None, None)


def decode_of_mu_law(pcm):
    from mamori.telephony.codecs import encode

    return decode("mulaw", encode("mulaw", pcm)).astype("<i2").tobytes()


async def test_the_call_id_stands_in_the_address_where_the_protocol_has_no_place_for_it():
    paths = []

    async def handle(socket):
        paths.append(socket.request.path)
        await socket.send('{"type":"error","code":"busy","recoverable":true}')

    await _play(handle, "vosk", path="v1/vosk?call_id={call_id}")
    assert paths == ["/v1/vosk?call_id=load-007"]


async def test_a_door_that_is_full_is_a_refusal_and_no_failure():
    def refuse(connection, request):
        response = connection.respond(HTTPStatus.SERVICE_UNAVAILABLE, "full\n")
        response.headers["Retry-After"] = "3"
        return response

    result = await _play(None, "native", process_request=refuse)
    assert result["refusal"] == {"code": "http_503", "retry_after_s": 3}
    assert (result["failure"], result["sent_s"]) == (None, [])


async def test_a_door_that_is_locked_is_a_failure():
    def refuse(connection, request):
        return connection.respond(HTTPStatus.UNAUTHORIZED, "no\n")

    result = await _play(None, "native", process_request=refuse)
    assert (result["refusal"], result["failure"]) == (None, "handshake answered with 401")


@pytest.mark.parametrize("dialect", ["native", "vosk"])
async def test_a_call_that_is_refused_in_the_protocols_own_words_ends_there(dialect):
    async def handle(socket):
        await socket.recv()
        await socket.send(
            '{"type":"error","code":"call_refused","recoverable":true,"retry_after_s":4}'
        )
        await socket.close(1013, "call_refused")

    result = await _play(handle, dialect)
    assert result["refusal"] == {"code": "call_refused", "retry_after_s": 4}
    assert result["failure"] is None


async def test_a_server_that_hangs_up_in_the_middle_is_a_failure():
    async def handle(socket):
        await socket.recv()
        await socket.send('{"type":"started"}')
        await socket.recv()
        await socket.close(1011)

    result = await _play(handle, "native")
    assert (result["refusal"], result["failure"]) == (None, "closed with 1011")
