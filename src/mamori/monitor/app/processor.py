"""What of the machine's processor there is for this node."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

_CGROUP_QUOTA: Final = Path("/sys/fs/cgroup/cpu.max")
_STAT: Final = Path("/proc/stat")
# Of the whole machine at most this much is to be busy; what others take is taken off it.
_BUSY_RATIO: Final = 0.85
# Others that have the machine for themselves take all of it, and make room when we want some: the
# kernel shares it out. More than this share is not theirs to keep.
_OTHERS_RATIO: Final = 0.5
# What others take is averaged over about this long: a compile job counts, a cron job does not.
_SMOOTH_S: Final = 10.0


def usable_cores() -> float:
    """Cores that this process may use: its affinity, and a container's quota where it is less."""
    cores = float(len(os.sched_getaffinity(0)))
    try:
        quota, period = _CGROUP_QUOTA.read_text(encoding="ascii").split()
    except (OSError, ValueError):
        return cores
    return cores if quota == "max" else max(0.1, min(cores, int(quota) / int(period)))


class Processor:
    """Cores that there are for us, less what others on the machine take. Asked twice a second.

    ``own_cpu_s`` is the processor time of all our processes so far. Where we may use only a part of
    the machine, what others do with the rest says nothing, and is not looked at.
    """

    def __init__(
        self,
        own_cpu_s: Callable[[], float],
        *,
        use_ratio: float,
        cores: Callable[[], float] = usable_cores,
        busy_s: Callable[[], float | None] | None = None,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._own_cpu_s = own_cpu_s
        self._use_ratio = use_ratio
        self._cores = cores()
        whole = self._cores == (os.cpu_count() or 1)
        self._busy_s = busy_s or (machine_busy_s if whole else _unknown)
        self._now_s = now_s
        self._last = self._read()
        self._others = 0.0

    def cores_left(self) -> float:
        """Cores, of which a share of ``use_ratio`` may be used."""
        now = self._read()
        passed_s = now[0] - self._last[0]
        if passed_s > 0 and now[1] is not None and self._last[1] is not None:
            others_s = (now[1] - self._last[1]) - (now[2] - self._last[2])
            weight = min(1.0, passed_s / _SMOOTH_S)
            self._others += weight * (max(0.0, others_s / passed_s) - self._others)
        self._last = now
        kept = min(self._others, _OTHERS_RATIO * self._cores)
        free = _BUSY_RATIO * self._cores - kept
        return max(0.0, min(self._cores, free / self._use_ratio))

    def _read(self) -> tuple[float, float | None, float]:
        return self._now_s(), self._busy_s(), self._own_cpu_s()


def machine_busy_s() -> float | None:
    """Processor time that all cores have spent working since the start; None where unknown."""
    try:
        fields = _STAT.read_text(encoding="ascii").split("\n", 1)[0].split()[1:9]
        user, nice, system, _idle, _wait, interrupts, soft, stolen = map(int, fields)
    except (OSError, ValueError):
        return None
    ticks = user + nice + system + interrupts + soft + stolen
    return ticks / os.sysconf("SC_CLK_TCK")


def _unknown() -> None:
    return None
