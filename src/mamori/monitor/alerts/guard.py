"""What stands guard over the journal's files: one owner, and room kept free for the worst day."""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from pathlib import Path
from typing import Final

from mamori.monitor.alerts.errors import JournalError

# How often a spent reserve asks the disk for room again: one system call, at most once a second.
_RESTORE_EVERY_S: Final = 1.0


class OwnerLock:
    """Exclusive ownership of a journal; given back by the kernel whenever the process dies."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Take it; JournalError("in_use") names the process that has it."""
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.read(descriptor, 32).decode(errors="replace").strip() or "unknown"
            os.close(descriptor)
            raise JournalError(
                "in_use", f"the journal beside {self._path} belongs to running process {owner}"
            ) from None
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
        self._descriptor = descriptor

    def release(self) -> None:
        """Give it back; the file stays, for removing it would let two owners in."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


class DiskReserve:
    """Disk space held by a file, given to the journal when the disk is full, taken back later."""

    def __init__(self, path: Path, size_bytes: int) -> None:
        self._path = path
        self._size_bytes = size_bytes
        self._next_try_s = 0.0
        self.held = False

    def take(self) -> None:
        """Hold the space if the disk has it; ``held`` says whether it does."""
        if self._size_bytes == 0:
            return
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError:
            return
        try:
            os.posix_fallocate(descriptor, 0, self._size_bytes)
            self.held = True
        except OSError:
            self._path.unlink(missing_ok=True)
        finally:
            os.close(descriptor)

    @property
    def missing(self) -> bool:
        """Whether there should be a reserve and is none."""
        return self._size_bytes > 0 and not self.held

    def give_up(self) -> bool:
        """Free the space; whether there was any to free."""
        if not self.held:
            return False
        self._path.unlink(missing_ok=True)
        self.held = False
        return True

    def restore(self) -> None:
        """Take a spent reserve back once the disk has twice its size free."""
        now_s = time.monotonic()
        if not self.missing or now_s < self._next_try_s:
            return
        self._next_try_s = now_s + _RESTORE_EVERY_S
        try:
            free_bytes = shutil.disk_usage(self._path.parent).free
        except OSError:
            return
        if free_bytes >= 2 * self._size_bytes:
            self.take()
