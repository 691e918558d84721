"""The pool: worker processes with a warm spare, watched, and replaced when they die or hang."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from mamori.monitor.recognition.dependencies import WorkersListener
from mamori.monitor.recognition.port import (
    Done,
    EngineCapabilities,
    Job,
    RecognitionError,
    WorkerLostError,
)
from mamori.monitor.recognition.workers.accounts import (
    CpuAccount,
    ProcessMemory,
    measure_memory,
)
from mamori.monitor.recognition.workers.backoff import Backoff
from mamori.monitor.recognition.workers.messages import capabilities_of, error_of
from mamori.monitor.recognition.workers.process import cpu_s, pace_ratio
from mamori.monitor.recognition.workers.slow_watch import SlowWatch
from mamori.monitor.recognition.workers.spec import DEFAULT_FACTORY, EngineSpec
from mamori.monitor.recognition.workers.template_keeper import TemplateKeeper
from mamori.monitor.recognition.workers.template_link import TemplateLink
from mamori.monitor.recognition.workers.watch import LoopWatch
from mamori.monitor.recognition.workers.wire import Frame
from mamori.monitor.recognition.workers.worker_link import Stage, WorkerLink

_FAILED_STARTS: Final = 3
"""So many workers lost before the pool is up make ``start`` give up."""
_TICKS: Final = 20  # looks at the clock in each ``hung_after_s``

log = structlog.get_logger(__name__)


class WorkerPool:
    """``workers`` processes that decode, and one more that is warm and waits. On one event loop.

    A worker that ends (lost as ``crashed``), or answers no job within ``hung_after_s`` of its own
    time (``hung``; where there are others, also once it has stood still at one for 2 s) is killed;
    the spare takes its place at once under its own id, and another spare is made. So is a worker
    that gets too little of the processor while the machine has enough (``slow``), but only where
    there are others and the spare is warm.
    When the template ends, its workers are killed by the kernel at the same moment: none may
    outlive who would end it. A new template is started, and new workers from it.

    ``load_within_s`` is for the template's models, ``ready_within_s`` for a worker to load and warm
    up. Workers run at ``niceness`` above the node's. ``pace_ratio`` measures how slow the machine
    is.
    """

    def __init__(
        self,
        spec: EngineSpec,
        *,
        workers: int,
        hung_after_s: float = 3.0,
        listener: WorkersListener | None = None,
        factory: str = DEFAULT_FACTORY,
        load_within_s: float = 120.0,
        ready_within_s: float = 30.0,
        # Lateness of the event loop beside two busy workers, median of three runs at 0, 1, 2 and 5:
        # 2.0, 1.1, 1.0 and 1.1 ms; 95th percentile 9.5, 5.9, 5.6 and 5.6 ms.
        niceness: int = 2,
        pace_ratio: Callable[[], float] = pace_ratio,
    ) -> None:
        if workers < 1:
            raise ValueError(f"workers must be at least 1, not {workers}")
        if hung_after_s <= 0:
            raise ValueError(f"hung_after_s must be more than 0, not {hung_after_s}")
        self._size = workers
        self._hung_after_s = hung_after_s
        self._listener = listener
        self._ready_within_s = ready_within_s
        self._capabilities: tuple[EngineCapabilities, ...] = ()
        self._template = TemplateKeeper(
            spec,
            factory=factory,
            niceness=niceness,
            load_within_s=load_within_s,
            on_forked=self._on_forked,
            on_ended=self._on_ended,
            on_lost=self._on_template_lost,
        )
        self._workers: dict[int, WorkerLink] = {}
        self._next_id = 1
        self._watch = LoopWatch(
            self._on_overdue, self._on_look, self._used_s, tick_s=hung_after_s / _TICKS
        )
        self._slow = SlowWatch(self._on_slow, self._on_overdue, self._may_replace, pace_ratio)
        self._wake = asyncio.Event()
        self._up: asyncio.Future[None] | None = None
        self._lost_before_up = 0
        self._supervisor: asyncio.Task[None] | None = None
        # A start costs about a second of processor time, and words must be back within ten.
        self._worker_backoff = Backoff(longest_s=5.0)
        self._fork_from_s = 0.0
        self._gone = CpuAccount()
        self._is_stopped = False

    @property
    def capabilities(self) -> tuple[EngineCapabilities, ...]:
        """What the engines can do; empty before ``start``."""
        return self._capabilities

    @property
    def ready(self) -> tuple[int, ...]:
        """Ids of the workers that take jobs, busy ones included. No id is ever used again."""
        return self._at(Stage.READY)

    @property
    def spares(self) -> tuple[int, ...]:
        """Ids of the workers that are warm and wait to take a lost one's place."""
        return self._at(Stage.SPARE)

    @property
    def cpu_s(self) -> float:
        """Processor time of all workers and templates so far, at the end of their last messages."""
        working_s = sum(worker.cpu_s for worker in self._workers.values())
        return self._gone.total_s + working_s + self._template.cpu_s

    def processes(self) -> list[tuple[int | None, int]]:
        """Worker ids, None for the template, and process numbers of what runs now."""
        template = [] if self._template.link is None else [(None, self._template.link.pid)]
        return [*template, *((w.worker_id, w.pid) for w in self._workers.values() if w.pid)]

    def memory(self) -> tuple[ProcessMemory, ...]:
        """The memory of each process, the template first; takes milliseconds for each."""
        measured = (measure_memory(worker_id, pid) for worker_id, pid in self.processes())
        return tuple(memory for memory in measured if memory is not None)

    async def start(self) -> None:
        """Return when all workers are ready; the spare is being made then.

        RecognitionError as the engines report it, or ``workers_crash`` where workers end again and
        again before they are ready; nothing is left running then. Once only.
        """
        if self._up is not None:
            raise RuntimeError("a worker pool is started once")
        self._up = asyncio.get_running_loop().create_future()
        self._supervisor = asyncio.create_task(self._supervise(), name="recognition workers")
        self._wake.set()
        try:
            await asyncio.wait({self._up, self._supervisor}, return_when=asyncio.FIRST_COMPLETED)
            await (self._up if self._up.done() else self._supervisor)
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Kill all workers and the template, jobs or not; takes at most seconds.

        Who waits for a job gets WorkerLostError. May be called twice.
        """
        self._is_stopped = True
        self._watch.stop()
        if self._supervisor is not None:
            self._supervisor.cancel()
            # Whatever it failed with, the workers are ended.
            await asyncio.wait({self._supervisor})
        for worker in list(self._workers.values()):
            self._forget(worker, "crashed")
        await self._slow.stop()
        if self._template.link is not None:
            self._gone.lose_template(self._template.cpu_s)
        await self._template.stop()

    async def decode(self, worker_id: int, job: Job) -> Done:
        """Have a worker of ``ready`` do a job.

        RecognitionError of the engine; WorkerLostError ``crashed``, ``hung`` or ``slow``, also for
        a worker that is gone already; ValueError for one that is at work or not ready yet. A caller
        that is cancelled leaves the worker at work.
        """
        worker = self._workers.get(worker_id)
        if worker is None and 0 < worker_id < self._next_id:
            raise WorkerLostError(
                "crashed", f"worker {worker_id} is gone already", recoverable=True
            )
        if worker is None:
            raise ValueError(f"there is no worker {worker_id}, ready are {self.ready}")
        answer = worker.submit(job)
        self._watch.begin(worker.worker_id, within_s=self._hung_after_s)
        return await answer

    # Starting: one task that makes what is missing.

    async def _supervise(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                template = await self._template.ensure()
            except (RecognitionError, OSError) as error:
                self._fail_start(error)
                self._wake.set()
                continue
            while self._template.link is template and self._is_short():
                delay_s = self._fork_from_s - self._now_s()
                if delay_s > 0:
                    await asyncio.sleep(delay_s)
                    continue
                try:
                    await self._start_worker(template)
                except OSError as error:  # no descriptor left: calls have come in their hundreds
                    log.error("recognition_worker_failed", error_type=type(error).__name__)
                    self._fork_from_s = self._now_s() + self._worker_backoff.delay_s(lived_s=0.0)

    def _is_short(self) -> bool:
        is_up = self._up is not None and self._up.done()
        return len(self._workers) < self._size + is_up

    async def _start_worker(self, template: TemplateLink) -> None:
        worker = WorkerLink(
            self._next_id,
            on_message=self._on_message,
            on_answer=self._on_answer,
            on_end=lambda worker: self._lose(worker, "crashed"),
            now_s=self._now_s(),
        )
        self._next_id += 1
        sock = template.fork(worker.worker_id)
        self._workers[worker.worker_id] = worker
        self._watch.begin(worker.worker_id, within_s=self._ready_within_s)
        await asyncio.get_running_loop().create_unix_connection(lambda: worker, sock=sock)

    def _fail_start(self, error: Exception) -> None:
        if self._up is not None and not self._up.done():
            self._up.set_exception(error)

    # What workers and template tell.

    def _on_forked(self, worker_id: int, pid: int) -> None:
        if worker_id in self._workers:
            self._workers[worker_id].pid = pid

    def _on_message(self, worker: WorkerLink, frame: Frame) -> None:
        if frame.header["is"] == "ready":
            self._watch.end(worker.worker_id)
            self._capabilities = capabilities_of(frame.header["capabilities"])
            after_s = round(self._now_s() - worker.since_s, 3)
            log.info("recognition_worker_ready", worker=worker.worker_id, after_s=after_s)
            worker.stage, worker.since_s = Stage.SPARE, self._now_s()
            self._promote()
        else:
            error = error_of(frame.header)
            log.error("recognition_worker_failed", worker=worker.worker_id, code=error.code)
            self._fail_start(error)

    def _on_answer(self, worker: WorkerLink, result: Done | RecognitionError) -> None:
        self._watch.end(worker.worker_id)
        self._slow.ended(worker, result)

    def _on_look(self, worker_id: int, running_s: float) -> None:
        worker = self._workers.get(worker_id)
        if worker is not None and worker.stage is Stage.READY and len(self.ready) > 1:
            self._slow.look(worker, running_s)

    def _on_slow(self, worker_id: int) -> None:
        if (worker := self._workers.get(worker_id)) is not None:
            self._lose(worker, "slow")

    def _may_replace(self) -> bool:
        """Whether a slow worker is better replaced: not the only one, nor without a warm spare."""
        return len(self.ready) > 1 and bool(self.spares)

    def _promote(self) -> None:
        """Put the oldest spare to work where a place is free."""
        spare = next((w for w in self._workers.values() if w.stage is Stage.SPARE), None)
        if spare is None or len(self.ready) >= self._size:
            return
        spare.stage = Stage.READY
        if self._listener is not None:
            self._listener.worker_ready(spare.worker_id)
        if len(self.ready) == self._size and self._up is not None and not self._up.done():
            self._up.set_result(None)
            self._wake.set()

    def _on_ended(self, worker_id: int, exit_code: int, cpu_s: float) -> None:
        if (worker := self._workers.get(worker_id)) is not None:
            self._lose(worker, "crashed")
        self._gone.reap_worker(worker_id, cpu_s)
        log.info("recognition_worker_ended", worker=worker_id, exit_code=exit_code)

    def _on_template_lost(self, cpu_s: float) -> None:
        for worker in list(self._workers.values()):
            self._forget(worker, "crashed")
        self._gone.lose_template(cpu_s)
        self._wake.set()

    def _lose(self, worker: WorkerLink, code: str) -> None:
        """A worker is gone or no good: end it for certain, and have another in its place."""
        if worker.stage is Stage.LOST:
            return
        lived_s = 0.0 if worker.stage is Stage.STARTING else self._now_s() - worker.since_s
        log.warning("recognition_worker_lost", worker=worker.worker_id, pid=worker.pid, code=code)
        self._forget(worker, code)
        if self._template.link is not None:
            self._template.link.kill(worker.worker_id)
        self._fork_from_s = self._now_s() + self._worker_backoff.delay_s(lived_s=lived_s)
        self._promote()
        self._wake.set()
        self._lost_before_up += 1
        if self._lost_before_up >= _FAILED_STARTS:
            self._fail_start(
                RecognitionError(
                    "workers_crash",
                    f"{_FAILED_STARTS} recognition workers ended before they were ready",
                )
            )

    def _forget(self, worker: WorkerLink, code: str) -> None:
        was_ready = worker.stage is Stage.READY
        del self._workers[worker.worker_id]
        self._watch.end(worker.worker_id)
        self._slow.forget(worker.worker_id)
        self._gone.lose_worker(worker.worker_id, worker.cpu_s)
        worker.drop(code)
        if was_ready and self._listener is not None and not self._is_stopped:
            self._listener.worker_lost(worker.worker_id, code)

    def _used_s(self, worker_id: int) -> float | None:
        """Processor time of the job that a worker is at; None for one that is being started."""
        worker = self._workers[worker_id]
        return None if worker.stage is not Stage.READY else cpu_s(worker.pid) - worker.cpu_s

    def _on_overdue(self, worker_id: int) -> None:
        worker = self._workers.get(worker_id)
        if worker is None:  # went with another that was overdue at the same moment
            return
        if worker.pid == 0 and self._template.link is not None:
            self._template.link.give_up()  # not even the fork was answered
        self._lose(worker, "hung")

    def _at(self, stage: Stage) -> tuple[int, ...]:
        return tuple(id_ for id_, worker in self._workers.items() if worker.stage is stage)

    def _now_s(self) -> float:
        return asyncio.get_running_loop().time()
