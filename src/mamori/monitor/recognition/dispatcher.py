"""Who gets which worker when: jobs of all lanes on the event loop, earliest deadline first."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import structlog

from mamori.monitor.recognition.dependencies import Workers
from mamori.monitor.recognition.lane import Lane
from mamori.monitor.recognition.leases import Lease, Leases
from mamori.monitor.recognition.port import Depth, Done, Job, RecognitionError, WorkerLostError
from mamori.monitor.recognition.tasks import Task, Work, assign

log = structlog.get_logger(__name__)


class Dispatcher:
    """Asks hungry lanes for tasks and gives them to idle workers, one job a worker at a time.

    ``depth`` says how an utterance is read while so many other jobs wait; ``may_read_early``
    whether idle workers may read ahead; ``on_done`` gets a finished task, its job, what it cost and
    how long after it was wanted it began.
    """

    def __init__(
        self,
        workers: Workers,
        *,
        slots_per_worker: int,
        final_due_s: float,
        now_s: Callable[[], float],
        depth: Callable[[int], Depth],
        may_read_early: Callable[[], bool],
        on_done: Callable[[Task, Job, Done, float], None],
    ) -> None:
        self._workers = workers
        self._final_due_s = final_due_s
        self._now_s = now_s
        self._depth = depth
        self._may_read_early = may_read_early
        self._on_done = on_done
        self._leases = Leases(slots_per_worker=slots_per_worker)
        # In the order in which they asked: of two tasks due at the same time the older goes first.
        self._hungry: dict[Lane, None] = {}
        self._busy: dict[int, asyncio.Task[None]] = {}
        self._will_assign = False
        self._latest_s = 0.0

    def wake(self, lane: Lane) -> None:
        """The lane may have work; who gets a worker is settled once this turn of the loop."""
        self._hungry[lane] = None
        if not self._will_assign and self._idle_workers():
            self._will_assign = True
            asyncio.get_running_loop().call_soon(self._assign)

    def forget(self, lane: Lane) -> None:
        """The lane has come to its end."""
        self._hungry.pop(lane, None)

    def give_back(self, lease: Lease, voice: str) -> None:
        """A recogniser is free again."""
        self._leases.give_back(lease, voice=voice)

    def worker_ready(self, worker_id: int, lanes: Iterable[Lane]) -> None:
        """A worker takes jobs from now on, of any of ``lanes``."""
        self._leases.add_worker(worker_id)
        self._hungry.update(dict.fromkeys(lanes))
        self._assign()

    def worker_lost(self, worker_id: int) -> None:
        """A worker is gone; whoever waits for its answer hears of it there."""
        self._leases.remove_worker(worker_id)

    def take_latest_s(self) -> float:
        """How late the latest final was begun since the last time, beyond what it may wait."""
        latest_s, self._latest_s = self._latest_s, 0.0
        return latest_s

    async def settle(self) -> None:
        """Wait for the jobs under way; their workers have been stopped."""
        if self._busy:
            await asyncio.wait(tuple(self._busy.values()))

    def _idle_workers(self) -> list[int]:
        return [worker_id for worker_id in self._workers.ready if worker_id not in self._busy]

    def _assign(self) -> None:
        self._will_assign = False
        idle = self._idle_workers()
        if not idle:
            return
        offers: list[tuple[Task, Lane]] = []
        for lane in tuple(self._hungry):
            tasks = lane.tasks()
            offers += [(task, lane) for task in tasks]
            if not tasks:
                del self._hungry[lane]
        given = assign(
            offers,
            idle,
            room=self._leases.room,
            knows_voice=self._leases.workers_of,
            early=self._may_read_early(),
        )
        taken = {task for task, _, _ in given}
        # An early reading is an offer to idle workers: nobody waits for it.
        waiting = sum(task.work is not Work.EARLY and task not in taken for task, _ in offers)
        for task, lane, worker_id in given:
            # A lane offers its utterances one by one; those behind this one wait as well.
            behind = max(0, lane.backlog - 1)
            self._begin(task, lane, worker_id, self._depth(waiting + behind))

    def _begin(self, task: Task, lane: Lane, worker_id: int, depth: Depth) -> None:
        lease = None
        if task.needs_slot:
            lease = self._leases.take(worker_id, voice=task.voice, kind=lane.kind)
        now_s = self._now_s()
        if task.is_final:
            # Due later than a customer's are an agent's, and those of who took too much.
            self._latest_s = max(self._latest_s, now_s - task.due_s + self._final_due_s)
        begun = _Begun(
            task=task,
            lane=lane,
            worker_id=worker_id,
            job=lane.begin(task, lease, depth),
            wait_s=max(0.0, now_s - task.wanted_s),
        )
        self._busy[worker_id] = asyncio.get_running_loop().create_task(
            self._run(begun), name=f"decode:{worker_id}"
        )

    async def _run(self, begun: _Begun) -> None:
        outcome: Done | RecognitionError | WorkerLostError
        try:
            outcome = await self._workers.decode(begun.worker_id, begun.job)
        except (RecognitionError, WorkerLostError) as error:
            outcome = error
        except Exception as error:  # boundary of the stage: the lane must hear of it
            outcome = RecognitionError("engine_failed", type(error).__name__, recoverable=True)
        finally:
            self._busy.pop(begun.worker_id, None)
        try:
            self._tell(begun, outcome)
        except Exception as error:  # boundary: one lane's trouble leaves the workers to the others
            log.error("recognition_job_not_taken", error_type=type(error).__name__)
        if self._hungry and not self._will_assign:
            self._assign()

    def _tell(self, begun: _Begun, outcome: Done | RecognitionError | WorkerLostError) -> None:
        task, lane = begun.task, begun.lane
        if not isinstance(outcome, Done):
            lane.fail(task, outcome)
            return
        try:
            self._on_done(task, begun.job, outcome, begun.wait_s)
        finally:
            lane.finish(task, outcome.reply, outcome.cpu_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Begun:
    """A job that a worker has: whose it is, and how long after it was wanted it began."""

    task: Task
    lane: Lane
    worker_id: int
    job: Job
    wait_s: float
