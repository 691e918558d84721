"""One channel of one call on the event loop: takes speech without waiting, delivers hypotheses."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

import structlog

from mamori.monitor.events import JsonEvent, RecognitionScope, SpeechAudio, SpeechEvent
from mamori.monitor.recognition.channel import ChannelState, Surroundings
from mamori.monitor.recognition.codes import UNFINISHED
from mamori.monitor.recognition.leases import Lease
from mamori.monitor.recognition.port import (
    Depth,
    Job,
    RecognitionError,
    StreamReply,
    Transcript,
    WorkerLostError,
)
from mamori.monitor.recognition.recogniser import ChannelRecogniser
from mamori.monitor.recognition.tasks import Task, Work

Deliver = Callable[[Sequence[JsonEvent]], None]

log = structlog.get_logger(__name__)


class LaneHost(Surroundings, Protocol):
    """What a lane needs of the service that opened it."""

    def wake(self, lane: Lane) -> None:
        """The lane may have work."""
        ...

    def closed(self, lane: Lane) -> None:
        """The lane came to its end."""
        ...


class Lane:
    """Opened by RecognitionService; all methods on the event loop, none waits for a decode.

    It decides nothing about workers: it says what it wants done (``tasks``), is told when that
    begins, ends or fails, and delivers in order.
    """

    def __init__(
        self, state: ChannelState, *, call_id: str, host: LaneHost, deliver: Deliver
    ) -> None:
        self._host = host
        self._deliver = deliver
        self._state = state
        self._recogniser = ChannelRecogniser(state, call_id=call_id, around=host)
        self._loop = asyncio.get_running_loop()
        self._idle = asyncio.Event()
        self._idle.set()
        self._is_closing = False
        self._will_send = False
        self._heard_ms = 0
        self._heard_samples = 0
        self.is_closed = False
        """Whether ``close`` has come to its end."""

    @property
    def voice(self) -> str:
        """The channel's name among all of the process."""
        return self._state.voice

    @property
    def scope(self) -> RecognitionScope:
        """How much of this channel is put into words from now on."""
        return self._recogniser.scope

    @scope.setter
    def scope(self, scope: RecognitionScope) -> None:
        self._recogniser.scope = scope
        self._changed()

    @property
    def kind(self) -> str:
        """What a recogniser must be made for: language and rate."""
        return f"{self._state.language} {self._state.sample_rate_hz}"

    @property
    def heard_ms(self) -> int:
        """Media time up to which speech came."""
        return self._heard_ms

    @property
    def late_s(self) -> float:
        """How long the oldest utterance has waited for a worker, beyond what it may."""
        return self._state.late_s(self._host.now_s())

    def take_heard_s(self) -> float:
        """Seconds of speech submitted since the last time."""
        samples, self._heard_samples = self._heard_samples, 0
        return samples / self._state.sample_rate_hz

    def take_dropped_rereads(self) -> int:
        """How many second readings were wanted and came to nothing since the last time."""
        return self._state.rereads.take_dropped()

    @property
    def lag_ms(self) -> int:
        """How long the oldest speech has waited for its words, on the wall."""
        return round(self._state.lag_s(self._host.now_s()) * 1000)

    @property
    def backlog(self) -> int:
        """Utterances that have ended and that no worker has yet."""
        state = self._state
        return sum(each.end is not None and not state.is_at_work(each) for each in state.queue)

    @property
    def shed_samples(self) -> int:
        """Samples submitted that no final will ever speak for."""
        return self._recogniser.shed_samples

    def submit(self, event: SpeechEvent) -> None:
        """Take the next event of the channel, in order; returns at once.

        Results arrive by ``deliver``, on the event loop, never within this call. ValueError for
        audio or an end without its start; RuntimeError after ``close``.
        """
        if self._is_closing:
            raise RuntimeError("the lane is closed")
        if isinstance(event, SpeechAudio):
            self._heard_ms = event.end_offset_ms
            self._heard_samples += len(event.pcm)
        if self._recogniser.take(event) or self._recogniser.outbox:
            self._changed()

    async def drain(self) -> None:
        """Wait until all that was submitted is decoded, or given up, and delivered."""
        await self._idle.wait()

    async def close(self) -> None:
        """Drain; the lane takes nothing more. May be called twice."""
        self._is_closing = True
        await self.drain()
        self.abandon(UNFINISHED)
        await self.drain()
        if not self.is_closed:
            self.is_closed = True
            self._host.closed(self)

    def abandon(self, code: str) -> None:
        """Give up whatever has no final yet; jobs under way are not waited for."""
        self._recogniser.abandon(code)
        self._changed()

    def tell(self, event: JsonEvent) -> None:
        """Deliver an event about the call in its place among the lane's own."""
        self._recogniser.outbox.append(event)
        self._changed()

    def expire(self) -> None:
        """Give up what has waited too long to help anybody."""
        self._recogniser.expire()
        self._changed()

    def tasks(self) -> list[Task]:
        """What could be begun now."""
        return self._state.tasks(self._host.now_s())

    def begin(self, task: Task, lease: Lease | None, depth: Depth) -> Job:
        """The job of one of ``tasks`` that a worker takes now; ``lease`` where it needs a slot."""
        self._idle.clear()
        return self._recogniser.begin(task, lease, depth)

    def finish(self, task: Task, reply: Transcript | StreamReply, cpu_s: float) -> None:
        """A job ended and took so much of the processor."""
        self._state.allowance.charge(cpu_s, self._host.now_s())
        try:
            self._recogniser.finish(task, reply)
        finally:
            self._changed()

    def fail(self, task: Task, error: RecognitionError | WorkerLostError) -> None:
        """A job failed, or its worker was lost."""
        self._recogniser.fail(task, error)
        self._changed()

    def worker_lost(self, worker_id: int) -> None:
        """A worker is gone: what its recognisers had heard is heard anew by another one."""
        self._recogniser.worker_lost(worker_id)
        self._changed()

    def _changed(self) -> None:
        state = self._state
        if self._recogniser.outbox and not self._will_send:
            self._will_send = True
            self._loop.call_soon(self._send)
        wanted = any(self._is_waited_for(task) for task in self.tasks())
        if wanted or state.reading or state.hearing or self._will_send:
            self._idle.clear()
        else:
            self._idle.set()
        if not self.is_closed:  # a job may end after its lane was given up and closed
            self._host.wake(self)

    def _is_waited_for(self, task: Task) -> bool:
        """Whether the end of a call waits for it: for no second reading that came to no worker."""
        config = self._state.config
        if task.work is Work.REREAD and not config.offline:
            return self._host.now_s() - task.wanted_s < config.longest_wait_s
        return task.work is not Work.EARLY

    def _send(self) -> None:
        self._will_send = False
        events = tuple(self._recogniser.outbox)
        self._recogniser.outbox.clear()
        try:
            self._deliver(events)
        except Exception as error:  # boundary: who listens never harms the other calls
            log.error("recognition_not_taken", error_type=type(error).__name__)
        self._changed()
