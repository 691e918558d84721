"""Recognition of all calls of a process: who of them gets which worker when, and what gives way."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable, Sequence
from typing import Final

from mamori.monitor.events import Channel, RecognitionScope, RecognitionScopeChanged
from mamori.monitor.recognition.call import CallRecognition
from mamori.monitor.recognition.channel import ChannelState, EngineState
from mamori.monitor.recognition.config import RecognitionConfig
from mamori.monitor.recognition.dependencies import (
    RecognitionObserver,
    Workers,
    WorkersListener,
    no_candidates,
    nobody,
)
from mamori.monitor.recognition.lane import Deliver, Lane
from mamori.monitor.recognition.leases import Lease, Leases
from mamori.monitor.recognition.load import Cost, Governor, Level, scope_of
from mamori.monitor.recognition.port import (
    Depth,
    Done,
    EngineKind,
    Job,
    RecognitionError,
    StreamJob,
    WorkerLostError,
)
from mamori.monitor.recognition.tasks import Allowance, Task, Work, assign

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
        self._leases = Leases(slots_per_worker=self.config.slots_per_worker)
        self._calls: set[CallRecognition] = set()
        self._lanes: dict[Lane, CallRecognition] = {}
        self._hungry: set[Lane] = set()
        self._busy: dict[int, asyncio.Task[None]] = {}
        self._voices = itertools.count(1)
        self._will_assign = False
        self._longest_wait_s = 0.0
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
        lanes = list(self._lanes)
        closing = [asyncio.ensure_future(lane.close()) for lane in lanes]
        if closing:
            await asyncio.wait(closing, timeout=drain_s)
            for lane in lanes:
                if not lane.is_closed:
                    lane.abandon("shutdown")
            await asyncio.gather(*closing)
        if self._ticking is not None:
            self._ticking.cancel()
            await asyncio.wait({self._ticking})
        await self._workers.stop()
        if self._busy:
            await asyncio.wait(tuple(self._busy.values()))

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
        call = CallRecognition(lanes, tell=self._teller(call_id, deliver), on_change=self._rescope)
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

    # What lanes ask

    def wake(self, lane: Lane) -> None:
        """The lane may have work; who gets a worker is settled once this turn of the loop."""
        self._hungry.add(lane)
        if not self._will_assign and not self._is_free_of_workers:
            self._will_assign = True
            asyncio.get_running_loop().call_soon(self._assign)

    def give_back(self, lease: Lease, voice: str) -> None:
        """A recogniser is free again."""
        self._leases.give_back(lease, voice=voice)

    def closed(self, lane: Lane) -> None:
        """A lane came to its end, and with the last one its call."""
        call = self._lanes.pop(lane, None)
        self._hungry.discard(lane)
        if call is not None and call not in self._lanes.values():
            self._calls.discard(call)

    @property
    def _is_free_of_workers(self) -> bool:
        return all(worker_id in self._busy for worker_id in self._workers.ready)

    # Who does what

    def _assign(self) -> None:
        self._will_assign = False
        idle = [worker_id for worker_id in self._workers.ready if worker_id not in self._busy]
        if not idle:
            return
        offers: list[tuple[Task, Lane]] = []
        for lane in tuple(self._hungry):
            tasks = lane.tasks()
            offers += [(task, lane) for task in tasks]
            if not tasks:
                self._hungry.discard(lane)
        given = assign(
            offers,
            idle,
            has_room=self._leases.has_room,
            knows_voice=self._leases.workers_of,
            early=self._may_read_early(),
        )
        for task, lane, worker_id in given:
            self._begin(task, lane, worker_id, waiting=len(offers) - len(given))

    def _begin(self, task: Task, lane: Lane, worker_id: int, *, waiting: int) -> None:
        lease = None
        if task.needs_slot:
            lease = self._leases.take(worker_id, voice=task.voice, kind=lane.kind)
        depth = Depth.THOROUGH if self.level is Level.THOROUGH and not waiting else Depth.QUICK
        if self._governor is None:
            depth = Depth.THOROUGH
        wait_s = max(0.0, self.now_s() - task.wanted_s)
        if task.work is Work.FINAL:
            self._longest_wait_s = max(self._longest_wait_s, wait_s)
        job = lane.begin(task, lease, depth)
        running = asyncio.get_running_loop().create_task(
            self._run(task, lane, worker_id, job, wait_s), name=f"decode:{worker_id}"
        )
        self._busy[worker_id] = running

    async def _run(self, task: Task, lane: Lane, worker_id: int, job: Job, wait_s: float) -> None:
        try:
            done = await self._workers.decode(worker_id, job)
        except (RecognitionError, WorkerLostError) as error:
            outcome: Done | RecognitionError | WorkerLostError = error
        except Exception as error:  # boundary of the stage: the lane must hear of it
            outcome = RecognitionError("engine_failed", type(error).__name__, recoverable=True)
        else:
            outcome = done
        finally:
            self._busy.pop(worker_id, None)
        if isinstance(outcome, Done):
            self._account(task, job, outcome.cpu_s)
            self._observer.job_done(task.work, outcome.cpu_s, wait_s)
            lane.finish(task, outcome.reply, outcome.cpu_s)
        else:
            lane.fail(task, outcome)
        if self._hungry and not self._will_assign:
            self._assign()

    def _account(self, task: Task, job: Job, cpu_s: float) -> None:
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

    def worker_ready(self, worker_id: int) -> None:
        """A worker takes jobs from now on."""
        self._leases.add_worker(worker_id)
        self._hungry.update(self._lanes)
        self._assign()

    def worker_lost(self, worker_id: int, code: str) -> None:
        """A worker is gone; whoever waits for its answer hears of it there."""
        self._leases.remove_worker(worker_id)
        self._observer.worker_lost(code)
        for lane in tuple(self._lanes):
            lane.worker_lost(worker_id)

    # What gives way

    def _may_read_early(self) -> bool:
        if self._governor is None:
            return False
        return self._governor.use_ratio(len(self._calls)) < _EARLY_USE_RATIO

    async def _tick_on(self) -> None:
        before_s, cpu_s = self.now_s(), self._node_cpu_s()
        while True:
            await asyncio.sleep(_TICK_S)
            now_s, now_cpu_s = self.now_s(), self._node_cpu_s()
            self._tick(now_s, now_s - before_s, now_cpu_s - cpu_s)
            before_s, cpu_s = now_s, now_cpu_s

    def _tick(self, now_s: float, passed_s: float, node_cpu_s: float) -> None:
        for lane in tuple(self._lanes):
            lane.expire()
        if self._governor is None:
            return
        for call in self._calls:
            for channel, audio_s in call.take_heard_s():
                self._governor.costs.heard(channel, audio_s)
        self._governor.costs.passed(passed_s, len(self._calls), node_cpu_s)
        waiting_s = max((lane.oldest_wait_s for lane in self._lanes), default=0.0)
        wait_s, self._longest_wait_s = max(self._longest_wait_s, waiting_s), 0.0
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

    def _teller(self, call_id: str, deliver: Deliver) -> Callable[[RecognitionScope, int], None]:
        loop = asyncio.get_running_loop()

        def tell(scope: RecognitionScope, offset_ms: int) -> None:
            event = RecognitionScopeChanged(call_id=call_id, offset_ms=offset_ms, scope=scope)
            loop.call_soon(deliver, [event])

        return tell


def _is_wasted(task: Task) -> bool:
    """An early reading after which the talk went on: its cost counts, its audio comes again."""
    utterance, early = task.utterance, task.utterance.early
    if task.work is not Work.EARLY:
        return False
    return early is None or early.voiced_samples != utterance.voiced_samples
