"""Which recogniser of which worker hears which utterance. Pure bookkeeping."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Lease:
    """A recogniser, lent for one utterance: a slot of a worker."""

    worker_id: int
    slot: int


class Leases:
    """Lends the slots of every worker, at most ``slots_per_worker`` each.

    A voice gets the slot back that heard it last where that is free, because the recogniser still
    knows it; otherwise the one used last, because its graph is the warmest; a new one last of all.
    A slot serves one language and rate: its model's graph is of that language.
    """

    def __init__(self, *, slots_per_worker: int) -> None:
        self._slots_per_worker = slots_per_worker
        self._free: dict[int, list[tuple[int, str, str]]] = {}
        self._opened: dict[int, int] = {}
        self._kind: dict[Lease, str] = {}

    def add_worker(self, worker_id: int) -> None:
        """A worker has come."""
        self._free[worker_id] = []
        self._opened[worker_id] = 0

    def remove_worker(self, worker_id: int) -> None:
        """A worker is gone, and its slots with it; leases on it are forgotten."""
        self._free.pop(worker_id, None)
        self._opened.pop(worker_id, None)
        for lease in [lease for lease in self._kind if lease.worker_id == worker_id]:
            del self._kind[lease]

    def room(self, worker_id: int) -> int:
        """For how many more utterances the worker has a slot; 0 for one that is gone."""
        free = self._free.get(worker_id)
        if free is None:
            return 0
        return len(free) + self._slots_per_worker - self._opened[worker_id]

    def take(self, worker_id: int, *, voice: str, kind: str) -> Lease:
        """A slot for an utterance of ``voice``; ``kind`` is its language and rate.

        ValueError where the worker has no room.
        """
        if not self.room(worker_id):
            raise ValueError(f"worker {worker_id} has no slot left")
        free = self._free[worker_id]
        place = _best(free, voice, kind)
        if place is None and self._opened[worker_id] < self._slots_per_worker:
            slot = self._opened[worker_id]
            self._opened[worker_id] += 1
        else:
            # Another language's recogniser makes room: the slot is opened anew by its worker.
            slot = free.pop(0 if place is None else place)[0]
        lease = Lease(worker_id, slot)
        self._kind[lease] = kind
        return lease

    def give_back(self, lease: Lease, *, voice: str) -> None:
        """The utterance is over; a lease of a worker that is gone is forgotten."""
        kind = self._kind.pop(lease, None)
        if kind is not None and lease.worker_id in self._free:
            self._free[lease.worker_id].append((lease.slot, voice, kind))

    def workers_of(self, voice: str) -> frozenset[int]:
        """Workers that have a free slot which heard this voice last."""
        return frozenset(
            worker_id
            for worker_id, free in self._free.items()
            if any(each[1] == voice for each in free)
        )


def _best(free: list[tuple[int, str, str]], voice: str, kind: str) -> int | None:
    """The place in ``free``, whose last is the one used last."""
    for place in range(len(free) - 1, -1, -1):
        if free[place][1] == voice and free[place][2] == kind:
            return place
    for place in range(len(free) - 1, -1, -1):
        if free[place][2] == kind:
            return place
    return None
