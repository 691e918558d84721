"""Running calls: each session bound to its recognition lanes, the journal and who listens."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import structlog

from mamori.errors import MamoriError
from mamori.monitor.alerts.messages import JournalRecord, journal_message
from mamori.monitor.events import (
    AlertEvent,
    AlertRaised,
    AlertResolved,
    AlertUpdated,
    AudioFrame,
    CallEnded,
    CallUpdated,
    Channel,
    EndReason,
    Event,
    JsonEvent,
    LadderMoved,
    MediaDropped,
    MediaGap,
    SpeechAudio,
    SpeechEnded,
    SpeechStarted,
    StageFailed,
)
from mamori.monitor.session import CallSession

log = structlog.get_logger(__name__)

Listener = Callable[[JsonEvent], None]


class Lane(Protocol):
    """Recognition of one channel, as ``recognition/service.py`` gives it."""

    def submit(self, event: SpeechStarted | SpeechAudio | SpeechEnded) -> None:
        """Queue speech; never blocks."""
        ...

    async def drain(self) -> None:
        """Return once everything that was submitted is decoded and delivered."""
        ...

    async def close(self) -> None:
        """Give back what the lane holds."""
        ...


class Journal(Protocol):
    """Where alerts become durable, as ``alerts/journal.py`` gives it."""

    async def append(self, records: Sequence[JournalRecord]) -> None:
        """Return once the records are committed."""
        ...


class AlertWriter:
    """Commits one call's alerts in order, and shows each only once it is committed.

    What cannot be committed now is kept and tried again: the alert book bounds how many there can
    be (one update per category and cooldown), so nothing is dropped here.
    """

    def __init__(
        self,
        *,
        call_id: str,
        tenant: str,
        journal: Journal,
        now_utc: Callable[[], str],
        show: Listener,
        observe_seconds: Callable[[float], None],
        # Long enough not to hammer a full disk, short enough that a freed one is used at once.
        retry_s: float = 0.5,
    ) -> None:
        self._call_id = call_id
        self._tenant = tenant
        self._journal = journal
        self._now_utc = now_utc
        self._show = show
        self._observe_seconds = observe_seconds
        self._retry_s = retry_s
        self._waiting: list[tuple[float, AlertEvent, JournalRecord]] = []
        self._task: asyncio.Task[None] | None = None

    def submit(self, event: AlertEvent) -> None:
        """Queue an alert event for its commit."""
        record = journal_message(event, tenant=self._tenant, at=self._now_utc())
        self._waiting.append((time.monotonic(), event, record))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._write(), name=f"alerts:{self._call_id}")

    async def drain(self) -> None:
        """Return once every alert event is committed and shown."""
        while self._task is not None and not self._task.done():
            await asyncio.wait({self._task})

    def abandon(self) -> int:
        """Give up at a forced stop; the number of events that were never committed."""
        if self._task is not None:
            self._task.cancel()
        return len(self._waiting)

    async def _write(self) -> None:
        failing = False
        while self._waiting:
            batch = tuple(self._waiting)
            try:
                await self._journal.append([record for _, _, record in batch])
            except MamoriError as error:
                if not failing:
                    failing = True
                    log.error("journal_failed", code=error.code, call_id=self._call_id)
                    self._show(self._failed(error, batch[0][1]))
                await asyncio.sleep(self._retry_s)
                continue
            failing = False
            del self._waiting[: len(batch)]
            for submitted_s, event, _ in batch:
                self._observe_seconds(time.monotonic() - submitted_s)
                self._show(event)

    def _failed(self, error: MamoriError, event: AlertEvent) -> StageFailed:
        return StageFailed(
            call_id=self._call_id,
            offset_ms=event.offset_ms,
            stage="journal",
            code=error.code,
            recoverable=True,
        )


class LiveCall:
    """One call that is being monitored; what telephony holds of it."""

    def __init__(
        self,
        session: CallSession,
        *,
        lanes: Mapping[Channel, Lane],
        writer: Callable[[Listener], AlertWriter],
        listeners: Sequence[Listener],
        on_end: Callable[[LiveCall], None],
    ) -> None:
        self.started = session.started
        self._session = session
        self._lanes = lanes
        self._listeners = list(listeners)
        self._on_end = on_end
        self._writer = writer(self._show)
        self._ending: asyncio.Task[CallEnded] | None = None
        self._show(session.started)

    @property
    def offset_ms(self) -> int:
        """Media time that the call has reached."""
        return self._session.offset_ms

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Hand the call's events to ``listener`` from now on; the result unsubscribes it."""
        self._listeners.append(listener)

        def unsubscribe() -> None:
            if listener in self._listeners:
                self._listeners.remove(listener)

        return unsubscribe

    def feed(self, event: AudioFrame | MediaGap | MediaDropped | CallUpdated) -> None:
        """Take the next stretch of the call's media."""
        if self._ending is None:
            self._take(self._session.feed(event))

    def deliver(self, events: Sequence[JsonEvent]) -> None:
        """Take what recognition made of the utterances."""
        for event in events:
            self._take(self._session.feed(event))

    async def end(self, reason: EndReason) -> CallEnded:
        """End the call once: recognise and commit what is pending; CallEnded comes last."""
        if self._ending is None:
            self._ending = asyncio.create_task(
                self._end(reason), name=f"end:{self.started.call_id}"
            )
        return await asyncio.shield(self._ending)

    def abandon(self) -> int:
        """Give up at a forced stop; the number of alert events that were never committed."""
        if self._ending is not None:
            self._ending.cancel()
        return self._writer.abandon()

    async def _end(self, reason: EndReason) -> CallEnded:
        self._take(self._session.finish_media())
        for lane in self._lanes.values():
            await lane.drain()
            await lane.close()
        events, ended = self._session.end(reason)
        self._take(events)
        await self._writer.drain()
        self._show(ended)
        self._on_end(self)
        return ended

    def _take(self, events: Sequence[Event]) -> None:
        for event in events:
            match event:
                case SpeechStarted() | SpeechAudio() | SpeechEnded():
                    lane = self._lanes.get(event.channel)
                    if lane is not None:
                        lane.submit(event)
                    if not isinstance(event, SpeechAudio):
                        self._show(event)
                case AlertRaised() | AlertUpdated() | AlertResolved() | LadderMoved():
                    self._writer.submit(event)
                case AudioFrame():
                    pass
                case _:
                    self._show(event)

    def _show(self, event: JsonEvent) -> None:
        for listener in tuple(self._listeners):
            listener(event)
