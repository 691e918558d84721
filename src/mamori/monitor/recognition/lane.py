"""The event loop's side of one channel: takes speech without waiting, delivers hypotheses."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from mamori.monitor.events import (
    Channel,
    JsonEvent,
    SpeechEvent,
    SpeechStarted,
    StageFailed,
    samples_to_ms,
)
from mamori.monitor.recognition.backlog import Backlog
from mamori.monitor.recognition.decoding import SWITCHED_OFF, LaneDecoder, Outcome
from mamori.monitor.recognition.losses import LossAccount, LostSpan
from mamori.monitor.recognition.workers import WorkerPool

HUNG: Final = "decode_hung"
WORKER_FAILED: Final = "worker_failed"

Deliver = Callable[[Sequence[JsonEvent]], None]

_log = structlog.get_logger(__name__)


@dataclass(slots=True, kw_only=True, eq=False)
class _Job:
    """One decode on a worker thread: a batch, or the decoder's end (``batch`` None)."""

    batch: list[SpeechEvent] | None
    started_s: float | None = None
    future: asyncio.Future[Outcome] | None = None
    watch: asyncio.TimerHandle | None = None


class Lane:
    """One channel of one call, opened by RecognitionService; all methods on the event loop.

    Every sample submitted ends in exactly one account: decoded, or shed and told by a MediaDropped
    (``overload``, ``recognition_off``, ``decode_hung``, ``unfinished`` or an engine's own code).
    """

    def __init__(
        self,
        *,
        call_id: str,
        channel: Channel,
        sample_rate_hz: int,
        decoder: LaneDecoder,
        backlog: Backlog,
        pool: WorkerPool,
        deliver: Deliver,
        hung_after_s: float,
        on_closed: Callable[[Lane], object],
    ) -> None:
        self._call_id = call_id
        self._channel = channel
        self._sample_rate_hz = sample_rate_hz
        self._decoder = decoder
        self._backlog = backlog
        self._pool = pool
        self._deliver = deliver
        self._hung_after_s = hung_after_s
        self._on_closed = on_closed
        self._loop = asyncio.get_running_loop()
        self._job: _Job | None = None
        self._outbox: list[JsonEvent] = []
        self._idle = asyncio.Event()
        self._idle.set()
        # While decoding goes on: the audio decoded of an utterance that has no final yet. After:
        # whatever comes.
        self._off_losses = LossAccount()
        self._is_off = False
        self._is_closing = False
        self.is_closed = False
        """Whether ``close`` has come to its end."""
        self._position_ms = 0
        self.shed_samples = 0
        """Samples submitted that no final will ever speak for."""

    @property
    def lag_ms(self) -> int:
        """Audio received and not yet decoded, in media time."""
        return samples_to_ms(self._backlog.undecoded_samples, self._sample_rate_hz)

    def submit(self, event: SpeechEvent) -> None:
        """Take the next event of the channel, in order; returns at once.

        Results arrive by ``deliver``, on the event loop, never within this call. RuntimeError
        after ``close``.
        """
        if self._is_closing:
            raise RuntimeError("the lane is closed")
        self._position_ms = (
            event.offset_ms if isinstance(event, SpeechStarted) else event.end_offset_ms
        )
        if self._is_off:
            self._lose(self._off_losses.add(event, SWITCHED_OFF))
            return
        self._lose(self._backlog.offer(event))
        self._start_next()

    async def drain(self) -> None:
        """Wait until all that was submitted is decoded, or given up, and delivered."""
        await self._idle.wait()

    async def close(self) -> None:
        """Drain and give back the decoder; the lane takes nothing more. May be called twice."""
        if self._is_closing:
            await self.drain()
            return
        self._is_closing = True
        await self.drain()
        self._lose(self._backlog.settle())
        if self._is_off:
            self._lose(self._off_losses.settle(SWITCHED_OFF))
        else:
            self._start(_Job(batch=None))
        await self.drain()
        self.is_closed = True
        self._on_closed(self)

    def abandon(self, code: str = HUNG) -> None:
        """Stop decoding at once; does not wait for the worker.

        Whatever is undecoded is lost, and what was decoded of an utterance that gets no final now.
        """
        if self._is_off:
            return
        self._is_off = True
        job, self._job = self._job, None
        undecoded = [*(job.batch or () if job else ()), *self._backlog.take()]
        self._backlog.decoded()
        if job is not None:
            self._forget(job)
        self._outbox.append(
            StageFailed(
                call_id=self._call_id,
                offset_ms=self._position_ms,
                stage="recognition",
                code=code,
                recoverable=False,
                detail="recognition stops on this channel",
                channel=self._channel,
            )
        )
        self._lose(self._off_losses.add_all(undecoded, code))
        self._lose(self._off_losses.settle(code))
        self._lose(self._backlog.settle())
        self._schedule_outbox()

    # Jobs

    def _start_next(self) -> None:
        if self._job is None and len(self._backlog):
            self._start(_Job(batch=self._backlog.take()))

    def _start(self, job: _Job) -> None:
        self._job = job
        self._idle.clear()
        job.future = self._loop.run_in_executor(self._pool, self._work, job)
        job.future.add_done_callback(lambda future: self._on_done(job, future))
        job.watch = self._loop.call_later(self._hung_after_s, self._on_watch, job)

    def _work(self, job: _Job) -> Outcome:
        """On a worker thread."""
        job.started_s = time.monotonic()
        if job.batch is None:
            return self._decoder.close()
        return self._decoder.run(job.batch)

    def _on_done(self, job: _Job, future: asyncio.Future[Outcome]) -> None:
        if job is not self._job:
            return  # abandoned
        if job.watch is not None:
            job.watch.cancel()
        error = None if future.cancelled() else future.exception()
        if error is not None or future.cancelled():
            _log.error(
                "recognition_worker_failed",
                call_id=self._call_id,
                channel=self._channel,
                error_type=type(error).__name__,
            )
            self.abandon(WORKER_FAILED)
            return
        outcome = future.result()
        self._job = None
        self._backlog.decoded()
        self.shed_samples += outcome.shed_samples
        self._off_losses = outcome.unfinished
        self._outbox += outcome.events
        self._start_next()
        self._send_outbox()

    def _on_watch(self, job: _Job) -> None:
        """Whether the job hangs; waiting for a free thread is not hanging."""
        if job is not self._job:
            return
        ran_s = 0.0 if job.started_s is None else time.monotonic() - job.started_s
        if ran_s < self._hung_after_s:
            job.watch = self._loop.call_later(self._hung_after_s - ran_s, self._on_watch, job)
            return
        _log.error(
            "recognition_decode_hung", call_id=self._call_id, channel=self._channel, ran_s=ran_s
        )
        self._pool.replace_thread()
        self.abandon(HUNG)

    def _forget(self, job: _Job) -> None:
        if job.watch is not None:
            job.watch.cancel()
        if job.future is not None:
            job.future.cancel()

    # Delivery

    def _lose(self, spans: Sequence[LostSpan]) -> None:
        if spans:
            self.shed_samples += sum(span.samples for span in spans)
            self._outbox += [span.to_event() for span in spans]
            self._schedule_outbox()

    def _schedule_outbox(self) -> None:
        self._idle.clear()
        self._loop.call_soon(self._send_outbox)

    def _send_outbox(self) -> None:
        events, self._outbox = self._outbox, []
        try:
            if events:
                self._deliver(events)
        finally:
            if self._job is None and not len(self._backlog) and not self._outbox:
                self._idle.set()
