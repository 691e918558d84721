"""Recognition of all calls of a process: engines, worker threads, and a lane for each channel."""

from __future__ import annotations

import asyncio

from mamori.monitor.events import Channel
from mamori.monitor.recognition.backlog import Backlog
from mamori.monitor.recognition.channel import ChannelRecogniser
from mamori.monitor.recognition.decoding import LaneDecoder
from mamori.monitor.recognition.lane import Deliver, Lane
from mamori.monitor.recognition.port import StreamEngine, UtteranceEngine
from mamori.monitor.recognition.workers import WorkerPool


class RecognitionService:
    """Opens lanes on shared engines; nothing is decoded on the event loop.

    The service owns its engines: ``stop`` closes them. ``worker_threads`` at least 1, no more than
    the cores help. ``max_backlog_ms`` from 1000 to 60000 of undecoded audio a lane.
    ``hung_after_s`` is how long one decode may take before its lane is given up.
    """

    def __init__(
        self,
        stream: StreamEngine | None,
        utterance: UtteranceEngine | None,
        *,
        worker_threads: int,
        # Words that come more than 10 s late no longer help the person on the phone.
        max_backlog_ms: int = 10_000,
        partial_interval_ms: int = 200,
        # Ten seconds of backlog decode in 3 s at the slowest rate measured (0.3 of real time).
        hung_after_s: float = 30.0,
    ) -> None:
        if not 1_000 <= max_backlog_ms <= 60_000:
            raise ValueError(f"max_backlog_ms must be from 1000 to 60000, not {max_backlog_ms}")
        self._stream = stream
        self._utterance = utterance
        self._max_backlog_ms = max_backlog_ms
        self._partial_interval_ms = partial_interval_ms
        self._hung_after_s = hung_after_s
        self._pool = WorkerPool(worker_threads)
        self._lanes: set[Lane] = set()
        self._is_stopped = False

    @property
    def engines(self) -> tuple[str, ...]:
        """Names of the engines at work, the one for partials first."""
        both = (self._stream, self._utterance)
        return tuple(engine.capabilities.name for engine in both if engine is not None)

    def knows(self, language: str) -> bool:
        """Whether a lane can be opened for this language (ISO 639-1)."""
        both = (self._stream, self._utterance)
        return any(language in engine.capabilities.languages for engine in both if engine)

    def open_lane(
        self,
        *,
        call_id: str,
        channel: Channel,
        language: str,
        sample_rate_hz: int,
        deliver: Deliver,
    ) -> Lane:
        """A lane for one channel; on the event loop, without loading or decoding anything.

        ``deliver`` gets events in order, on the event loop. RecognitionError
        ``language_unavailable``; RuntimeError after ``stop``.
        """
        if self._is_stopped:
            raise RuntimeError("recognition has stopped")
        recogniser = ChannelRecogniser(
            call_id=call_id,
            channel=channel,
            language=language,
            sample_rate_hz=sample_rate_hz,
            stream=self._stream,
            utterance=self._utterance,
            partial_interval_ms=self._partial_interval_ms,
        )
        lane = Lane(
            call_id=call_id,
            channel=channel,
            sample_rate_hz=sample_rate_hz,
            decoder=LaneDecoder(recogniser),
            backlog=Backlog(max_samples=self._max_backlog_ms * sample_rate_hz // 1000),
            pool=self._pool,
            deliver=deliver,
            hung_after_s=self._hung_after_s,
            on_closed=self._lanes.discard,
        )
        self._lanes.add(lane)
        return lane

    async def stop(self) -> None:
        """Drain and close every lane, then close the engines.

        What is undecoded after ``hung_after_s`` is lost and counted; the engines get as long again.
        """
        if self._is_stopped:
            return
        self._is_stopped = True
        lanes = list(self._lanes)
        closing = [asyncio.ensure_future(lane.close()) for lane in lanes]
        if closing:
            await asyncio.wait(closing, timeout=self._hung_after_s)
            for lane in lanes:
                if not lane.is_closed:
                    lane.abandon()
            await asyncio.gather(*closing)
        loop = asyncio.get_running_loop()
        engines = [engine for engine in (self._stream, self._utterance) if engine is not None]
        closes = [loop.run_in_executor(self._pool, engine.close) for engine in engines]
        if closes:
            await asyncio.wait(closes, timeout=self._hung_after_s)
        self._pool.shutdown()
