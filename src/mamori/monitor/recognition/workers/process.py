"""What the operating system is asked for: an end with the parent, no core dump, memory back."""

from __future__ import annotations

import ctypes
import hashlib
import os
import resource
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

_PR_SET_PDEATHSIG: Final = 1  # prctl(2)
_PAGE_BYTES: Final = os.sysconf("SC_PAGESIZE")
_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")
# Several times the few milliseconds for which a scheduler lets whoever comes anew go first.
_YARDSTICK_ROUNDS: Final = 50_000
_THIS_THREAD: Final = Path("/proc/thread-self/schedstat")
_OOM_SCORE: Final = "500"


def die_with_parent(parent_pid: int) -> None:
    """Have the kernel kill this process when the thread that started it ends, however it ends.

    Ends the process at once where the parent is gone already.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) was refused")
    if os.getppid() != parent_pid:
        os._exit(1)


def ignore_group_signals() -> None:
    """Leave it to the node when to end.

    A terminal sends SIGINT and SIGHUP, and a service manager SIGTERM, to the whole group.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


def forbid_core_dumps() -> None:
    """A core dump would hold the voices of callers."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def die_first_without_memory() -> None:
    """Ask the kernel to end this process before the node when memory runs out."""
    with suppress(OSError):  # not everywhere may this be set; it only ever helps
        Path("/proc/self/oom_score_adj").write_text(_OOM_SCORE, "ascii")


def thread_count() -> int:
    """How many threads this process has, those of native libraries included."""
    return sum(1 for _ in Path("/proc/self/task").iterdir())


def trim_heap() -> None:
    """Give freed memory back to the system, where the C library can (glibc)."""
    with suppress(AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def cpu_s(pid: int) -> float:
    """Processor time that a process used so far, in hundredths of a second; 0 if it is gone."""
    try:
        # The name in parentheses may hold spaces, and parentheses: proc(5).
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S


def queued_for_core_s(pid: int) -> float:
    """How long a process's threads were ready to run and had no core so far; 0 if it is gone.

    Stopped or throttled, it is not ready. 0 as well where the kernel keeps no schedstat.
    """
    try:
        threads = list(Path(f"/proc/{pid}/task").iterdir())
    except OSError:
        return 0.0
    return sum(_queued_s(thread / "schedstat") for thread in threads)


def pace_ratio() -> float:
    """How many times its processor time a piece of work takes this process on the wall now.

    Time without a core does not count, as it does not of a worker: 1 on a sound machine, more where
    its host stops it. For a thread: it takes 0.022 s of processor time (two virtual cores, Python
    3.11) and does not hold the interpreter's lock.
    """
    wall_s, cpu_s, queued_s = time.perf_counter(), time.thread_time(), _queued_s(_THIS_THREAD)
    hashlib.pbkdf2_hmac("sha256", b"yardstick", b"", _YARDSTICK_ROUNDS)
    wall_s = time.perf_counter() - wall_s - (_queued_s(_THIS_THREAD) - queued_s)
    return max(wall_s, 0.0) / max(time.thread_time() - cpu_s, 1e-9)


def _queued_s(schedstat: Path) -> float:
    try:
        return int(schedstat.read_bytes().split()[1]) / 1e9
    except OSError:  # the thread may have ended meanwhile
        return 0.0


def private_bytes() -> int:
    """Resident memory of this process that it shares with none: not the models of its template."""
    fields = Path("/proc/self/statm").read_bytes().split()
    rollup = memory_rollup(os.getpid())
    return rollup.get("Private_Dirty", int(fields[1]) * _PAGE_BYTES)


def memory_rollup(pid: int) -> dict[str, int]:
    """Bytes by the names of /proc/<pid>/smaps_rollup (Rss, Pss, Private_Dirty); empty if gone.

    The kernel walks all pages for it: some milliseconds for a worker.
    """
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text("ascii").splitlines()[1:]
    except OSError:
        return {}
    return {line.split(":")[0]: int(line.split()[1]) * 1024 for line in lines}
