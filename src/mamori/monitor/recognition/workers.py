"""Threads that decode. Daemons: a decode that hangs must keep neither stop nor exit waiting."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import ParamSpec, TypeVar

_P = ParamSpec("_P")
_T = TypeVar("_T")


class WorkerPool(Executor):
    """An executor on ``threads`` daemon threads, first come, first served.

    The standard ThreadPoolExecutor joins its threads when the interpreter ends, for ever if native
    code hangs in one of them; this one never joins. Its users bound the queue: one job a lane.
    """

    def __init__(self, threads: int) -> None:
        if threads < 1:
            raise ValueError(f"threads must be at least 1, not {threads}")
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._threads = threads
        self._is_shut = False
        for _ in range(threads):
            self._start_thread()

    def submit(self, fn: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_T]:
        """Run ``fn`` on the next free thread; RuntimeError after ``shutdown``."""
        if self._is_shut:
            raise RuntimeError("the worker pool is shut down")
        future: Future[_T] = Future()

        def job() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                result = fn(*args, **kwargs)
            except BaseException as error:  # handed to who waits, as every executor does
                future.set_exception(error)
            else:
                future.set_result(result)

        self._jobs.put(job)
        return future

    def replace_thread(self) -> None:
        """Start one more thread, in place of one that hangs (and is free again if it returns)."""
        if not self._is_shut:
            self._threads += 1
            self._start_thread()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Let the threads end after the jobs queued so far; never waits for them."""
        del wait, cancel_futures
        if not self._is_shut:
            self._is_shut = True
            for _ in range(self._threads):
                self._jobs.put(None)

    def _start_thread(self) -> None:
        threading.Thread(target=self._work, name="recognition", daemon=True).start()

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()
