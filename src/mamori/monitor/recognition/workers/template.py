"""The template: loads models once, alone on its thread, and forks the workers that share them.

Started by exec, never by fork: a node has threads, secrets and sockets that no worker may hold.
"""

from __future__ import annotations

import gc
import importlib
import os
import selectors
import signal
import socket
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, NoReturn, cast

from mamori.monitor.recognition.port import RecognitionError
from mamori.monitor.recognition.workers import process, wire
from mamori.monitor.recognition.workers.messages import error_to_json
from mamori.monitor.recognition.workers.spec import EngineFactory, EngineSet, EngineSpec
from mamori.monitor.recognition.workers.worker import serve


def main(descriptor: int, node_pid: int) -> None:
    """Serve the node at the other end of ``descriptor`` until it hangs up."""
    process.die_with_parent(node_pid)
    process.ignore_group_signals()
    process.forbid_core_dumps()
    with socket.socket(fileno=descriptor) as node:
        node.set_inheritable(False)
        start = wire.receive(node)
        if start is None:
            return
        try:
            engines = load(start.header)
        except RecognitionError as error:
            wire.send(node, {"is": "failed", **error_to_json(error)})
            return
        wire.send(node, {"is": "loaded", "cpu_total_s": time.process_time()})
        _silence()
        Template(node, engines, niceness=start.header["niceness"]).run()


def load(start: Mapping[str, Any]) -> EngineSet:
    """The engines of the start message; RecognitionError, also where a fork would be unsafe."""
    module, _, function = start["factory"].partition(":")
    try:
        factory = cast(EngineFactory, getattr(importlib.import_module(module), function))
        engines = factory(EngineSpec.from_json(start["spec"]))
    except RecognitionError:
        raise
    except Exception as error:
        # Nothing of a caller is here yet: the whole text may be told.
        raise RecognitionError(
            "engine_unusable", f"the engines do not load: {type(error).__name__}: {error}"
        ) from error
    process.trim_heap()
    # What is frozen is not touched by collections, so its pages stay shared.
    gc.collect()
    gc.freeze()
    threads = process.thread_count()
    if threads != 1:
        raise RecognitionError(
            "template_threads",
            f"the template must have one thread to be forked, but has {threads}:"
            " a library has started threads",
        )
    return engines


class Template:
    """Forks on request, reaps, and tells the node how each worker ended."""

    def __init__(self, node: socket.socket, engines: EngineSet, *, niceness: int) -> None:
        self._node = node
        self._engines = engines
        self._niceness = niceness
        self._pids: dict[int, int] = {}  # by worker id
        self._reader = wire.FrameReader()
        self._descriptors: list[int] = []

    def run(self) -> None:
        """Serve until the node hangs up; then every worker is killed and reaped."""
        wake_out, wake_in = socket.socketpair()
        with wake_out, wake_in, selectors.DefaultSelector() as selector:
            wake_out.setblocking(False)
            wake_in.setblocking(False)
            signal.signal(signal.SIGCHLD, lambda *_: None)
            signal.set_wakeup_fd(wake_in.fileno(), warn_on_full_buffer=False)
            selector.register(self._node, selectors.EVENT_READ)
            selector.register(wake_out, selectors.EVENT_READ)
            is_open = True
            while is_open:
                for key, _ in selector.select():
                    if key.fileobj is self._node:
                        is_open = self._serve_node()
                    else:
                        with suppress(BlockingIOError):
                            wake_out.recv(4096)
                        self._reap()
        self._end_workers()

    def _serve_node(self) -> bool:
        received = wire.receive_with_descriptors(self._node, self._reader)
        if received is None:
            return False
        frames, descriptors = received
        self._descriptors += descriptors
        for frame in frames:
            worker_id = frame.header["worker"]
            if frame.header["is"] == "fork":
                self._fork(worker_id, self._descriptors.pop(0))
            elif worker_id in self._pids:
                # Unreaped, so the number is still this worker's and nobody else's.
                os.kill(self._pids[worker_id], signal.SIGKILL)
        return True

    def _fork(self, worker_id: int, descriptor: int) -> None:
        template_pid = os.getpid()
        try:
            pid = os.fork()
        except OSError:  # no memory or no process left: the node sees its socket end
            os.close(descriptor)
            return
        if pid == 0:
            self._work(descriptor, template_pid)
        os.close(descriptor)
        self._pids[worker_id] = pid
        self._tell({"is": "forked", "worker": worker_id, "pid": pid})

    def _work(self, descriptor: int, template_pid: int) -> NoReturn:
        status = 1
        try:
            process.die_with_parent(template_pid)
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            keep = descriptor
            os.closerange(3, keep)
            os.closerange(keep + 1, os.sysconf("SC_OPEN_MAX"))
            process.die_first_without_memory()
            os.nice(self._niceness)
            with socket.socket(fileno=keep) as sock:
                serve(sock, self._engines)
            status = 0
        except OSError:  # the node hung up in the middle of an answer
            status = 0
        finally:
            os._exit(status)  # nothing of the template's may run at the end of its copy

    def _reap(self) -> None:
        for worker_id, pid in list(self._pids.items()):
            done, status, usage = os.wait4(pid, os.WNOHANG)
            if done:
                del self._pids[worker_id]
                code = os.waitstatus_to_exitcode(status)
                self._tell(
                    {
                        "is": "ended",
                        "worker": worker_id,
                        "exit_code": code,
                        "worker_cpu_s": usage.ru_utime + usage.ru_stime,
                    }
                )

    def _tell(self, message: dict[str, Any]) -> None:
        with suppress(OSError):  # the node is gone: the end of its socket is read next
            wire.send(self._node, {**message, "cpu_total_s": time.process_time()})

    def _end_workers(self) -> None:
        for pid in self._pids.values():
            os.kill(pid, signal.SIGKILL)
        for pid in self._pids.values():
            os.waitpid(pid, 0)


def _silence() -> None:
    """From here on there is audio of callers, and libraries may print what they like."""
    with open(os.devnull, "wb", buffering=0) as nowhere:  # noqa: PTH123 - descriptors, no path
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
