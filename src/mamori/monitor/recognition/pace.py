"""Which worker is slow although the machine is not: one that lost most of its processor. Pure."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Final

# A decode keeps a core busy: on a free machine it takes 1.0 to 1.1 of its processor time, beside as
# much other work as there are cores twice that. A worker stopped nine times out of ten takes ten
# times as long.
_SLOW_RATIO: Final = 5.0
# The others must not be slow with it, or the machine is what is slow.
_SOUND_RATIO: Final = 2.5
# One hiccup is nothing; by then three finals were late.
_WALL_S: Final = 2.0


@dataclass(slots=True)
class _Recent:
    """The last jobs of a worker, up to ``_WALL_S`` of them."""

    jobs: deque[tuple[float, float]] = field(default_factory=deque)

    def add(self, cpu_s: float, wall_s: float) -> None:
        self.jobs.append((cpu_s, wall_s))
        while self.wall_s - self.jobs[0][1] >= _WALL_S:
            self.jobs.popleft()

    @property
    def wall_s(self) -> float:
        return sum(wall_s for _, wall_s in self.jobs)

    @property
    def ratio(self) -> float:
        cpu_s = sum(cpu_s for cpu_s, _ in self.jobs)
        return self.wall_s / cpu_s if cpu_s > 0 else float("inf")


class PaceWatch:
    """Compares each worker's time on the wall with its processor time, and with the others'."""

    def __init__(self) -> None:
        self._workers: dict[int, _Recent] = {}

    def forget(self, worker_id: int) -> None:
        """The worker is gone."""
        self._workers.pop(worker_id, None)

    def is_slow(self, worker_id: int, cpu_s: float, wall_s: float) -> bool:
        """Whether the worker that just did such a job should be replaced.

        Never for the only worker: it cannot be told from a slow machine.
        """
        recent = self._workers.setdefault(worker_id, _Recent())
        recent.add(cpu_s, wall_s)
        if recent.wall_s < _WALL_S or recent.ratio < _SLOW_RATIO:
            return False
        others = [each.ratio for other, each in self._workers.items() if other != worker_id]
        return bool(others) and min(others) <= _SOUND_RATIO
