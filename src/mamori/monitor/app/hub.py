"""All calls of a node: opening them, and letting none go without its end."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import structlog

from mamori.monitor.alerts.errors import JournalError
from mamori.monitor.alerts.journal import AlertJournal
from mamori.monitor.alerts.messages import utc_iso
from mamori.monitor.alerts.work import CallKey
from mamori.monitor.app.alert_writer import AlertWriter
from mamori.monitor.app.calls import Listener, LiveCall
from mamori.monitor.app.engines import Recognition
from mamori.monitor.app.feed import CallFeed
from mamori.monitor.app.metrics import NodeMetrics
from mamori.monitor.app.pipeline import Pipeline
from mamori.monitor.events import (
    CallStarted,
    EndReason,
    JsonEvent,
    StageFailed,
    primary_language,
)
from mamori.monitor.recognition.call import CallRecognition
from mamori.monitor.store.live import LivePublisher
from mamori.telephony.port import CallRefused

log = structlog.get_logger(__name__)

# How exactly an interrupted call's length is known after a crash.
_PROGRESS_EVERY_S = 5.0
# A screen shows a lag of words before anybody wonders where they are.
_LAG_EVERY_S = 1.0
# A commit takes milliseconds; a disk that stalls must not keep a call from being monitored.
_NOTE_OPENED_S = 1.0


def now_utc() -> str:
    """The wall time, UTC, ISO 8601 with milliseconds."""
    return utc_iso(datetime.now(UTC))


class CallHub:
    """Opens calls for telephony, and binds each to pipeline, recognition, journal and feed."""

    def __init__(
        self,
        *,
        pipeline: Pipeline,
        recognition: Recognition,
        journal: AlertJournal,
        alerts: AlertWriter,
        live: LivePublisher,
        metrics: NodeMetrics,
        listeners: Sequence[Listener] = (),
    ) -> None:
        self._pipeline = pipeline
        self._recognition = recognition
        self._journal = journal
        self._alerts = alerts
        self._live = live
        self._metrics = metrics
        self._listeners = tuple(listeners)
        self._calls: dict[LiveCall, CallFeed] = {}
        self._opening = 0
        self._closing: set[asyncio.Task[None]] = set()

    @property
    def active(self) -> int:
        """Calls that have not ended."""
        return len(self._calls)

    async def open_call(self, started: CallStarted) -> LiveCall:
        """Monitor a new call; what is out of order narrows the service, it refuses no call.

        CallRefused ``overloaded`` where the machine has no room left beside the calls that go on.
        """
        self._check_room()
        self._opening += 1
        try:
            session_id = uuid.uuid4().hex
            await self._note_opened(started)
            call = self._start(started, session_id)
        finally:
            self._opening -= 1
        return call

    def _start(self, started: CallStarted, session_id: str) -> LiveCall:
        feed = CallFeed(self._live, started, session_id=session_id, now_utc=now_utc)
        call = LiveCall(
            self._pipeline.session(started, alert_id_prefix=session_id),
            alerts=self._alerts,
            listeners=[self._counter(started), feed.show, *self._listeners],
            on_end=self._ended,
        )
        self._calls[call] = feed
        recognition = self._open_recognition(call)
        if recognition is not None:
            call.recognise_with(recognition)
        return call

    async def end_all(self, reason: EndReason) -> None:
        """End every call that is left; one that fails keeps none of the others."""
        ends = [call.end(reason) for call in tuple(self._calls)]
        for outcome in await asyncio.gather(*ends, return_exceptions=True):
            if isinstance(outcome, Exception):
                log.error("call_end_failed", error_type=type(outcome).__name__)

    async def settle(self) -> None:
        """Return once every ended call is closed in the journal."""
        while self._closing:
            await asyncio.wait(tuple(self._closing))

    async def run(self) -> None:
        """Keep noting how far each call has come and what the feed dropped, until cancelled."""
        missed = 0
        while True:
            await asyncio.sleep(_PROGRESS_EVERY_S)
            counts = self._live.counts
            dropped = counts.dropped_messages + counts.dropped_levels + counts.dropped_calls
            self._metrics.events_dropped.labels(to="store").inc(dropped - missed)
            missed = dropped
            offsets_ms = {
                CallKey(call.started.tenant, call.started.call_id): call.offset_ms
                for call in self._calls
            }
            try:
                await self._journal.call_progress(offsets_ms)
            except JournalError as error:
                log.error("journal_failed", code=error.code)

    async def tell_lag(self) -> None:
        """Keep telling the screens how far behind the words of each call are, until cancelled."""
        while True:
            await asyncio.sleep(_LAG_EVERY_S)
            for call, feed in self._calls.items():
                feed.show_lag(call.offset_ms, call.lag_ms)

    async def _note_opened(self, started: CallStarted) -> None:
        """Keep that the call is live.

        Where that fails or takes long the call is monitored all the same: only a crash would not
        find it again.
        """
        try:
            async with asyncio.timeout(_NOTE_OPENED_S):
                await self._journal.call_opened(started.tenant, started.call_id)
        except JournalError as error:
            log.error("journal_failed", code=error.code, call_id=started.call_id)
        except TimeoutError:
            log.error("journal_failed", code="slow", call_id=started.call_id)

    def _counter(self, started: CallStarted) -> Callable[[JsonEvent], None]:
        def count(event: JsonEvent) -> None:
            self._metrics.count(event, tenant=started.tenant, dialect=started.dialect)

        return count

    def _check_room(self) -> None:
        governor = self._recognition.governor
        if governor is not None and not governor.admits(len(self._calls) + self._opening):
            raise CallRefused(
                "overloaded",
                "the node has no room for another call beside those that go on",
                retry_after_s=governor.retry_after_s,
            )

    def _open_recognition(self, call: LiveCall) -> CallRecognition | None:
        """Recognition of the call; what its language lacks is said on the call."""
        started = call.started
        language = primary_language(started.language)
        service = self._recognition.service
        if language not in self._pipeline.matchers:
            call.deliver([_no_words(started, "language_not_configured")])
            return None
        if service is None:
            return None
        if not service.knows(language):
            call.deliver([_no_words(started, "language_unavailable")])
            return None
        try:
            return service.open_call(
                call_id=started.call_id,
                channels=started.channels,
                language=language,
                sample_rate_hz=started.sample_rate_hz,
                deliver=call.deliver,
            )
        except Exception as error:  # boundary of the stage: sound and clock go on without words
            log.error("recognition_failed", error_type=type(error).__name__)
            call.deliver([_no_words(started, "recognition_failed")])
            return None

    def _ended(self, call: LiveCall) -> None:
        self._calls.pop(call, None)
        task = asyncio.create_task(self._close(call), name=f"close:{call.started.call_id}")
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def _close(self, call: LiveCall) -> None:
        try:
            await self._journal.call_closed(call.started.tenant, call.started.call_id)
        except JournalError as error:
            log.error("journal_failed", code=error.code, call_id=call.started.call_id)


def _no_words(started: CallStarted, code: str) -> StageFailed:
    return StageFailed(
        call_id=started.call_id,
        offset_ms=0,
        stage="recognition",
        code=code,
        recoverable=False,
        detail=started.language,
    )
