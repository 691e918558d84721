"""Who is slow: workers' jobs as they go on, and the machine itself before anybody is blamed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from mamori.monitor.recognition.port import Done, RecognitionError
from mamori.monitor.recognition.workers.pace import SOUND_RATIO, PaceWatch
from mamori.monitor.recognition.workers.process import cpu_s, pace_ratio, queued_for_core_s
from mamori.monitor.recognition.workers.worker_link import WorkerLink

# Decoding waits for nothing but a core: who neither runs nor wants to is stuck. With the time
# until it has a job this is seen within 3 s where ten calls go on.
_STUCK_AFTER_S: Final = 2.0
# The machine is measured at most once in this time: 0.022 s of a core each.
_ASK_AGAIN_S: Final = 1.0


class SlowWatch:
    """A PaceWatch on real processes; ``on_slow(worker_id)`` and ``on_stuck`` run on the loop.

    The others may have nothing to do, and say nothing then: the machine is asked by
    ``pace_ratio``, on a thread, when a worker seems slow. ``may_replace`` says whether it would
    matter.
    """

    def __init__(
        self,
        on_slow: Callable[[int], None],
        on_stuck: Callable[[int], None],
        may_replace: Callable[[], bool],
        pace_ratio: Callable[[], float] = pace_ratio,
    ) -> None:
        self._on_slow = on_slow
        self._on_stuck = on_stuck
        self._may_replace = may_replace
        self._pace_ratio = pace_ratio
        self._pace = PaceWatch()
        # By worker: how long it had been without a core when its job was first looked at.
        self._queued_before_s: dict[int, float] = {}
        self._asking: asyncio.Task[None] | None = None
        self._ask_from_s = 0.0

    def look(self, worker: WorkerLink, running_s: float) -> None:
        """The worker has been at its job for so long.

        Time in which it was ready and had no core is the machine's, not the worker's.
        """
        used_s = cpu_s(worker.pid) - worker.cpu_s  # it told its time when the job before ended
        queued_s = queued_for_core_s(worker.pid)
        running_s -= queued_s - self._queued_before_s.setdefault(worker.worker_id, queued_s)
        now_s = asyncio.get_running_loop().time()
        if self._pace.works(worker.worker_id, now_s=now_s, cpu_s=used_s, wall_s=running_s):
            self._suspect(worker.worker_id)
        elif self._pace.still_s(worker.worker_id) >= _STUCK_AFTER_S:
            self._on_stuck(worker.worker_id)

    def ended(self, worker: WorkerLink, result: Done | RecognitionError) -> None:
        """The worker has answered."""
        self._queued_before_s.pop(worker.worker_id, None)
        if isinstance(result, RecognitionError):
            self._pace.gave_up(worker.worker_id)
            return
        own_s = result.wall_s - result.queued_s
        now_s = asyncio.get_running_loop().time()
        if self._pace.ended(worker.worker_id, now_s=now_s, cpu_s=result.cpu_s, wall_s=own_s):
            self._suspect(worker.worker_id)

    def forget(self, worker_id: int) -> None:
        """The worker is gone."""
        self._queued_before_s.pop(worker_id, None)
        self._pace.forget(worker_id)

    async def stop(self) -> None:
        """Ask no more."""
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.wait({self._asking})

    def _suspect(self, worker_id: int) -> None:
        loop = asyncio.get_running_loop()
        is_asking = self._asking is not None and not self._asking.done()
        if is_asking or loop.time() < self._ask_from_s or not self._may_replace():
            return
        self._ask_from_s = loop.time() + _ASK_AGAIN_S
        self._asking = loop.create_task(self._ask(worker_id), name="recognition pace")

    async def _ask(self, worker_id: int) -> None:
        if await asyncio.to_thread(self._pace_ratio) <= SOUND_RATIO and self._may_replace():
            self._on_slow(worker_id)
