"""The machine that figures come from, and how busy others keep it."""

from __future__ import annotations

import importlib.util
import os
import platform
from dataclasses import dataclass
from pathlib import Path

import psutil


def machine() -> dict[str, str | int | float]:
    """Processor, cores, memory, system and interpreter."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count() or 1,
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
        "event_loop": "uvloop" if importlib.util.find_spec("uvloop") else "asyncio",
    }


def machine_line(found: dict[str, str | int | float]) -> str:
    """The machine in one line."""
    return (
        f"{found['processor']}, {found['cores']} cores, {found['memory_gib']} GiB,"
        f" {found['system']}, Python {found['python']}, {found['event_loop']}"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineUse:
    """Busy and stolen core-seconds of the whole machine so far, and its load average."""

    busy_s: float
    steal_s: float
    load_average: float

    @classmethod
    def now(cls) -> MachineUse:
        """As it stands."""
        times = psutil.cpu_times()
        # Not every system knows time that a host took away.
        steal_s = float(getattr(times, "steal", 0.0))
        busy_s = times.user + times.system + getattr(times, "nice", 0.0)
        busy_s += getattr(times, "irq", 0.0) + getattr(times, "softirq", 0.0)
        return cls(busy_s=busy_s, steal_s=steal_s, load_average=os.getloadavg()[0])


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.machine()
