"""How memory grows over a long call: the arithmetic. No clock, no process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

REPLACED_BYTES: Final = 20 * 2**20
"""A recogniser takes 30 MiB after two seconds of speech: one that is replaced gives back more."""
_SECONDS_PER_HOUR: Final = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """The proportional set size of each process, in bytes, after ``at_s`` seconds of audio."""

    at_s: float
    pss_bytes: Mapping[str, int]

    def of(self, names: Sequence[str]) -> int:
        """What these processes take together; one that is not there takes nothing."""
        return sum(self.pss_bytes.get(name, 0) for name in names)

    @property
    def total_bytes(self) -> int:
        """What all processes take together."""
        return sum(self.pss_bytes.values())


def slope_bytes_per_hour(points: Sequence[tuple[float, float]]) -> float | None:
    """The least-squares slope of (seconds of audio, bytes); None of fewer than two times."""
    if len({at_s for at_s, _ in points}) < 2:
        return None
    mean_s = sum(at_s for at_s, _ in points) / len(points)
    mean = sum(value for _, value in points) / len(points)
    above = sum((at_s - mean_s) * (value - mean) for at_s, value in points)
    below = sum((at_s - mean_s) ** 2 for at_s, _ in points)
    return above / below * _SECONDS_PER_HOUR


def slopes(samples: Sequence[Sample], since_s: float) -> dict[str, float | None]:
    """The slope of each process and of ``all``, in bytes an hour, from ``since_s`` of audio on."""
    kept = [sample for sample in samples if sample.at_s >= since_s]
    names = dict.fromkeys(name for sample in kept for name in sample.pss_bytes)
    found = {
        name: slope_bytes_per_hour(
            [(s.at_s, s.pss_bytes[name]) for s in kept if name in s.pss_bytes]
        )
        for name in names
    }
    return found | {"all": slope_bytes_per_hour([(s.at_s, s.total_bytes) for s in kept])}


def drops(samples: Sequence[Sample], names: Sequence[str], least_bytes: int) -> int:
    """How often these processes gave ``least_bytes`` or more back between two samples."""
    taken = [sample.of(names) for sample in samples]
    return sum(before - after >= least_bytes for before, after in pairwise(taken))
