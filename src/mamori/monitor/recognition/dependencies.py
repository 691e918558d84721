"""What the recognition service is given: workers, who counts, who suspects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from mamori.monitor.recognition.port import Done, EngineCapabilities, Job


class Workers(Protocol):
    """What decodes: the pool of worker processes, or what stands for it."""

    @property
    def capabilities(self) -> tuple[EngineCapabilities, ...]:
        """The engines of every worker, at most one of a kind."""
        ...

    @property
    def ready(self) -> tuple[int, ...]:
        """Ids of the workers that take jobs."""
        ...

    @property
    def cpu_s(self) -> float:
        """Processor time of all workers so far."""
        ...

    async def start(self) -> None:
        """Start; RecognitionError where the engines refuse."""
        ...

    async def decode(self, worker_id: int, job: Job) -> Done:
        """Do a job, one at a time a worker; RecognitionError or WorkerLostError."""
        ...

    async def stop(self) -> None:
        """Stop, within seconds."""
        ...


class WorkersListener(Protocol):
    """Hears of workers that come and go; on the event loop."""

    def worker_ready(self, worker_id: int) -> None:
        """A worker takes jobs from now on."""
        ...

    def worker_lost(self, worker_id: int, code: str) -> None:
        """A worker is gone: ``crashed``, ``hung`` or ``slow``."""
        ...


class RecognitionObserver(Protocol):
    """What happens, for metrics; cheap, never raises. No words, no call ids."""

    def job_done(self, work: str, cpu_s: float, wait_s: float) -> None:
        """A job ended; ``wait_s`` is how long after it was wanted it began."""
        ...

    def worker_lost(self, code: str) -> None:
        """A worker was lost."""
        ...

    def rereads_dropped(self, count: int) -> None:
        """So many second readings were wanted and came to nothing; may be 0."""
        ...


class _Nobody:
    def job_done(self, work: str, cpu_s: float, wait_s: float) -> None:
        """Do nothing."""

    def worker_lost(self, code: str) -> None:
        """Do nothing."""

    def rereads_dropped(self, count: int) -> None:
        """Do nothing."""


def nobody() -> RecognitionObserver:
    """Nobody counts."""
    return _Nobody()


def no_candidates(text: str, language: str) -> Sequence[str]:
    """No second readings."""
    del text, language
    return ()
