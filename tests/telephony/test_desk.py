"""Audio of clients that are slowed down, under timers that fire early."""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from mamori.monitor.events import Channel, EndReason
from mamori.telephony.codecs import MediaFormat
from mamori.telephony.desk import CallDesk, DeskCall
from mamori.telephony.inflow import InflowConfig
from mamori.telephony.limits import TelephonyConfig
from mamori.telephony.port import NullObserver
from mamori.telephony.protocols.port import CallRequest

MS = 1_000_000
MEDIA = MediaFormat(encoding="mulaw", sample_rate_hz=8000, channels=(Channel.MIXED,))
REQUEST = CallRequest(call_id="c1", dialect="vosk", media=MEDIA)


class EarlyTime:
    """A clock that moves when somebody sleeps, and wakes sleepers ``early_ns`` too early."""

    def __init__(self, early_ns: int) -> None:
        self.now_ns = 0
        self.early_ns = early_ns
        self.slept = 0

    def monotonic_ns(self) -> int:
        return self.now_ns

    async def sleep(self, seconds: float) -> None:
        assert seconds > 0
        # Even the earliest timer takes a turn of the event loop.
        self.now_ns += max(100_000, round(seconds * 1e9) - self.early_ns)
        self.slept += 1
        await asyncio.sleep(0)


async def opened(
    sink: Any,
    monotonic_ns: Callable[[], int],
    sleep: Callable[[float], Awaitable[None]],
    inflow: InflowConfig | None = None,
) -> tuple[CallDesk, DeskCall]:
    desk = CallDesk(
        config=TelephonyConfig(inflow=inflow or InflowConfig()),
        sink=sink,
        observer=NullObserver(),
        monotonic_ns=monotonic_ns,
        utc_now=lambda: datetime.now(UTC),
        sleep=sleep,
    )
    call, _ = await desk.open("acme", REQUEST)
    return desk, call


@pytest.mark.parametrize("early_ns", [0, 1, 125_000, 125_001, 1_300_000])
@pytest.mark.parametrize("message_ms", [20, 500, 2_500])
async def test_a_timer_that_fires_early_costs_no_audio(
    sink: Any, early_ns: int, message_ms: int
) -> None:
    time = EarlyTime(early_ns)
    desk, call = await opened(sink, time.monotonic_ns, time.sleep)
    for _ in range(10_000 // message_ms):
        await desk.paced_audio(call, bytes(message_ms * 8))
    assert call.intake.dropped_samples == 0
    assert call.intake.position_ms == 10_000
    # Two of the ten seconds may run ahead; the rest takes its time, and hardly a sample more.
    assert 8_000 * MS <= time.now_ns <= 8_001 * MS


@pytest.mark.parametrize("max_ahead_ms", [100, 499, 500, 501])
async def test_however_little_may_run_ahead_a_long_message_comes_in_whole(
    sink: Any, max_ahead_ms: int
) -> None:
    time = EarlyTime(0)
    inflow = InflowConfig(max_ahead_ms=max_ahead_ms, resume_ms=20)
    desk, call = await opened(sink, time.monotonic_ns, time.sleep, inflow)
    await desk.paced_audio(call, bytes(16_000))
    assert (call.intake.dropped_samples, call.intake.position_ms) == (0, 2_000)


async def test_a_call_that_was_dropping_is_waited_for_until_audio_comes_in_whole(sink: Any) -> None:
    time = EarlyTime(1_300_000)
    desk, call = await opened(sink, time.monotonic_ns, time.sleep)
    assert not desk.audio(call, bytes(16_001))
    for _ in range(50):
        await desk.paced_audio(call, bytes(160))
    assert call.intake.dropped_samples == 1


async def test_a_call_that_is_being_ended_holds_nobody_up(sink: Any) -> None:
    time = EarlyTime(0)
    desk, call = await opened(sink, time.monotonic_ns, time.sleep)
    sink.call("c1").may_end.clear()
    feeding = asyncio.create_task(desk.paced_audio(call, bytes(1_000_000)))
    ending = asyncio.create_task(desk.end(call, EndReason.SHUTDOWN))
    await feeding
    assert time.slept <= 4
    sink.call("c1").may_end.set()
    assert await ending is not None


@pytest.mark.skipif(importlib.util.find_spec("uvloop") is None, reason="needs uvloop")
def test_on_uvloop_20_ms_at_a_time_as_fast_as_possible_nothing_is_lost(sink: Any) -> None:
    import time

    import uvloop

    async def play() -> tuple[int, int]:
        desk, call = await opened(sink, time.monotonic_ns, asyncio.sleep)
        for _ in range(150):
            await desk.paced_audio(call, bytes(160))
        result = call.intake.dropped_samples, call.intake.position_ms
        await desk.end(call, EndReason.COMPLETED)
        return result

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(play()) == (0, 3_000)
