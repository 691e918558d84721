"""Who has taken too long: deadlines that do not count the event loop's own delay."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

# A full window of whisper takes 0.9 s of processor time: with a quarter of a core that is more than
# the 3 s after which a worker hangs, and who kills it makes the others wait longer still. One that
# gets less than this share does not decode.
_WORKING_RATIO: Final = 0.05
# Nobody waits longer than this many times for a worker, whatever it does.
_PATIENCE: Final = 10


@dataclass(slots=True)
class _Running:
    since_s: float
    within_s: float
    late_before_s: float


class HangWatch:
    """Deadlines looked at in regular ticks; the lateness of a tick prolongs all of them.

    A node that stood still can have neither sent audio nor read answers: what it lost is measured
    by how late its own ticks come, and is not held against a worker. Clock: any that only grows,
    in seconds.
    """

    def __init__(self, *, tick_s: float) -> None:
        if tick_s <= 0:
            raise ValueError(f"tick_s must be more than 0, not {tick_s}")
        self.tick_s = tick_s
        self._running: dict[int, _Running] = {}
        self._late_s = 0.0
        self._next_tick_s = 0.0

    @property
    def is_idle(self) -> bool:
        """Whether nothing is waited for, so that no tick is needed."""
        return not self._running

    def begin(self, worker_id: int, *, now_s: float, within_s: float) -> None:
        """Expect an answer of this worker in ``within_s``."""
        if self.is_idle:
            self._next_tick_s = now_s + self.tick_s
        self._running[worker_id] = _Running(now_s, within_s, self._late_s)

    def end(self, worker_id: int) -> None:
        """The answer came, or nobody waits for it any more."""
        self._running.pop(worker_id, None)

    def running_s(self, now_s: float) -> dict[int, float]:
        """Whose answers are waited for, and for how long; right after ``tick``."""
        return {worker_id: self._took_s(each, now_s) for worker_id, each in self._running.items()}

    def tick(self, now_s: float, used_s: Callable[[int], float | None]) -> list[int]:
        """The workers whose time is over; each is named once.

        ``used_s`` is the processor time that a worker has used for its answer, None where unknown.
        One that is still getting some has not had its time yet, up to ten times as long.
        """
        self._late_s += max(0.0, now_s - self._next_tick_s)
        self._next_tick_s = now_s + self.tick_s
        over = [
            worker_id
            for worker_id, running in self._running.items()
            if self._is_over(running, self._took_s(running, now_s), worker_id, used_s)
        ]
        for worker_id in over:
            del self._running[worker_id]
        return over

    @staticmethod
    def _is_over(
        running: _Running, took_s: float, worker_id: int, used_s: Callable[[int], float | None]
    ) -> bool:
        if took_s < running.within_s:
            return False
        used = used_s(worker_id)
        if used is None or took_s >= _PATIENCE * running.within_s:
            return True
        return not _WORKING_RATIO * took_s <= used < running.within_s

    def _took_s(self, running: _Running, now_s: float) -> float:
        return now_s - running.since_s - (self._late_s - running.late_before_s)


class LoopWatch:
    """A HangWatch on the event loop's own clock.

    On the loop run ``on_over(worker_id)`` and, in each tick for each worker that is not over,
    ``on_look(worker_id, running_s)``; ``used_s`` as in ``HangWatch.tick``.
    """

    def __init__(
        self,
        on_over: Callable[[int], None],
        on_look: Callable[[int, float], None],
        used_s: Callable[[int], float | None],
        *,
        tick_s: float,
    ) -> None:
        self._watch = HangWatch(tick_s=tick_s)
        self._on_over = on_over
        self._on_look = on_look
        self._used_s = used_s
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, worker_id: int, *, within_s: float) -> None:
        """Expect an answer of this worker in ``within_s`` from now."""
        loop = asyncio.get_running_loop()
        self._watch.begin(worker_id, now_s=loop.time(), within_s=within_s)
        if self._timer is None:
            self._timer = loop.call_later(self._watch.tick_s, self._tick)

    def end(self, worker_id: int) -> None:
        """The answer came, or nobody waits for it any more."""
        self._watch.end(worker_id)

    def stop(self) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        # No timer while nothing is waited for: an idle node sleeps.
        self._timer = None
        for worker_id in self._watch.tick(loop.time(), self._used_s):
            self._on_over(worker_id)
        for worker_id, running_s in self._watch.running_s(loop.time()).items():
            self._on_look(worker_id, running_s)
        if not self._watch.is_idle and self._timer is None:
            self._timer = loop.call_later(self._watch.tick_s, self._tick)
