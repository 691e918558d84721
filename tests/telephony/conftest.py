"""A server on a real socket in front of a sink that keeps an exact account of every call."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from mamori.monitor.events import (
    AudioFrame,
    CallEnded,
    CallStarted,
    CallUpdated,
    Channel,
    ChannelLedger,
    EndReason,
    GapTotal,
    JsonEvent,
    MediaDropped,
    MediaGap,
)
from mamori.telephony.keys import AccessKeys
from mamori.telephony.limits import TelephonyConfig
from mamori.telephony.port import NullObserver
from mamori.telephony.server import TelephonyServer

KEY = "first-key-of-acme"
NEW_KEY = "second-key-of-acme"
OTHER_KEY = "only-key-of-other"
TEN_SECONDS_S = 10


class FakeCall:
    """Counts every sample and checks that each channel's timeline has no hole."""

    def __init__(self, started: CallStarted) -> None:
        self.started = started
        self.fed: list[AudioFrame | MediaGap | MediaDropped | CallUpdated] = []
        self.heard: Counter[Channel] = Counter()
        self.gaps: Counter[tuple[Channel, Any]] = Counter()
        self.positions: Counter[Channel] = Counter()
        self.ended: CallEnded | None = None
        self.listeners: list[Callable[[JsonEvent], None]] = []
        self.may_end = asyncio.Event()
        self.may_end.set()
        self.ending = False
        self.fails_on_feed = False
        self.fails_on_end = False

    def feed(self, event: AudioFrame | MediaGap | MediaDropped | CallUpdated) -> None:
        if self.fails_on_feed:
            raise RuntimeError("secret words of a caller")
        assert self.ended is None, "nothing comes after the end"
        self.fed.append(event)
        if isinstance(event, AudioFrame):
            assert event.offset_samples == self.positions[event.channel]
            assert not event.pcm.flags.writeable
            self.positions[event.channel] = event.end_offset_samples
            self.heard[event.channel] += len(event.pcm)
        elif isinstance(event, MediaGap):
            assert event.offset_samples == self.positions[event.channel]
            self.positions[event.channel] += event.duration_samples
            self.gaps[event.channel, event.cause] += event.duration_samples

    async def end(self, reason: EndReason) -> CallEnded:
        self.ending = True
        await self.may_end.wait()
        if self.fails_on_end:
            raise RuntimeError("secret words of a caller")
        assert self.ended is None, "a call ends once"
        duration_ms = max(
            (p * 1000 // self.started.sample_rate_hz for p in self.positions.values()), default=0
        )
        self.ended = CallEnded(
            call_id=self.started.call_id,
            reason=reason,
            offset_ms=duration_ms,
            duration_ms=duration_ms,
            ledger=tuple(self._ledger(channel) for channel in self.started.channels),
        )
        self.emit(self.ended)
        return self.ended

    def subscribe(self, listener: Callable[[JsonEvent], None]) -> Callable[[], None]:
        self.listeners.append(listener)
        return lambda: self.listeners.remove(listener)

    def emit(self, event: JsonEvent) -> None:
        for listener in tuple(self.listeners):
            listener(event)

    def gap_samples(self, channel: Channel) -> int:
        return sum(n for (c, _), n in self.gaps.items() if c == channel)

    def _ledger(self, channel: Channel) -> ChannelLedger:
        gap = self.gap_samples(channel)
        return ChannelLedger(
            channel=channel,
            sample_rate_hz=self.started.sample_rate_hz,
            received_samples=self.heard[channel] + gap,
            processed_samples=self.heard[channel],
            shed_samples=0,
            gap_samples=gap,
            gaps=tuple(
                GapTotal(cause=cause, samples=n)
                for (c, cause), n in sorted(self.gaps.items())
                if c == channel
            ),
        )


class FakeSink:
    """Remembers every call; may be told to refuse, to fail or to wait."""

    def __init__(self) -> None:
        self.calls: dict[tuple[str, str], FakeCall] = {}
        self.refusal: Exception | None = None
        self.opening = asyncio.Event()
        self.may_open = asyncio.Event()
        self.may_open.set()

    async def open_call(self, started: CallStarted) -> FakeCall:
        self.opening.set()
        await self.may_open.wait()
        if self.refusal is not None:
            raise self.refusal
        call = FakeCall(started)
        self.calls[started.tenant, started.call_id] = call
        return call

    def call(self, call_id: str, tenant: str = "acme") -> FakeCall:
        return self.calls[tenant, call_id]


class Counting(NullObserver):
    """Counts what the server reports."""

    def __init__(self) -> None:
        self.refusals: Counter[tuple[str | None, str]] = Counter()
        self.open_connections = 0
        self.calls = 0
        self.resumed = 0
        self.failed = 0
        self.dropped_samples = 0
        self.dropped_events = 0
        self.reasons: list[EndReason] = []

    def connection_opened(self, *, tenant: str, dialect: str) -> None:
        self.open_connections += 1

    def connection_closed(self, *, tenant: str, dialect: str, close_code: int) -> None:
        self.open_connections -= 1

    def refused(self, *, tenant: str | None, code: str) -> None:
        self.refusals[tenant, code] += 1

    def call_started(self, *, tenant: str, dialect: str) -> None:
        self.calls += 1

    def call_resumed(self, *, tenant: str, dialect: str) -> None:
        self.resumed += 1

    def call_ended(self, *, tenant: str, dialect: str, reason: EndReason) -> None:
        self.reasons.append(reason)

    def audio_dropped(self, *, tenant: str, samples: int, sample_rate_hz: int) -> None:
        self.dropped_samples += samples

    def events_dropped(self, *, tenant: str, count: int) -> None:
        self.dropped_events += count

    def call_failed(self, *, tenant: str) -> None:
        self.failed += 1


class Harness:
    """One running server and what tests do with it."""

    KEY = KEY
    NEW_KEY = NEW_KEY
    OTHER_KEY = OTHER_KEY

    def __init__(self) -> None:
        self.sink = FakeSink()
        self.observer = Counting()
        self.server: TelephonyServer

    async def start(self, **config: Any) -> None:
        settings: dict[str, Any] = {"port": 0, "auth_failure_delay_ms": 20, **config}
        keys = AccessKeys({"acme": [KEY, NEW_KEY], "other": [OTHER_KEY]})
        self.server = TelephonyServer(TelephonyConfig(**settings), keys, self.sink, self.observer)
        await self.server.start()

    def url(self, path: str = "/v1/native/acme") -> str:
        return f"ws://127.0.0.1:{self.server.port}{path}"

    def connect(
        self, path: str = "/v1/native/acme", *, key: str | None = KEY, **options: Any
    ) -> connect:
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        return connect(
            self.url(path),
            additional_headers=headers,
            compression=None,
            proxy=None,
            **{"max_size": None, **options},
        )

    @staticmethod
    def start_message(call_id: str = "c1", **more: Any) -> str:
        media = {"encoding": "mulaw", "sample_rate_hz": 8000, "channels": ["customer", "agent"]}
        return json.dumps(
            {"type": "start", "version": 1, "call_id": call_id, "media": media, **more}
        )

    @staticmethod
    async def receive(socket: ClientConnection) -> dict[str, Any]:
        async with asyncio.timeout(TEN_SECONDS_S):
            message: dict[str, Any] = json.loads(await socket.recv())
        return message

    async def receive_type(self, socket: ClientConnection, kind: str) -> dict[str, Any]:
        """The next message of this type, other messages passed over."""
        while True:
            message = await self.receive(socket)
            if message["type"] == kind:
                return message

    @staticmethod
    async def closed(socket: ClientConnection) -> tuple[int, str]:
        """The server's close code and reason, what still comes before it passed over."""
        async with asyncio.timeout(TEN_SECONDS_S):
            try:
                while True:
                    await socket.recv()
            except ConnectionClosed:
                pass
        return socket.close_code or 0, socket.close_reason or ""

    @staticmethod
    async def until(condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(TEN_SECONDS_S):
            while not condition():  # noqa: ASYNC110 - the condition belongs to the server
                await asyncio.sleep(0.005)

    @asynccontextmanager
    async def bystander(self) -> AsyncIterator[None]:
        """Another call, which goes on around the block and must come to no harm."""
        call_id = "bystander"
        half = b"\xd5" * 2 * 3_000
        async with self.connect() as socket:
            await socket.send(self.start_message(call_id))
            await self.receive_type(socket, "started")
            await socket.send(half)
            yield
            await socket.send(half)
            await socket.send('{"type":"stop"}')
            stopped = await self.receive_type(socket, "stopped")
        assert stopped["reason"] == "completed"
        assert [channel["channel"] for channel in stopped["ledger"]] == ["customer", "agent"]
        for channel in stopped["ledger"]:
            assert channel["received_samples"] == channel["processed_samples"] == 6_000
            assert channel["gap_samples"] == 0


@pytest.fixture
def sink() -> FakeSink:
    return FakeSink()


@pytest.fixture
async def harness() -> AsyncIterator[Harness]:
    made = Harness()
    yield made
    made.sink.may_open.set()
    for call in made.sink.calls.values():
        call.may_end.set()
    await made.server.stop()
    assert made.server.live_calls == 0
    assert made.observer.open_connections == 0
