"""Processor time and memory of a whole tree of processes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

_STORE_NAMES: Final = ("valkey", "redis")
_KIBIBYTE: Final = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """CPU time so far and memory now: of the server's processes, and of the store beside them.

    The time of children that have ended counts, once their parent has seen them end. RSS counts
    pages that processes share once for each of them.
    """

    node_cpu_s: float
    store_cpu_s: float
    node_rss_bytes: int
    store_rss_bytes: int
    node_processes: int


def tree_usage(root_pid: int) -> Usage:
    """The tree below ``root_pid`` as it is now; psutil.NoSuchProcess where the root is gone."""
    cpu_s = {False: 0.0, True: 0.0}
    rss_bytes = {False: 0, True: 0}
    count = {False: 0, True: 0}
    for process in _tree(root_pid):
        try:
            times, memory, is_store = process.cpu_times(), process.memory_info(), _is_store(process)
        except psutil.NoSuchProcess:
            continue
        cpu_s[is_store] += times.user + times.system
        # A process that ended is counted by the one that waited for it.
        cpu_s[is_store] += getattr(times, "children_user", 0.0)
        cpu_s[is_store] += getattr(times, "children_system", 0.0)
        rss_bytes[is_store] += memory.rss
        count[is_store] += 1
    return Usage(
        node_cpu_s=cpu_s[False],
        store_cpu_s=cpu_s[True],
        node_rss_bytes=rss_bytes[False],
        store_rss_bytes=rss_bytes[True],
        node_processes=count[False],
    )


def tree_pss_bytes(root_pid: int) -> dict[int, int]:
    """The proportional set size of each process of the tree but the store's, by process id.

    A page that several processes share counts in parts, so that the sum is what the tree takes.
    Empty where the system does not tell.
    """
    found = {}
    for process in _tree(root_pid):
        try:
            if not _is_store(process):
                found[process.pid] = pss_bytes(process.pid)
        except (psutil.NoSuchProcess, OSError):
            continue
    return found


def pss_bytes(pid: int) -> int:
    """The proportional set size of one process; OSError where it cannot be read."""
    return parse_pss(Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii"))


def parse_pss(rollup: str) -> int:
    """``Pss`` of the text of ``smaps_rollup`` (Linux proc(5)), in bytes; OSError without one."""
    for line in rollup.splitlines():
        name, _, size = line.partition(":")
        if name == "Pss":
            return int(size.split()[0]) * _KIBIBYTE
    raise OSError("smaps_rollup holds no Pss")


def _tree(root_pid: int) -> Iterator[psutil.Process]:
    root = psutil.Process(root_pid)
    yield root
    yield from root.children(recursive=True)


def _is_store(process: psutil.Process) -> bool:
    name = process.name()
    return any(word in name for word in _STORE_NAMES)
