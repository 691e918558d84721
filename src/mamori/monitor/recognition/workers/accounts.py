"""What the processes of a pool use: processor time, gone ones included, and memory."""

from __future__ import annotations

from dataclasses import dataclass

from mamori.monitor.recognition.workers.process import memory_rollup


class CpuAccount:
    """Processor time of workers that are gone: as they last told, then as they were reaped."""

    def __init__(self) -> None:
        self._settled_s = 0.0
        self._unreaped_s: dict[int, float] = {}  # by worker id

    @property
    def total_s(self) -> float:
        """All that was used by what is gone."""
        return self._settled_s + sum(self._unreaped_s.values())

    def lose_worker(self, worker_id: int, told_s: float) -> None:
        """A worker is gone that last told ``told_s``."""
        self._unreaped_s[worker_id] = told_s

    def reap_worker(self, worker_id: int, used_s: float) -> None:
        """The kernel says what a worker used in all."""
        self._settled_s += max(used_s, self._unreaped_s.pop(worker_id, 0.0))

    def lose_template(self, told_s: float) -> None:
        """A template is gone, and with it who would tell what its workers used in the end."""
        self._settled_s = self.total_s + told_s
        self._unreaped_s.clear()


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessMemory:
    """Memory of the template (``worker_id`` None) or a worker, in bytes.

    ``pss_bytes`` divides what is shared by its users: the sum over all is what is really occupied.
    """

    worker_id: int | None
    rss_bytes: int
    pss_bytes: int
    private_bytes: int


def measure_memory(worker_id: int | None, pid: int) -> ProcessMemory | None:
    """The memory of a process, None if it is gone; takes milliseconds."""
    rollup = memory_rollup(pid)
    if not rollup:
        return None
    return ProcessMemory(
        worker_id=worker_id,
        rss_bytes=rollup["Rss"],
        pss_bytes=rollup["Pss"],
        private_bytes=rollup["Private_Clean"] + rollup["Private_Dirty"],
    )
