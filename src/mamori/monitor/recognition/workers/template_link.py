"""The node's end of the template: starts it, asks it for forks, hears how workers ended."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import sysconfig
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from mamori.monitor.recognition.port import RecognitionError
from mamori.monitor.recognition.workers.messages import error_of
from mamori.monitor.recognition.workers.spec import EngineSpec
from mamori.monitor.recognition.workers.wire import Frame, FrameError, FrameReader, pack_head

_MODULE: Final = "mamori.monitor.recognition.workers.template"
_SET_VARIABLES: Final = {
    "LANG": "C.UTF-8",
    # A process that is forked must have one thread, and a worker is one thread by design.
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    # Recognisers used and freed left 557 MB with one arena and 640 MB with the default.
    "MALLOC_ARENA_MAX": "1",
    # Models are files of this machine; no library may ask the network for one.
    "HF_HUB_OFFLINE": "1",
}
# An idle template ends in milliseconds; one that does not is killed.
_END_WITHIN_S: Final = 2.0


class TemplateLink:
    """One template process. Callbacks run on the event loop.

    ``on_forked(worker_id, pid)``; ``on_ended(worker_id, exit_code, cpu_s)`` for each worker that
    was reaped, the code negative for a signal; ``on_lost()`` when a loaded template is gone.
    """

    def __init__(
        self,
        *,
        on_forked: Callable[[int, int], None],
        on_ended: Callable[[int, int, float], None],
        on_lost: Callable[[], None],
    ) -> None:
        self._on_forked = on_forked
        self._on_ended = on_ended
        self._on_lost = on_lost
        self._reader = FrameReader()
        self._socket: socket.socket | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._loaded: asyncio.Future[None] | None = None
        self.cpu_s = 0.0
        """Processor time of the template itself, as it last told."""

    @property
    def pid(self) -> int:
        """The template's process number; 0 before ``start``."""
        return 0 if self._process is None else self._process.pid

    async def start(
        self, spec: EngineSpec, *, factory: str, niceness: int, within_s: float
    ) -> None:
        """Start the process and wait until the models are there.

        RecognitionError of the engines, or ``template_lost`` or ``template_slow``; the process is
        gone then.
        """
        loop = asyncio.get_running_loop()
        self._loaded = loop.create_future()
        near, far = socket.socketpair()
        near.setblocking(False)
        self._socket = near
        start = {"factory": factory, "niceness": niceness, "spec": spec.to_json()}
        try:
            with far:
                self._process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    *("-P", "-m", _MODULE, str(far.fileno()), str(os.getpid())),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=asyncio.subprocess.DEVNULL,
                    pass_fds=(far.fileno(),),
                    env=_environment(),
                )
            with suppress(ConnectionError):  # the end of the socket is read below
                await loop.sock_sendall(near, pack_head(start))
            loop.add_reader(near, self._read, near)
            async with asyncio.timeout(within_s):
                await self._loaded
            if self._socket is None:  # it ended just after it had loaded
                raise _lost()
        except BaseException as error:
            await self.close()
            if isinstance(error, TimeoutError):
                raise RecognitionError(
                    "template_slow",
                    f"the recognition models did not load within {within_s:g} s",
                    recoverable=True,
                ) from None
            raise

    def fork(self, worker_id: int) -> socket.socket:
        """Ask for a worker; the node's end of its socket, which ends if the fork fails."""
        near, far = socket.socketpair()
        near.setblocking(False)
        with far:
            self._send({"is": "fork", "worker": worker_id}, far.fileno())
        return near

    def kill(self, worker_id: int) -> None:
        """Have the worker killed by its parent, who alone knows the number is still its."""
        self._send({"is": "kill", "worker": worker_id})

    async def close(self) -> None:
        """End the template and its workers, within seconds; may be called twice."""
        loaded = self._loaded
        is_idle = loaded is not None and loaded.done() and not loaded.cancelled()
        self._hang_up()
        process = self._process
        if process is None:
            return
        if not is_idle:
            _kill(process)
        try:
            async with asyncio.timeout(_END_WITHIN_S):
                await process.wait()
        except TimeoutError:
            _kill(process)
            await process.wait()

    def _send(self, message: dict[str, Any], *descriptors: int) -> None:
        if self._socket is None:
            return
        try:
            socket.send_fds(self._socket, [pack_head(message)], list(descriptors))
        except OSError:  # gone, or so stuck that thousands of requests lie unread
            self.give_up()

    def _read(self, sock: socket.socket) -> None:
        try:
            data = sock.recv(65_536)
            if data:
                for frame in self._reader.feed(data):
                    self._take(frame)
                return
        except BlockingIOError:
            return
        except (OSError, FrameError):
            pass
        self.give_up()

    def _take(self, frame: Frame) -> None:
        fields = frame.header
        self.cpu_s = fields.get("cpu_total_s", self.cpu_s)
        loaded = self._loaded
        match fields["is"]:
            case "forked":
                self._on_forked(fields["worker"], fields["pid"])
            case "ended":
                self._on_ended(fields["worker"], fields["exit_code"], fields["worker_cpu_s"])
            case "loaded" if loaded is not None and not loaded.done():
                loaded.set_result(None)
            case "failed" if loaded is not None and not loaded.done():
                loaded.set_exception(error_of(fields))

    def give_up(self) -> None:
        """The template is gone or of no use: kill what is left of it; its workers die with it."""
        self._hang_up()
        if self._process is not None:
            _kill(self._process)
        loaded = self._loaded
        if loaded is None or loaded.cancelled():
            return
        if not loaded.done():
            loaded.set_exception(_lost())
        elif loaded.exception() is None:
            self._on_lost()

    def _hang_up(self) -> None:
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()
            self._socket = None


def _lost() -> RecognitionError:
    return RecognitionError(
        "template_lost",
        "the process that loads the recognition models ended before any worker was made",
        recoverable=True,
    )


def _environment() -> dict[str, str]:
    """Where modules are found, as the node finds them; nothing of the node's own environment."""
    # An empty entry would be the folder that the node happens to be in.
    variables = {**_SET_VARIABLES, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    if sysconfig.get_config_var("Py_ENABLE_SHARED"):
        # The interpreter's own library may lie where only a variable says.
        variables["LD_LIBRARY_PATH"] = sysconfig.get_config_var("LIBDIR")
    return variables


def _kill(process: asyncio.subprocess.Process) -> None:
    # Not process.kill(): it may reap the child before the event loop's own watcher does, which then
    # warns of an unknown child.
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
