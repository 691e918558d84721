"""What lanes want done, and which worker does what next: earliest deadline first. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final, TypeVar

from mamori.monitor.recognition.utterance import Utterance


class Work(StrEnum):
    """Kinds of work, the most urgent first where two are due at the same time."""

    FINAL = "final"
    """The utterance engine reads an utterance that has ended."""
    LIVE = "live"
    """The stream engine hears the next stretch; of a final, where it is the one to read it."""
    REREAD = "reread"
    """A second reading with suspected phrases."""
    EARLY = "early"
    """A reading in a pause that may be the end: only for a worker with nothing to do."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Task:
    """One job that a lane wants done: since ``wanted_s``, by ``due_s``.

    ``worker_id`` binds it to the worker whose recogniser has the utterance; ``needs_slot`` asks for
    a worker with a slot free. ``voice`` is the lane's, for the slot that knows it.
    """

    work: Work
    utterance: Utterance
    wanted_s: float
    due_s: float
    voice: str
    worker_id: int | None = None
    needs_slot: bool = False
    phrases: tuple[str, ...] = field(default=(), repr=False)

    @property
    def is_final(self) -> bool:
        """Whether a final comes of it, or the next part of one."""
        return self.work is Work.FINAL or (
            self.work is Work.LIVE and self.utterance.end is not None
        )

    def later(self, by_s: float) -> Task:
        """The same task, due later."""
        return replace(self, due_s=self.due_s + by_s) if by_s else self


_URGENCY: Final = {work: place for place, work in enumerate(Work)}
_Offer = TypeVar("_Offer")


def assign(
    offers: Sequence[tuple[Task, _Offer]],
    idle: Collection[int],
    *,
    room: Callable[[int], int],
    knows_voice: Callable[[str], Collection[int]],
    early: bool,
) -> list[tuple[Task, _Offer, int]]:
    """Who does what now: tasks by deadline, each to a worker that may take it.

    ``offers`` pairs each task with what the caller needs to begin it. ``room`` is how many slots a
    worker has left. Early readings are given out only where ``early`` allows and nothing else
    waits.
    """
    free = sorted(idle)
    bound = {task.worker_id for task, _ in offers}
    given: list[tuple[Task, _Offer, int]] = []
    left = 0
    for task, offer in sorted(offers, key=_urgency):
        if task.work is Work.EARLY:
            continue
        worker_id = _worker_for(task, free, bound, room, knows_voice)
        if worker_id is None:
            left += 1
        else:
            free.remove(worker_id)
            given.append((task, offer, worker_id))
    if early and not left:
        for task, offer in offers:
            if free and task.work is Work.EARLY:
                given.append((task, offer, free.pop(0)))
    return given


def _urgency(offer: tuple[Task, object]) -> tuple[float, int]:
    return offer[0].due_s, _URGENCY[offer[0].work]


def _worker_for(
    task: Task,
    free: Sequence[int],
    bound: Collection[int | None],
    room: Callable[[int], int],
    knows_voice: Callable[[str], Collection[int]],
) -> int | None:
    """Who may go anywhere leaves those workers to others that must have them."""
    if task.worker_id is not None:
        return task.worker_id if task.worker_id in free else None
    if not task.needs_slot:
        return min(free, key=lambda worker_id: worker_id in bound, default=None)
    roomy = [worker_id for worker_id in free if room(worker_id)]
    knowing = knows_voice(task.voice)
    # An utterance stays with its worker: an even spread keeps them from waiting for one another.
    return min(
        roomy,
        key=lambda worker_id: (worker_id not in knowing, -room(worker_id), worker_id in bound),
        default=None,
    )


class Allowance:
    """A lane's share of the processor: a bucket that fills with time and is emptied by its jobs.

    Who takes more than ``ratio`` of a core for longer than ``burst_s`` waits behind the others: a
    call that floods the recogniser must not starve them.
    """

    def __init__(self, *, ratio: float, burst_s: float, now_s: float) -> None:
        self._ratio = ratio
        self._burst_s = burst_s
        self._level_s = burst_s
        self._at_s = now_s

    def charge(self, cpu_s: float, now_s: float) -> None:
        """A job took ``cpu_s``."""
        self._level_s = self._filled(now_s) - cpu_s
        self._at_s = now_s

    def overdraft_s(self, now_s: float) -> float:
        """Processor time taken beyond the share, at least 0."""
        return max(0.0, -self._filled(now_s))

    def _filled(self, now_s: float) -> float:
        return min(self._burst_s, self._level_s + (now_s - self._at_s) * self._ratio)
