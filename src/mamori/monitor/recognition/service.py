"""Recognition of all calls of a process: opens their lanes, and narrows the service under load."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable, Sequence
from typing import Final

import structlog

from mamori.monitor.events import Channel
from mamori.monitor.recognition.call import CallRecognition
from mamori.monitor.recognition.channel import ChannelState
from mamori.monitor.recognition.codes import SHUTDOWN
from mamori.monitor.recognition.config import RecognitionConfig
from mamori.monitor.recognition.dependencies import (
    RecognitionObserver,
    Workers,
    WorkersListener,
    no_candidates,
    nobody,
)
from mamori.monitor.recognition.dispatcher import Dispatcher
from mamori.monitor.recognition.lane import Deliver, Lane
from mamori.monitor.recognition.leases import Lease
from mamori.monitor.recognition.load import Cost, Governor, Level, scope_of
from mamori.monitor.recognition.port import (
    Depth,
    Done,
    EngineKind,
    Job,
    RecognitionError,
    StreamJob,
)
from mamori.monitor.recognition.strikes import EngineState
from mamori.monitor.recognition.tasks import Allowance, Task, Work

log = structlog.get_logger(__name__)

_TICK_S: Final = 0.5
# An early reading is thrown away when the talk goes on: only where this much of the budget is free.
_EARLY_USE_RATIO: Final = 0.6


class RecognitionService:
    """Opens lanes on shared workers; nothing is decoded on the event loop.

    ``make_workers`` gets the service itself, which listens to workers that come and go.

    ``governor`` None: everything is read as well as it can be, whatever it takes (recordings).
    ``node_cpu_s`` is the processor time of this process so far, ``cores`` what the machine has for
    it now.
    """

    def __init__(
        self,
        make_workers: Callable[[WorkersListener], Workers],
        *,
        config: RecognitionConfig | None = None,
        governor: Governor | None = None,
        candidates: Callable[[str, str], Sequence[str]] = no_candidates,
        observer: RecognitionObserver | None = None,
        node_cpu_s: Callable[[], float] = time.process_time,
        cores: Callable[[], float] | None = None,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.config = config or RecognitionConfig()
        self.now_s = now_s
        self.candidates = candidates
        self._workers = make_workers(self)
        self._governor = governor
        self._observer = observer or nobody()
        self._node_cpu_s = node_cpu_s
        self._cores = cores
        self._dispatcher = Dispatcher(
            self._workers,
            slots_per_worker=self.config.slots_per_worker,
            final_due_s=self.config.final_due_s,
            now_s=now_s,
            depth=self._depth,
            may_read_early=self._may_read_early,
            on_done=self._account,
        )
        self._calls: set[CallRecognition] = set()
        self._lanes: dict[Lane, CallRecognition] = {}
        self._voices = itertools.count(1)
        self._ticking: asyncio.Task[None] | None = None
        self._is_stopped = False

    # State

    @property
    def engines(self) -> tuple[str, ...]:
        """Names of the engines at work, the one for partials first."""
        return tuple(
            engine.name for engine in sorted(self._workers.capabilities, key=lambda each: each.kind)
        )

    @property
    def level(self) -> Level:
        """How much of everything is put into words now."""
        return self._governor.level if self._governor else Level.THOROUGH

    @property
    def workers_ready(self) -> int:
        """Workers that take jobs."""
        return len(self._workers.ready)

    @property
    def cpu_s(self) -> float:
        """Processor time of all workers so far."""
        return self._workers.cpu_s

    @property
    def lag_ms(self) -> int:
        """The longest that any speech has waited for its words, on the wall."""
        return max((lane.lag_ms for lane in self._lanes), default=0)

    def knows(self, language: str) -> bool:
        """Whether words of this language (ISO 639-1) can be recognised."""
        return any(language in engine.languages for engine in self._workers.capabilities)

    # Life

    async def start(self) -> None:
        """Start the workers; returns when they take jobs. RecognitionError where they cannot."""
        await self._workers.start()
        self._ticking = asyncio.create_task(self._tick_on(), name="recognition-tick")

    async def stop(self, drain_s: float = 10.0) -> None:
        """Drain and close every lane, then stop the workers; what is undecoded then is lost."""
        if self._is_stopped:
            return
        self._is_stopped = True
        try:
            await self._close_lanes(drain_s)
        finally:
            if self._ticking is not None:
                self._ticking.cancel()
                await asyncio.wait({self._ticking})
            await self._workers.stop()
            await self._dispatcher.settle()

    async def _close_lanes(self, drain_s: float) -> None:
        lanes = list(self._lanes)
        closing = [asyncio.ensure_future(lane.close()) for lane in lanes]
        if not closing:
            return
        await asyncio.wait(closing, timeout=drain_s)
        for lane in lanes:
            if not lane.is_closed:
                lane.abandon(SHUTDOWN)
        await asyncio.gather(*closing)

    def open_call(
        self,
        *,
        call_id: str,
        channels: Sequence[Channel],
        language: str,
        sample_rate_hz: int,
        deliver: Deliver,
    ) -> CallRecognition:
        """Recognition of a call, a lane for each channel; nothing is loaded or decoded here.

        ``deliver`` gets events in order, on the event loop. RecognitionError
        ``language_unavailable``; RuntimeError after ``stop``.
        """
        if self._is_stopped:
            raise RuntimeError("recognition has stopped")
        if not self.knows(language):
            raise RecognitionError(
                "language_unavailable", f"no speech recogniser at hand knows {language!r}"
            )
        lanes: dict[Channel, Lane] = {}
        for channel in channels:
            state = self._state(channel, language, sample_rate_hz)
            lanes[channel] = Lane(state, call_id=call_id, host=self, deliver=deliver)
        call = CallRecognition(call_id, lanes, on_change=self._rescope)
        self._calls.add(call)
        self._lanes.update(dict.fromkeys(lanes.values(), call))
        self._rescope(call)
        return call

    def _state(self, channel: Channel, language: str, sample_rate_hz: int) -> ChannelState:
        config = self.config
        return ChannelState(
            channel=channel,
            language=language,
            sample_rate_hz=sample_rate_hz,
            voice=str(next(self._voices)),
            config=config,
            stream=EngineState(self._engine(EngineKind.STREAM, language)),
            reader=EngineState(self._engine(EngineKind.UTTERANCE, language)),
            allowance=Allowance(
                ratio=config.lane_cpu_ratio, burst_s=config.lane_cpu_burst_s, now_s=self.now_s()
            ),
        )

    def _engine(self, kind: EngineKind, language: str) -> str | None:
        for engine in self._workers.capabilities:
            if engine.kind is kind and language in engine.languages:
                return engine.name
        return None

    # What lanes and workers tell

    def wake(self, lane: Lane) -> None:
        """The lane may have work."""
        self._dispatcher.wake(lane)

    def give_back(self, lease: Lease, voice: str) -> None:
        """A recogniser is free again."""
        self._dispatcher.give_back(lease, voice)

    def closed(self, lane: Lane) -> None:
        """A lane came to its end, and with the last one its call."""
        self._observer.rereads_dropped(lane.take_dropped_rereads())
        call = self._lanes.pop(lane, None)
        self._dispatcher.forget(lane)
        if call is not None and call not in self._lanes.values():
            self._calls.discard(call)

    def worker_ready(self, worker_id: int) -> None:
        """A worker takes jobs from now on."""
        self._dispatcher.worker_ready(worker_id, self._lanes)

    def worker_lost(self, worker_id: int, code: str) -> None:
        """A worker is gone; whoever waits for its answer hears of it there."""
        self._observer.worker_lost(code)
        self._dispatcher.worker_lost(worker_id)
        for lane in tuple(self._lanes):
            lane.worker_lost(worker_id)

    # What gives way

    def _depth(self, waiting: int) -> Depth:
        """How an utterance is read while so many other jobs wait."""
        if self._governor is None or (self.level is Level.THOROUGH and not waiting):
            return Depth.THOROUGH
        return Depth.QUICK

    def _account(self, task: Task, job: Job, done: Done, wait_s: float) -> None:
        cpu_s = done.cpu_s
        self._observer.job_done(task.work, cpu_s, wait_s)
        if self._governor is None:
            return
        audio_s = len(job.pcm) / job.sample_rate_hz
        costs = self._governor.costs
        if isinstance(job, StreamJob):
            costs.worked(Cost.LIVE, cpu_s, audio_s)
        elif task.work is Work.REREAD:
            # Per second of all the customers' speech, read twice or not.
            costs.worked(Cost.REREAD, cpu_s, 0.0)
        else:
            cost = Cost.THOROUGH if job.depth is Depth.THOROUGH else Cost.QUICK
            costs.worked(cost, cpu_s, 0.0 if _is_wasted(task) else audio_s)

    def _may_read_early(self) -> bool:
        if self._governor is None:
            return False
        return self._governor.use_ratio(len(self._calls)) < _EARLY_USE_RATIO

    async def _tick_on(self) -> None:
        before_s, cpu_s = self.now_s(), self._node_cpu_s()
        while True:
            await asyncio.sleep(_TICK_S)
            now_s, now_cpu_s = self.now_s(), self._node_cpu_s()
            try:
                self._tick(now_s, now_s - before_s, now_cpu_s - cpu_s)
            except Exception as error:  # boundary: without ticks nothing would ever give way again
                log.error("recognition_tick_failed", error_type=type(error).__name__)
            before_s, cpu_s = now_s, now_cpu_s

    def _tick(self, now_s: float, passed_s: float, node_cpu_s: float) -> None:
        for lane in tuple(self._lanes):
            lane.expire()
            self._observer.rereads_dropped(lane.take_dropped_rereads())
        if self._governor is None:
            return
        for call in self._calls:
            for channel, audio_s in call.take_heard_s():
                self._governor.costs.heard(channel, audio_s)
        self._governor.costs.passed(passed_s, len(self._calls), node_cpu_s)
        waiting_s = max((lane.late_s for lane in self._lanes), default=0.0)
        wait_s = max(self._dispatcher.take_latest_s(), waiting_s)
        before = self._governor.level
        self._governor.tick(
            now_s,
            calls=len(self._calls),
            looked_at=sum(call.is_looked_at for call in self._calls),
            wait_s=wait_s,
            cores=self._cores() if self._cores else None,
        )
        if self._governor.level is not before:
            for call in tuple(self._calls):
                self._rescope(call)

    def _rescope(self, call: CallRecognition) -> None:
        call.narrow_to(scope_of(self.level, is_looked_at=call.is_looked_at))


def _is_wasted(task: Task) -> bool:
    """An early reading after which the talk went on: its cost counts, its audio comes again."""
    utterance, early = task.utterance, task.utterance.early
    if task.work is not Work.EARLY:
        return False
    return early is None or early.voiced_samples != utterance.voiced_samples
