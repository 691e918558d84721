"""A running call: its session bound to recognition lanes, the alert writer and who listens."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

import structlog

from mamori.monitor.app.alert_writer import AlertWriter
from mamori.monitor.events import (
    AlertRaised,
    AlertResolved,
    AlertUpdated,
    AudioFrame,
    CallEnded,
    CallUpdated,
    Channel,
    Detection,
    EndReason,
    Event,
    JsonEvent,
    LadderMoved,
    MediaDropped,
    MediaGap,
    PhraseHint,
    SpeechAudio,
    SpeechEnded,
    SpeechStarted,
    StageFailed,
)
from mamori.monitor.recognition.call import CallRecognition
from mamori.monitor.recognition.lane import Lane
from mamori.monitor.session import CallSession

log = structlog.get_logger(__name__)

Listener = Callable[[JsonEvent], None]


class LiveCall:
    """One call that is being monitored; what telephony holds of it."""

    def __init__(
        self,
        session: CallSession,
        *,
        alerts: AlertWriter,
        listeners: Sequence[Listener],
        on_end: Callable[[LiveCall], None],
    ) -> None:
        self.started = session.started
        self._session = session
        self._recognition: CallRecognition | None = None
        self._listeners = list(listeners)
        self._followers = 0
        self._is_over = False
        self._on_end = on_end
        self._alerts = alerts.of_call(session.started, self._show)
        self._ending: asyncio.Task[CallEnded] | None = None
        self._show(session.started)

    @property
    def offset_ms(self) -> int:
        """Media time that the call has reached."""
        return self._session.offset_ms

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Hand the call's events to ``listener`` from now on; the result unsubscribes it."""
        self._listeners.append(listener)
        self._follow(1)

        def unsubscribe() -> None:
            if listener in self._listeners:
                self._listeners.remove(listener)
                self._follow(-1)

        return unsubscribe

    def recognise_with(self, recognition: CallRecognition) -> None:
        """Have the call's speech put into words; once, before any audio."""
        self._recognition = recognition

    @property
    def lag_ms(self) -> Mapping[Channel, int]:
        """For each channel, how long its oldest speech has waited for words, on the wall."""
        return self._recognition.lag_ms if self._recognition is not None else {}

    def feed(self, event: AudioFrame | MediaGap | MediaDropped | CallUpdated) -> None:
        """Take the next stretch of the call's media."""
        if self._ending is None:
            self._take(self._session.feed(event))

    def deliver(self, events: Sequence[JsonEvent]) -> None:
        """Take what recognition made of the utterances; what comes after the end is nobody's."""
        if not self._is_over:
            for event in events:
                self._take(self._session.feed(event))

    async def end(self, reason: EndReason) -> CallEnded:
        """End the call once: recognise and commit what is pending; CallEnded comes last."""
        if self._ending is None:
            self._ending = asyncio.create_task(
                self._end(reason), name=f"end:{self.started.call_id}"
            )
        return await asyncio.shield(self._ending)

    async def _end(self, reason: EndReason) -> CallEnded:
        self._take(self._session.finish_media())
        lanes = self._recognition.lanes if self._recognition is not None else {}
        for channel, lane in lanes.items():
            await self._close_lane(channel, lane)
        self._is_over = True
        events, ended = self._session.end(reason)
        self._take(events)
        await self._alerts.shown()
        self._show(ended)
        self._on_end(self)
        return ended

    async def _close_lane(self, channel: Channel, lane: Lane) -> None:
        """Take the lane's last words; a lane that fails costs those and nothing else."""
        try:
            await lane.drain()
            await lane.close()
        except Exception as error:  # boundary of the stage
            log.error("lane_failed", error_type=type(error).__name__, channel=channel)
            failure = StageFailed(
                call_id=self.started.call_id,
                offset_ms=self.offset_ms,
                stage="recognition",
                code="lane_failed",
                recoverable=False,
                channel=channel,
            )
            self._take(self._session.feed(failure))

    def _take(self, events: Sequence[Event]) -> None:
        for event in events:
            match event:
                case SpeechStarted() | SpeechAudio() | SpeechEnded():
                    if self._recognition is not None:
                        self._recognition.lanes[event.channel].submit(event)
                    if not isinstance(event, SpeechAudio):
                        self._show(event)
                case AlertRaised() | AlertUpdated() | AlertResolved() | LadderMoved():
                    self._alerts.submit(event)
                case AudioFrame():
                    pass
                case _:
                    if self._recognition is not None and isinstance(event, Detection | PhraseHint):
                        self._recognition.suspect()
                    self._show(event)

    def _follow(self, change: int) -> None:
        """Who reads the events as they come watches the call."""
        self._followers += change
        if self._recognition is not None:
            self._recognition.watch(self._followers > 0)

    def _show(self, event: JsonEvent) -> None:
        for listener in tuple(self._listeners):
            try:
                listener(event)
            except Exception as error:  # boundary: who listens never harms the call
                log.error("listener_failed", error_type=type(error).__name__)
                self._listeners.remove(listener)
