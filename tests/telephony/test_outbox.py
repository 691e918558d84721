"""Replies are kept, events may go, and what went is counted."""

from __future__ import annotations

import asyncio
from typing import Any

from websockets.exceptions import ConnectionClosedOK

from mamori.telephony.outbox import Outbox


class Client:
    """Reads only while it is told to."""

    def __init__(self) -> None:
        self.read: list[str] = []
        self.reads = asyncio.Event()
        self.reads.set()
        self.gone = False

    async def send(self, data: bytes) -> None:
        await self.reads.wait()
        if self.gone:
            raise ConnectionClosedOK(None, None)
        self.read.append(data.decode())


class Running:
    """An outbox with its sender at work."""

    def __init__(self, **limits: int) -> None:
        self.client = Client()
        self.dropped: list[int] = []
        settings: dict[str, Any] = {"max_events": 2, "max_replies": 2, **limits}
        self.outbox = Outbox(on_dropped=self.dropped.append, **settings)
        self.task: asyncio.Task[None]

    async def __aenter__(self) -> Running:
        self.task = asyncio.create_task(self.outbox.run(self.client.send))
        return self

    async def __aexit__(self, *args: object) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


async def test_everything_goes_out_in_order() -> None:
    async with Running() as running:
        running.outbox.put_event("a")
        assert running.outbox.put_reply("b")
        running.outbox.put_event("c")
        await running.outbox.flush(1)
        assert running.client.read == ["a", "b", "c"]
        assert running.dropped == []


async def test_a_slow_reader_loses_the_newest_events_and_is_told_how_many() -> None:
    async with Running() as running:
        running.client.reads.clear()
        for text in ("a", "b", "c", "d"):
            running.outbox.put_event(text)
        running.client.reads.set()
        await running.outbox.flush(1)
        assert running.client.read == ["a", "b", '{"type":"events_dropped","count":2}']
        assert sum(running.dropped) == 2


async def test_the_count_comes_before_what_follows_the_loss() -> None:
    async with Running(max_events=1) as running:
        running.client.reads.clear()
        running.outbox.put_event("a")
        running.outbox.put_event("b")
        assert running.outbox.put_reply("stopped")
        running.client.reads.set()
        await running.outbox.flush(1)
        assert running.client.read == ["a", '{"type":"events_dropped","count":1}', "stopped"]


async def test_replies_are_refused_once_nobody_can_be_reading_them() -> None:
    async with Running() as running:
        running.client.reads.clear()
        assert [running.outbox.put_reply(str(n)) for n in range(3)] == [True, True, False]


async def test_text_that_is_no_unicode_is_replaced() -> None:
    async with Running() as running:
        running.outbox.put_event("a\ud800b")
        await running.outbox.flush(1)
        assert running.client.read == ["a?b"]


async def test_flushing_gives_up_on_a_client_that_does_not_read() -> None:
    async with Running() as running:
        running.client.reads.clear()
        running.outbox.put_event("a")
        await running.outbox.flush(0.01)
        running.outbox.put_event("b")
        assert running.outbox.put_reply("c")
        running.client.reads.set()
        await running.outbox.flush(1)
        assert "b" not in running.client.read


async def test_a_client_that_is_gone_ends_the_sender() -> None:
    async with Running() as running:
        running.client.gone = True
        running.outbox.put_event("a")
        await asyncio.wait_for(running.task, 1)
        running.outbox.put_event("b")
        await running.outbox.flush(1)
        assert running.client.read == []
