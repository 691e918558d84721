"""The node's end of one worker: sends a job, hears the answer, notices the end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from enum import Enum, auto
from typing import Any, cast

from mamori.monitor.recognition.port import Done, Job, RecognitionError, WorkerLostError
from mamori.monitor.recognition.workers.messages import error_of, pack_job, reply_of
from mamori.monitor.recognition.workers.wire import Frame, FrameError, FrameReader


class Stage(Enum):
    """Where a worker is in its life."""

    STARTING = auto()
    SPARE = auto()
    """Warm, but takes no jobs."""
    READY = auto()
    LOST = auto()


class WorkerLink(asyncio.Protocol):
    """One worker process. ``on_message`` gets what is no answer; callbacks run on the loop."""

    def __init__(
        self,
        worker_id: int,
        *,
        on_message: Callable[[WorkerLink, Frame], None],
        on_answer: Callable[[WorkerLink, Done | RecognitionError], None],
        on_end: Callable[[WorkerLink], None],
        now_s: float,
    ) -> None:
        self.worker_id = worker_id
        self.stage = Stage.STARTING
        self.pid = 0
        """0 until the template has told it."""
        self.since_s = now_s
        """When it was asked for, and later when it got ready; the event loop's clock."""
        self.cpu_s = 0.0
        self._on_message = on_message
        self._on_answer = on_answer
        self._on_end = on_end
        self._reader = FrameReader()
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[Done] | None = None

    def submit(self, job: Job) -> asyncio.Future[Done]:
        """Send a job; the future also ends with RecognitionError or WorkerLostError.

        ValueError where a job is in work already, or the worker is not ready.
        """
        if self._transport is None or self.stage is not Stage.READY or self._answer is not None:
            raise ValueError(
                f"worker {self.worker_id} must be ready and without a job to be given one"
            )
        head, body = pack_job(job)
        self._transport.write(head)
        if body:
            self._transport.write(body)
        self._answer = asyncio.get_running_loop().create_future()
        return self._answer

    def drop(self, code: str) -> None:
        """Hang up; who waits for a job gets WorkerLostError with this code."""
        self.stage = Stage.LOST
        if self._transport is not None:
            self._transport.abort()
        answer, self._answer = self._answer, None
        if answer is not None and not answer.done():
            answer.set_exception(
                WorkerLostError(code, f"worker {self.worker_id} was lost: {code}", recoverable=True)
            )

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Take what the worker says; what cannot be understood ends it."""
        try:
            for frame in self._reader.feed(data):
                self._take(frame)
        except FrameError:
            self._on_end(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """The worker ended, or was hung up on."""
        del exc
        if self.stage is not Stage.LOST:
            self._on_end(self)

    def _take(self, frame: Frame) -> None:
        fields = frame.header
        self.cpu_s = fields["cpu_total_s"]
        if fields["is"] not in {"done", "error"}:
            self._on_message(self, frame)
            return
        result = _result_of(fields)
        answer, self._answer = self._answer, None
        if answer is not None and not answer.done():  # else the caller has gone
            if isinstance(result, RecognitionError):
                answer.set_exception(result)
            else:
                answer.set_result(result)
        self._on_answer(self, result)


def _result_of(fields: Mapping[str, Any]) -> Done | RecognitionError:
    if fields["is"] == "error":
        return error_of(fields)
    return Done(
        reply=reply_of(fields["reply"]),
        cpu_s=fields["cpu_s"],
        wall_s=fields["wall_s"],
        queued_s=fields["queued_s"],
    )
