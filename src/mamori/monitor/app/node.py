"""The node: everything started in order, watched, and stopped in the opposite order."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog

from mamori.config.settings import Settings
from mamori.errors import MamoriError
from mamori.monitor.alerts.errors import JournalError
from mamori.monitor.alerts.journal import AlertJournal
from mamori.monitor.alerts.messages import utc_iso
from mamori.monitor.app.alert_writer import AlertWriter
from mamori.monitor.app.calls import Listener
from mamori.monitor.app.door import DoorMetrics, telephony_config
from mamori.monitor.app.engines import Recognition, choose, open_live
from mamori.monitor.app.gauges import add_gauges
from mamori.monitor.app.health import HealthServer, PartHealth, State
from mamori.monitor.app.hub import CallHub, now_utc
from mamori.monitor.app.listening import check_certificate, listening
from mamori.monitor.app.loop_lag import LoopLag
from mamori.monitor.app.metrics import NodeMetrics, RecognitionMetrics
from mamori.monitor.app.pipeline import Pipeline
from mamori.monitor.app.secrets import node_id, redis_url, tenant_keys
from mamori.monitor.events import EndReason
from mamori.monitor.recognition.load import Level
from mamori.monitor.store.client import connect
from mamori.monitor.store.delivery import PublisherConfig
from mamori.monitor.store.embedded import EmbeddedValkey
from mamori.monitor.store.embedded_config import EmbeddedConfig
from mamori.monitor.store.live import LivePublisher
from mamori.monitor.store.publisher import PublishError, StreamPublisher
from mamori.monitor.store.scripts import StoreClient
from mamori.telephony.keys import AccessKeys
from mamori.telephony.server import TelephonyServer

log = structlog.get_logger(__name__)

# A rolling restart's patience with calls in progress; what is left then ends as `shutdown`.
DRAIN_S = 30.0
# Recognising and committing what is pending after that: a few seconds of audio at most.
STOP_S = 15.0
_PRUNE_EVERY_S = 3600.0
# A failover takes seconds to half a minute; ten minutes cover one that a person had to end.
_SEND_AGAIN = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class StoreInfo:
    """Where alerts go: the embedded server or a configured one.

    Each user of the store has a client of its own: a blocking read must not hold up a publisher.
    """

    embedded: bool
    url: str = field(repr=False)
    client: StoreClient
    live_client: StoreClient


class Node:
    """One node. ``start`` it, wait, ``stop`` it; what ``start`` raises leaves nothing behind."""

    def __init__(self, settings: Settings, *, listeners: Sequence[Listener] = ()) -> None:
        self._settings = settings
        self._listeners = tuple(listeners)
        self._stack = AsyncExitStack()
        self._metrics = NodeMetrics()
        self._draining = False
        self._failed_parts: set[str] = set()

    async def start(self) -> None:
        """Start everything; MamoriError says what could not be."""
        async with AsyncExitStack() as stack:
            await self._start(stack)
            self._stack = stack.pop_all()

    async def stop(self, drain_s: float = DRAIN_S) -> None:
        """Take no new calls, wait for the others up to ``drain_s``, end them, stop everything.

        Nothing that hangs or fails holds the stop up for longer than ``STOP_S``; alert events that
        are then not committed are counted in the log.
        """
        self._draining = True
        self.server.begin_draining()
        try:
            async with asyncio.timeout(drain_s + STOP_S):
                await self.server.drain(drain_s)
                await self.hub.end_all(EndReason.SHUTDOWN)
                await self.hub.settle()
                await _cancel(self._writing)
                await self.alerts.flush()
                await self._flush_outbox()
        except TimeoutError:
            log.error("stopped_before_all_was_written")
        finally:
            uncommitted = self.alerts.uncommitted + self.alerts.lost
            if uncommitted:
                log.error("alerts_not_durable", count=uncommitted)
            await self._stack.aclose()

    @property
    def health_port(self) -> int | None:
        """The port of ``/livez`` and ``/metrics``, None where switched off."""
        return self._health.port if self._health else None

    async def _start(self, stack: AsyncExitStack) -> None:
        settings = self._settings
        check_certificate(settings.telephony)
        keys, self.created_key = tenant_keys(settings)
        tenants = tuple(keys)
        self.pipeline = await asyncio.to_thread(
            Pipeline.load,
            languages=settings.recognition.languages,
            policy_file=settings.policy.file,
            phrase_files=settings.policy.phrase_files,
        )
        self.recognition = await self._open_recognition(stack)
        self.journal = AlertJournal(settings.node.data_dir / "journal" / "alerts.sqlite")
        await self.journal.start()
        stack.push_async_callback(self.journal.close)
        await self._recover(tenants)
        self.store = await self._open_store(stack)
        self.publisher = StreamPublisher(
            self.store.client,
            self.journal,
            config=PublisherConfig(
                publisher_id=node_id(settings.node.data_dir),
                retention_s=settings.store.retention_days * 86_400,
            ),
            on_store_lost=self._refill,
            tenants=tenants,
        )
        self.live = LivePublisher(self.store.live_client)
        self.alerts = AlertWriter(
            self.journal,
            now_utc=now_utc,
            observe_seconds=self._metrics.alert_commit_seconds.observe,
        )
        self.hub = CallHub(
            pipeline=self.pipeline,
            recognition=self.recognition,
            journal=self.journal,
            alerts=self.alerts,
            live=self.live,
            metrics=self._metrics,
            listeners=self._listeners,
        )
        self._publishing = self._watched("store", self.publisher.run(), stack)
        self._watched("store", self.live.run(), stack)
        self._writing = self._watched("journal", self.alerts.run(), stack)
        self._watched("journal", self.hub.run(), stack)
        self._watched("journal", self._prune(), stack)
        self._watched("recognition", self.hub.tell_lag(), stack)
        self._loop_lag = LoopLag()
        self._watched("telephony", self._loop_lag.run(), stack)
        add_gauges(
            self._metrics,
            alerts=self.alerts,
            journal=self.journal,
            loop_lag=self._loop_lag,
            recognition=self.recognition.service,
        )
        self.server = TelephonyServer(
            telephony_config(settings),
            AccessKeys(keys),
            self.hub,
            observer=DoorMetrics(self._metrics),
        )
        telephony = settings.telephony
        one_port = telephony.listen_port if telephony.vosk_listen_port is None else None
        with listening("telephony", telephony.listen_host, one_port):
            await self.server.start()
        stack.push_async_callback(self.server.stop)
        self._health = await self._open_health(stack)

    async def _open_recognition(self, stack: AsyncExitStack) -> Recognition:
        settings = self._settings.recognition
        choice = await asyncio.to_thread(
            choose,
            engine=settings.engine,
            languages=settings.languages,
            models_dir=settings.models_dir,
            fetch=settings.fetch,
        )
        if choice.utterance_model is not None:
            await asyncio.to_thread(self.pipeline.prepare_second_readings)
        recognition = await open_live(
            choice,
            workers=settings.workers,
            use_ratio=settings.use_ratio,
            hint_phrases=self.pipeline.hint_phrases() if settings.hints else {},
            candidates=self.pipeline.candidates,
            observer=RecognitionMetrics(self._metrics),
            node_cpu_s=time.process_time,
        )
        if recognition.service is not None:
            stack.push_async_callback(recognition.service.stop)
        return recognition

    async def _open_store(self, stack: AsyncExitStack) -> StoreInfo:
        url = redis_url(self._settings)
        embedded = url is None
        if url is None:
            node = self._settings.node
            server = EmbeddedValkey(
                node.data_dir / "valkey", config=EmbeddedConfig(runtime_dir=node.runtime_dir)
            )
            await server.start()
            stack.push_async_callback(server.stop)
            url = server.url
        clients = [connect(url), connect(url)]
        for client in clients:
            stack.push_async_callback(client.aclose)
        return StoreInfo(embedded, url, *clients)

    async def _open_health(self, stack: AsyncExitStack) -> HealthServer | None:
        settings = self._settings.health
        if not settings.enabled:
            return None
        health = HealthServer(
            host=settings.listen_host,
            port=settings.listen_port,
            parts=self._parts,
            exposition=self._metrics.exposition,
        )
        with listening("health", settings.listen_host, settings.listen_port):
            await health.start()
        stack.push_async_callback(health.stop)
        return health

    async def _recover(self, tenants: Sequence[str]) -> None:
        """Close what the last process left open, and send its last minutes again.

        The last process may have died while a store failed over, and could not notice that what it
        had sent was lost; what the stream still holds is not doubled.
        """
        found = await self.journal.recover()
        if found.records:
            await self.journal.append(found.records)
            log.warning("recovered", calls=len(found.calls), records=len(found.records))
        since = utc_iso(datetime.now(UTC) - _SEND_AGAIN)
        for tenant in tenants:
            await self.journal.mark_all_unpublished(tenant, since)

    async def _refill(self, tenant: str) -> None:
        """The store lost the tenant's stream: publish again what it should still hold."""
        since = datetime.now(UTC) - timedelta(days=self._settings.store.retention_days)
        entries = await self.journal.mark_all_unpublished(tenant, utc_iso(since))
        if entries:
            log.warning("stream_refilled", tenant=tenant, entries=entries)

    async def _flush_outbox(self) -> None:
        """Publish what is left while the store is well; the journal keeps the rest."""
        await _cancel(self._publishing)
        with contextlib.suppress(PublishError, MamoriError):
            while await self.publisher.drain():
                pass
        await self.live.flush()

    async def _prune(self) -> None:
        while True:
            before = datetime.now(UTC) - timedelta(days=self._settings.node.journal_retention_days)
            try:
                await self.journal.prune(utc_iso(before))
            except JournalError as error:
                log.error("journal_failed", code=error.code)
            await asyncio.sleep(_PRUNE_EVERY_S)

    def _watched(
        self, part: str, work: Coroutine[Any, Any, None], stack: AsyncExitStack
    ) -> asyncio.Task[None]:
        """Run work that ends only when it is cancelled; if it fails, its part is degraded."""

        def ended(task: asyncio.Task[None]) -> None:
            if not task.cancelled():
                error = task.exception()
                log.error("background_failed", part=part, error_type=type(error).__name__)
                self._failed_parts.add(part)

        task = asyncio.create_task(work)
        task.add_done_callback(ended)
        stack.push_async_callback(_cancel, task)
        return task

    def _parts(self) -> Mapping[str, PartHealth]:
        journal = self.journal.status()
        journal_code = self.alerts.failure_code or journal.last_error_code
        publisher = self.publisher.state
        return {
            # Who asks before sending calls here must hear at once that no more are taken.
            "telephony": PartHealth(
                state="down" if self._draining else "ok",
                critical=True,
                hint="draining" if self._draining else "",
            ),
            "journal": PartHealth(
                state=self._state("journal", journal_code is None),
                critical=False,
                hint=journal_code or "",
            ),
            "store": PartHealth(
                state=self._state("store", publisher.status == "ok"),
                critical=False,
                hint=publisher.error_code or "",
            ),
            "recognition": self._recognition_health(),
        }

    def _recognition_health(self) -> PartHealth:
        service = self.recognition.service
        hint = ""
        if service is None:
            hint = "no_engine"
        elif not service.workers_ready:
            hint = "no_worker"
        elif service.level > Level.QUICK:
            hint = f"narrowed_to_{service.level.name.lower()}"
        return PartHealth(state=self._state("recognition", not hint), critical=False, hint=hint)

    def _state(self, part: str, well: bool) -> State:
        return "ok" if well and part not in self._failed_parts else "degraded"


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait({task})
