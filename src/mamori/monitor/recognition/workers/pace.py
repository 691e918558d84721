"""Which worker is slow although the others are not: one that lost most of its processor. Pure."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Final

# A decode keeps a core busy: on a free machine it takes 1.0 to 1.1 of its processor time, beside as
# much other work as there are cores twice that. A worker stopped nine times out of ten takes ten
# times as long.
_SLOW_RATIO: Final = 5.0
# The others must not be slow with it, or the machine is what is slow.
SOUND_RATIO: Final = 2.5
# A job a second of 0.05 s of processor time, the least that recognition gives, takes such a worker
# 0.41 to 0.5 s on the wall: two of them are enough, and the third second has not passed. Work
# without a pause tells sooner. One hiccup is nothing.
_WALL_S: Final = 0.8
# Shorter work says nothing of another worker: the kernel counts in hundredths of a second.
_SAYS_SOMETHING_S: Final = 0.1
# Longer ago is another story; it holds the two jobs of a worker that gets one a second.
_RECENT_S: Final = 3.0
# Without any processor time for so long a job stands still, which is for another watch to judge.
# The slowed worker gets a tenth of it.
_STANDS_STILL_S: Final = 0.5


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Work on a job, up to a moment."""

    until_s: float
    cpu_s: float
    wall_s: float


@dataclass(slots=True)
class _Worker:
    """The latest stretches of work, and how far the job in work has been counted."""

    stretches: deque[_Stretch] = field(default_factory=deque)
    cpu_s: float = 0.0
    wall_s: float = 0.0
    still_s: float = 0.0

    def add(self, now_s: float, cpu_s: float, wall_s: float) -> None:
        """The job in work has taken so much so far."""
        stretch = _Stretch(now_s, max(0.0, cpu_s - self.cpu_s), max(0.0, wall_s - self.wall_s))
        self.still_s = 0.0 if stretch.cpu_s else self.still_s + stretch.wall_s
        self.cpu_s, self.wall_s = max(self.cpu_s, cpu_s), max(self.wall_s, wall_s)
        self.stretches.append(stretch)
        while now_s - self.stretches[0].until_s > _RECENT_S:
            self.stretches.popleft()

    def finish(self) -> None:
        """The next job begins at nothing."""
        self.cpu_s = self.wall_s = self.still_s = 0.0

    def lag(self, now_s: float) -> tuple[float, float]:
        """Time on the wall of the latest work, and how many times its processor time that is."""
        cpu_s = wall_s = 0.0
        for each in reversed(self.stretches):
            if wall_s >= _WALL_S or now_s - each.until_s > _RECENT_S:
                break
            cpu_s += each.cpu_s
            wall_s += each.wall_s
        return wall_s, wall_s / cpu_s if cpu_s > 0 else float("inf")


class PaceWatch:
    """Compares each worker's time on the wall with its processor time, and with the others'.

    All times in seconds, ``now_s`` on a clock that only grows. What is told of a job counts from
    its beginning.
    """

    def __init__(self) -> None:
        self._workers: dict[int, _Worker] = {}

    def forget(self, worker_id: int) -> None:
        """The worker is gone."""
        self._workers.pop(worker_id, None)

    def gave_up(self, worker_id: int) -> None:
        """The job has ended and did not tell what it took."""
        if worker_id in self._workers:
            self._workers[worker_id].finish()

    def still_s(self, worker_id: int) -> float:
        """How long the worker has been at its job without any processor time."""
        worker = self._workers.get(worker_id)
        return 0.0 if worker is None else worker.still_s

    def works(self, worker_id: int, *, now_s: float, cpu_s: float, wall_s: float) -> bool:
        """The job in work has taken so much so far; whether the worker is slow at it.

        One that stands still is not.
        """
        worker = self._workers.setdefault(worker_id, _Worker())
        worker.add(now_s, cpu_s, wall_s)
        return worker.still_s < _STANDS_STILL_S and self._lags_alone(worker, now_s)

    def ended(self, worker_id: int, *, now_s: float, cpu_s: float, wall_s: float) -> bool:
        """The job has ended and took so much; whether the worker is slow."""
        worker = self._workers.setdefault(worker_id, _Worker())
        worker.add(now_s, cpu_s, wall_s)
        worker.finish()
        return self._lags_alone(worker, now_s)

    def _lags_alone(self, worker: _Worker, now_s: float) -> bool:
        wall_s, ratio = worker.lag(now_s)
        if wall_s < _WALL_S or ratio < _SLOW_RATIO:
            return False
        others = (other.lag(now_s) for other in self._workers.values() if other is not worker)
        return all(ratio <= SOUND_RATIO for wall_s, ratio in others if wall_s >= _SAYS_SOMETHING_S)
