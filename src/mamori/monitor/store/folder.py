"""The data folder of the embedded server: one owner at a time, and no leftovers of a crash.

Linux only: leftovers are found by ``/proc``.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import signal
import stat
import tempfile
import time
from pathlib import Path
from typing import Final

from mamori.errors import MamoriError

# struct sockaddr_un holds 108 bytes, the last one a zero.
_SOCKET_PATH_MAX_BYTES: Final = 107
_LOG_MAX_BYTES: Final = 5 * 1024 * 1024
# A process that got SIGKILL leaves within milliseconds, unless the disk is stuck.
_ORPHAN_GONE_S: Final = 5.0
# A killed owner holds its lock until the kernel has taken it apart, some tens of milliseconds.
_LOCK_WAIT_S: Final = 1.0
_LOG_TAIL_BYTES: Final = 2_000


class EmbeddedStoreError(MamoriError):
    """The embedded server cannot run.

    ``folder_in_use``, ``folder_unusable``, ``server_missing``, ``server_failed``, ``orphan_stays``.
    """


# Locks of this process. A worker that is forked, not started anew, would inherit them and keep
# the folder locked after our death.
_held_locks: set[int] = set()


def _forget_locks() -> None:
    for descriptor in _held_locks:
        os.close(descriptor)
    _held_locks.clear()


os.register_at_fork(after_in_child=_forget_locks)


class DataFolder:
    """Paths inside the folder, its lock, and its cleaning up."""

    def __init__(self, path: Path, *, runtime_dir: Path | None) -> None:
        self.path = path.absolute()
        self._runtime_dir = runtime_dir
        self._lock: int | None = None

    @property
    def config_path(self) -> Path:
        """What the server reads."""
        return self.path / "valkey.conf"

    @property
    def log_path(self) -> Path:
        """What the server prints."""
        return self.path / "valkey.log"

    @property
    def url_path(self) -> Path:
        """The address of the running server, for other processes of the same user."""
        return self.path / "valkey.url"

    def lock(self) -> None:
        """Make the folder (mode 0700) and take it; EmbeddedStoreError if another process has it.

        Waits up to a second for an owner that is just dying.
        """
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.path.chmod(0o700)
            lock = os.open(self.path / "owner.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise EmbeddedStoreError(
                "folder_unusable", f"the data folder {self.path} cannot be used: {error.strerror}"
            ) from error
        give_up_at = time.monotonic() + _LOCK_WAIT_S
        while not _take(lock):
            if time.monotonic() > give_up_at:
                owner = os.pread(lock, 20, 0).decode("ascii", "replace").strip() or "unknown"
                os.close(lock)
                raise EmbeddedStoreError(
                    "folder_in_use",
                    f"the data folder {self.path} is in use by process {owner}: stop it, "
                    "or give this one a folder of its own",
                )
            time.sleep(0.01)
        os.truncate(lock, 0)
        os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
        self._lock = lock
        _held_locks.add(lock)

    def unlock(self) -> None:
        """Give the folder back."""
        if self._lock is not None:
            _held_locks.discard(self._lock)
            os.close(self._lock)
            self._lock = None

    def end_orphans(self, binary: Path) -> int:
        """Kill servers that still work in this folder though its owner is gone; how many.

        Only while the lock is held: whoever still serves the folder then has no living owner. Told
        by what the process runs and where, never by a number that another process may have by now.
        """
        orphans = [pid for pid in _processes() if self._is_our_server(pid, binary)]
        for pid in orphans:
            os.kill(pid, signal.SIGKILL)
        give_up_at = time.monotonic() + _ORPHAN_GONE_S
        while any(self._is_our_server(pid, binary) for pid in orphans):
            if time.monotonic() > give_up_at:
                raise EmbeddedStoreError(
                    "orphan_stays",
                    f"a server of an earlier run still works in {self.path} and does not end: "
                    f"process {orphans[0]}",
                )
            time.sleep(0.01)
        return len(orphans)

    def _is_our_server(self, pid: int, binary: Path) -> bool:
        try:
            program = Path(f"/proc/{pid}/exe").readlink()
            folder = Path(f"/proc/{pid}/cwd").readlink()
        except OSError:  # gone, a zombie, or another user's
            return False
        # A package that was updated since shows as "… (deleted)".
        return program.name.split(" ")[0] == binary.name and folder == self.path.resolve()

    def socket_path(self) -> Path:
        """Where the server listens: in the folder, or where its path is too long, in a short one.

        The short one is private to the user and the same at every start.
        """
        inside = self.path / "valkey.sock"
        if len(os.fsencode(inside)) <= _SOCKET_PATH_MAX_BYTES:
            return inside
        name = hashlib.sha256(os.fsencode(self.path)).hexdigest()[:16]
        outside = self._short_folder() / f"{name}.sock"
        if len(os.fsencode(outside)) > _SOCKET_PATH_MAX_BYTES:
            raise EmbeddedStoreError(
                "folder_unusable",
                f"the path {outside} is too long for a socket ({_SOCKET_PATH_MAX_BYTES} bytes)",
            )
        return outside

    def _short_folder(self) -> Path:
        given = self._runtime_dir or tempfile.gettempdir()
        folder = Path(given) / f"mamori-{os.getuid()}"
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
            status = folder.lstat()
        except OSError as error:
            raise EmbeddedStoreError(
                "folder_unusable", f"no place for a socket in {folder}: {error.strerror}"
            ) from error
        # Anybody may have made a folder of this name in a shared place before us.
        private = stat.S_IMODE(status.st_mode) & 0o077 == 0
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid() or not private:
            raise EmbeddedStoreError(
                "folder_unusable", f"{folder} is not a private folder (0700) of this user"
            )
        return folder

    def open_log(self) -> int:
        """A descriptor to append to the log; a log above 5 MB becomes ``valkey.log.1`` first."""
        try:
            if self.log_path.stat().st_size > _LOG_MAX_BYTES:
                self.log_path.replace(self.log_path.with_suffix(".log.1"))
        except FileNotFoundError:
            pass
        return os.open(self.log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def log_tail(self) -> str:
        """The last lines that the server printed."""
        try:
            return self.log_path.read_bytes()[-_LOG_TAIL_BYTES:].decode("utf-8", "replace").strip()
        except OSError:
            return ""

    def write_private(self, path: Path, text: str) -> None:
        """Write a file that only this user can read, whole or not at all."""
        draft = path.with_name(path.name + ".new")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write(text)
        draft.replace(path)


def _take(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _processes() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal()]
