"""The client sends a recording as a telephone system would, against a small server of this file."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any

import numpy as np
import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from mamori.monitor.events import Channel, Direction, Party
from mamori.telephony import client
from mamori.telephony.client import NotReachableError, SendError, SendReport, send_recording
from mamori.telephony.codecs import decode, deinterleave
from mamori.telephony.recording import Recording

KEY = "first-key-of-acme"
BOTH = (Channel.CUSTOMER, Channel.AGENT)


class VirtualTime:
    """A clock that only moves when somebody sleeps; ``late_s`` are added to the sleeps in turn."""

    def __init__(self, *late_s: float) -> None:
        self.now_s = 1000.0
        self.late_s = list(late_s)
        self.woke_s: list[float] = []

    def clock(self) -> float:
        return self.now_s

    async def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.now_s += seconds + (self.late_s.pop(0) if self.late_s else 0.0)
        self.woke_s.append(self.now_s)
        await asyncio.sleep(0)


class FakeServer:
    """Takes one call as the protocol says; ``answer`` replaces what comes after ``start``."""

    def __init__(self) -> None:
        self.url = ""
        self.authorization: str | None = None
        self.extensions: str | None = None
        self.start: dict[str, Any] = {}
        self.chunks: list[bytes] = []
        self.stops = 0
        self.refuse: HTTPStatus | None = None
        self.answer: Callable[[ServerConnection], Awaitable[None]] = self.take_call
        self.before_stopped: list[str] = []

    def check(self, connection: ServerConnection, request: Request) -> Response | None:
        self.authorization = request.headers.get("Authorization")
        self.extensions = request.headers.get("Sec-WebSocket-Extensions")
        return connection.respond(self.refuse, "no\n") if self.refuse else None

    async def handle(self, connection: ServerConnection) -> None:
        try:
            self.start = json.loads(await connection.recv())
            await self.answer(connection)
        except ConnectionClosed:
            return

    async def take_call(self, connection: ServerConnection) -> None:
        await connection.send(json.dumps({"type": "started", "call_id": "c-1~2"}))
        async for message in connection:
            if isinstance(message, bytes):
                self.chunks.append(message)
                continue
            assert json.loads(message) == {"type": "stop"}
            self.stops += 1
            for text in self.before_stopped:
                await connection.send(text)
            await connection.send(json.dumps({"type": "stopped", "ledger": [{"channel": "agent"}]}))
            return


@pytest.fixture
def fake() -> FakeServer:
    return FakeServer()


@asynccontextmanager
async def listening(fake: FakeServer) -> AsyncIterator[FakeServer]:
    async with serve(fake.handle, "127.0.0.1", 0, process_request=fake.check) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        fake.url = f"ws://127.0.0.1:{port}/v1/native/acme"
        yield fake


def noise(*, ms: int = 200, rate_hz: int = 8000, channels: int = 2) -> Recording:
    random = np.random.default_rng(7)
    samples = ms * rate_hz // 1000
    return Recording(
        channels=tuple(
            random.integers(-20000, 20000, samples).astype(np.int16) for _ in range(channels)
        ),
        sample_rate_hz=rate_hz,
        source_encoding="pcm_s16le",
    )


async def send(fake: FakeServer, recording: Recording | None = None, **options: Any) -> SendReport:
    time = VirtualTime()
    settings: dict[str, Any] = {
        "call_id": "c-1",
        "channels": BOTH,
        "clock": time.clock,
        "sleep": time.sleep,
        **options,
    }
    return await send_recording(fake.url, KEY, recording or noise(), **settings)


async def refusal(fake: FakeServer, **options: Any) -> SendError:
    with pytest.raises(SendError) as caught:
        await send(fake, **options)
    assert KEY not in str(caught.value)
    return caught.value


async def test_the_start_says_everything_about_the_call_and_the_key_goes_in_the_header(
    fake: FakeServer,
) -> None:
    async with listening(fake):
        await send(
            fake,
            language="ja",
            direction=Direction.INBOUND,
            agent_id="a7",
            customer=Party(number="0312345678", name="山田"),
            agent=Party(name="佐藤"),
            want_events=True,
        )
    assert fake.authorization == f"Bearer {KEY}"
    assert fake.extensions is None
    assert fake.start == {
        "type": "start",
        "version": 1,
        "call_id": "c-1",
        "media": {"encoding": "mulaw", "sample_rate_hz": 8000, "channels": ["customer", "agent"]},
        "language": "ja",
        "direction": "inbound",
        "agent_id": "a7",
        "customer": {"number": "0312345678", "name": "山田"},
        "agent": {"name": "佐藤"},
        "events": True,
    }


async def test_what_is_not_known_is_left_out_of_the_start(fake: FakeServer) -> None:
    async with listening(fake):
        await send(fake)
    assert set(fake.start) == {"type", "version", "call_id", "media", "direction", "events"}
    assert fake.start["direction"] == "unknown"


@pytest.mark.parametrize(("encoding", "error"), [("pcm_s16le", 0), ("mulaw", 520), ("alaw", 520)])
@pytest.mark.parametrize(("rate_hz", "channels"), [(8000, 2), (16000, 2), (8000, 1)])
async def test_every_sample_arrives_once_in_order_on_its_channel(
    fake: FakeServer, encoding: str, error: int, rate_hz: int, channels: int
) -> None:
    recording = noise(ms=215, rate_hz=rate_hz, channels=channels)
    async with listening(fake):
        report = await send(fake, recording, encoding=encoding, channels=BOTH[:channels])
    planes = deinterleave(decode(encoding, b"".join(fake.chunks)), channels)
    for plane, wanted in zip(planes, recording.channels, strict=True):
        assert len(plane) == len(wanted) == report.sent_samples
        assert np.max(np.abs(plane.astype(int) - wanted)) <= error


@pytest.mark.parametrize(("chunk_ms", "sizes"), [(20, [320] * 10 + [80]), (100, [1600, 1600, 80])])
async def test_a_chunk_holds_as_many_milliseconds_as_asked(
    fake: FakeServer, chunk_ms: int, sizes: list[int]
) -> None:
    async with listening(fake):
        await send(fake, noise(ms=205), chunk_ms=chunk_ms)
    assert [len(chunk) for chunk in fake.chunks] == sizes


async def test_the_report_holds_the_servers_account_its_name_and_its_warnings(
    fake: FakeServer,
) -> None:
    warning = {"type": "warning", "code": "odd_bytes", "message": "one byte"}
    fake.before_stopped = [json.dumps(warning)]
    async with listening(fake):
        report = await send(fake)
    assert report.call_id == "c-1~2"
    assert report.sent_samples == 1600
    assert report.stopped == {"type": "stopped", "ledger": [{"channel": "agent"}]}
    assert report.warnings == (warning,)
    assert fake.stops == 1


@pytest.mark.parametrize("speed", [0.5, 1.0, 4.0])
async def test_a_call_takes_as_long_as_its_recording(fake: FakeServer, speed: float) -> None:
    async with listening(fake):
        report = await send(fake, noise(ms=2010), speed=speed)
    assert report.elapsed_s == pytest.approx(2.01 / speed)
    assert report.worst_lag_ms == pytest.approx(0, abs=1e-6)


async def test_a_late_chunk_is_made_up_for_and_delays_no_other(fake: FakeServer) -> None:
    time = VirtualTime(0.0, 0.0, 0.0, 0.07)
    async with listening(fake):
        report = await send(fake, noise(ms=400), clock=time.clock, sleep=time.sleep)
    assert report.elapsed_s == pytest.approx(0.4)
    assert report.worst_lag_ms == pytest.approx(70)
    # Chunk 4 was due at 80 ms and left at 150 ms; 5, 6 and 7 followed at once, 8 at its own moment.
    woke_ms = [round((woke - 1000) * 1000) for woke in time.woke_s]
    assert woke_ms == [20, 40, 60, 150, *range(160, 401, 20)]


async def test_sleeps_that_are_always_late_add_up_to_nothing(fake: FakeServer) -> None:
    time = VirtualTime(*[0.003] * 49)
    async with listening(fake):
        report = await send(fake, noise(ms=1000), clock=time.clock, sleep=time.sleep)
    assert report.elapsed_s == pytest.approx(1.0)
    assert report.worst_lag_ms == pytest.approx(3)


async def test_infinite_speed_does_not_wait(fake: FakeServer) -> None:
    time = VirtualTime()
    async with listening(fake):
        report = await send(fake, speed=math.inf, clock=time.clock, sleep=time.sleep)
    assert time.woke_s == []
    assert report.worst_lag_ms == 0
    assert len(fake.chunks) == 10


async def test_events_of_the_call_are_handed_on_in_order(fake: FakeServer) -> None:
    events = [{"type": "detection", "n": 1}, {"type": "alert_raised", "n": 2}]
    fake.before_stopped = [json.dumps(event) for event in events]
    heard: list[dict[str, Any]] = []
    async with listening(fake):
        await send(fake, want_events=True, on_event=heard.append)
    assert heard == events


# A pipe that nobody reads any more and a timeout are also what a server out of reach looks like.
@pytest.mark.parametrize("error", [LookupError, BrokenPipeError, OSError, TimeoutError])
async def test_what_the_listener_raises_ends_the_call_and_is_not_taken_for_the_servers(
    fake: FakeServer, error: type[Exception]
) -> None:
    fake.before_stopped = [json.dumps({"type": "detection"})]

    def stumble(_event: dict[str, Any]) -> None:
        raise error("own fault")

    async with listening(fake):
        with pytest.raises(error, match="own fault") as caught:
            await send(fake, on_event=stumble)
    assert type(caught.value) is error


async def test_an_address_where_nobody_listens_is_not_reachable(fake: FakeServer) -> None:
    async with listening(fake):
        pass
    error = await refusal(fake)
    assert isinstance(error, NotReachableError)
    assert (error.code, error.recoverable) == ("not_reachable", True)


@pytest.mark.parametrize("url", ["http://127.0.0.1/v1/native/acme", "127.0.0.1:8080", "ws://"])
async def test_an_address_that_is_none_is_refused(fake: FakeServer, url: str) -> None:
    fake.url = url
    assert (await refusal(fake)).code == "bad_url"


@pytest.mark.parametrize("key", ["", "two words", "ключ-ключ", "line\nbreak"])
async def test_a_key_that_fits_no_header_is_refused(fake: FakeServer, key: str) -> None:
    with pytest.raises(SendError) as caught:
        await send_recording("ws://127.0.0.1:1/", key, noise(), call_id="c", channels=BOTH)
    assert caught.value.code == "bad_key"
    assert not key or key not in str(caught.value)


@pytest.mark.parametrize(
    ("status", "code", "recoverable"),
    [
        (HTTPStatus.UNAUTHORIZED, "refused_key", False),
        (HTTPStatus.NOT_FOUND, "refused_address", False),
        (HTTPStatus.SERVICE_UNAVAILABLE, "refused", True),
        (HTTPStatus.BAD_REQUEST, "refused", False),
    ],
)
async def test_a_refusal_before_the_call_says_which(
    fake: FakeServer, status: HTTPStatus, code: str, recoverable: bool
) -> None:
    fake.refuse = status
    async with listening(fake):
        error = await refusal(fake)
    assert (error.code, error.recoverable) == (code, recoverable)
    assert not isinstance(error, NotReachableError)


async def test_a_refused_call_gives_the_servers_code_and_reason(fake: FakeServer) -> None:
    async def refuse(connection: ServerConnection) -> None:
        await connection.send(
            json.dumps(
                {
                    "type": "error",
                    "code": "duplicate_call",
                    "message": "this id is live",
                    "recoverable": False,
                }
            )
        )
        await connection.close(1008, "duplicate_call")

    fake.answer = refuse
    async with listening(fake):
        error = await refusal(fake)
    assert error.code == "duplicate_call"
    assert "this id is live" in str(error)


async def test_an_error_in_the_middle_of_the_call_ends_it(fake: FakeServer) -> None:
    async def end_early(connection: ServerConnection) -> None:
        await connection.send(json.dumps({"type": "started", "call_id": "c-1"}))
        await connection.recv()
        error = {"type": "error", "code": "shutting_down", "message": "bye", "recoverable": True}
        await connection.send(json.dumps(error))
        await connection.close(1001, "shutting_down")

    fake.answer = end_early
    async with listening(fake):
        error = await refusal(fake, recording=noise(ms=20_000))
    assert (error.code, error.recoverable) == ("shutting_down", True)


@pytest.mark.parametrize("when", ["before started", "after audio"])
async def test_a_connection_that_just_ends_is_lost(fake: FakeServer, when: str) -> None:
    async def hang_up(connection: ServerConnection) -> None:
        if when == "after audio":
            await connection.send(json.dumps({"type": "started", "call_id": "c-1"}))
            await connection.recv()
        connection.transport.abort()

    fake.answer = hang_up
    async with listening(fake):
        error = await refusal(fake, recording=noise(ms=20_000))
    assert (error.code, error.recoverable) == ("connection_lost", True)


async def test_a_server_that_hangs_up_politely_without_its_account_is_lost(
    fake: FakeServer,
) -> None:
    async def forget(connection: ServerConnection) -> None:
        await connection.send(json.dumps({"type": "started", "call_id": "c-1"}))
        async for message in connection:
            if isinstance(message, str):
                return

    fake.answer = forget
    async with listening(fake):
        error = await refusal(fake)
    assert error.code == "connection_lost"
    assert "without its account" in str(error)


@pytest.mark.parametrize("answer", ["not json", "[1]", '{"no": "type"}'])
async def test_an_answer_that_is_not_the_protocol_is_not_mamori(
    fake: FakeServer, answer: str
) -> None:
    async def babble(connection: ServerConnection) -> None:
        await connection.send(answer)
        await connection.wait_closed()

    fake.answer = babble
    async with listening(fake):
        assert (await refusal(fake)).code == "not_mamori"


async def test_a_server_that_speaks_no_websocket_is_not_mamori(fake: FakeServer) -> None:
    async def telnet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"220 mail.example ESMTP\r\n")
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(telnet, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        fake.url = f"ws://127.0.0.1:{port}/v1/native/acme"
        assert (await refusal(fake)).code == "not_mamori"


@pytest.mark.parametrize("silent_from", ["start", "stop"])
async def test_a_server_that_says_nothing_more_is_given_up(
    fake: FakeServer, silent_from: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting = "STARTED_TIMEOUT_S" if silent_from == "start" else "STOPPED_TIMEOUT_S"
    monkeypatch.setattr(client, waiting, 0.05)

    async def fall_silent(connection: ServerConnection) -> None:
        if silent_from == "stop":
            await connection.send(json.dumps({"type": "started", "call_id": "c-1"}))
        async for _ in connection:
            pass

    fake.answer = fall_silent
    async with listening(fake):
        error = await refusal(fake)
    assert error.code == "no_answer"
    assert f"does not {'start' if silent_from == 'start' else 'end'} the call" in str(error)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"channels": (Channel.MIXED,)}, "2 channels, 1 are named"),
        ({"channels": (Channel.AGENT, Channel.AGENT)}, "twice"),
        ({"encoding": "opus"}, "pcm_s16le, mulaw, alaw"),
        ({"speed": 0.0}, "above 0"),
        ({"speed": math.nan}, "above 0"),
        ({"chunk_ms": 4}, r"\[5, 1000\]"),
        ({"chunk_ms": 1001}, r"\[5, 1000\]"),
    ],
)
async def test_arguments_that_cannot_be_right_name_what_is_allowed(
    fake: FakeServer, options: dict[str, Any], reason: str
) -> None:
    with pytest.raises(ValueError, match=reason):
        await send(fake, **options)


@pytest.mark.parametrize("chunk_ms", [5, 1000])
async def test_the_shortest_and_the_longest_chunk_are_sent(fake: FakeServer, chunk_ms: int) -> None:
    async with listening(fake):
        report = await send(fake, noise(ms=1000), chunk_ms=chunk_ms)
    assert report.sent_samples == 8000
    assert len(fake.chunks) == 1000 // chunk_ms
