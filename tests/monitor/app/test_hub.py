"""New calls are taken where there is room beside those that go on; others are told when to ask."""

import asyncio
from typing import Any

import pytest

from mamori.monitor.app.engines import Recognition
from mamori.monitor.app.hub import CallHub
from mamori.monitor.events import CallStarted, Channel
from mamori.monitor.recognition.selection import EngineChoice
from mamori.telephony.port import CallRefused


class Governor:
    """Lets so many calls in."""

    retry_after_s = 15

    def __init__(self, most):
        self.most = most

    def admits(self, calls):
        return calls < self.most


class Hub(CallHub):
    """A hub whose journal answers when the test lets it."""

    def __init__(self, governor: Any):
        nothing: Any = object()
        super().__init__(
            pipeline=nothing,
            recognition=Recognition(None, EngineChoice(), governor),
            journal=nothing,
            alerts=nothing,
            live=nothing,
            metrics=nothing,
        )
        self.journal_answers = asyncio.Event()
        self.journal_answers.set()

    async def _note_opened(self, started):
        await self.journal_answers.wait()

    def _start(self, started, session_id):
        call: Any = object()
        feed: Any = None
        self._calls[call] = feed
        return call


def started(name):
    return CallStarted(
        call_id=name,
        tenant="default",
        dialect="native",
        channels=(Channel.CUSTOMER,),
        encoding="mulaw",
        sample_rate_hz=8000,
        language="ja",
    )


async def test_the_call_that_just_fits_is_taken_and_the_next_one_refused():
    hub = Hub(Governor(2))
    await hub.open_call(started("first"))
    await hub.open_call(started("second"))
    with pytest.raises(CallRefused) as caught:
        await hub.open_call(started("third"))
    assert (caught.value.code, caught.value.retry_after_s) == ("overloaded", 15)
    assert hub.active == 2


async def test_a_call_that_is_being_opened_takes_room_already():
    hub = Hub(Governor(1))
    hub.journal_answers.clear()
    opening = asyncio.create_task(hub.open_call(started("first")))
    await asyncio.sleep(0)
    with pytest.raises(CallRefused):
        await hub.open_call(started("second"))
    hub.journal_answers.set()
    await opening


async def test_one_that_could_not_be_opened_takes_none():
    hub = Hub(Governor(1))
    hub.journal_answers.clear()
    opening = asyncio.create_task(hub.open_call(started("first")))
    await asyncio.sleep(0)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    hub.journal_answers.set()
    await hub.open_call(started("second"))
    assert hub.active == 1


async def test_without_recognition_every_call_is_taken():
    hub = Hub(None)
    for number in range(50):
        await hub.open_call(started(f"call-{number}"))
    assert hub.active == 50
