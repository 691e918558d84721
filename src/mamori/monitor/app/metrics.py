"""What a node counts, under Prometheus names. Never a call id, a number or a word as a label."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from mamori import __version__
from mamori.monitor.events import (
    AlertRaised,
    AlertResolved,
    AlertUpdated,
    CallEnded,
    CallStarted,
    FinalHypothesis,
    JsonEvent,
    MediaDropped,
    StageFailed,
)

# From a group commit (milliseconds) to a store that is down for minutes.
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)


class NodeMetrics:
    """The registry of one node; each process owns its own, there is no global one."""

    def __init__(self) -> None:
        registry = self.registry = CollectorRegistry()
        Gauge("mamori_build_info", "Version.", ["version"], registry=registry).labels(
            version=__version__
        ).set(1)
        self._calls_active = Gauge(
            "mamori_calls_active",
            "Calls being monitored.",
            ["tenant", "dialect"],
            registry=registry,
        )
        self._calls = Counter(
            "mamori_calls", "Calls that ended, by reason.", ["tenant", "reason"], registry=registry
        )
        self._refused = Counter(
            "mamori_connections_refused",
            "Connections refused, by code.",
            ["code"],
            registry=registry,
        )
        self._samples = Counter(
            "mamori_audio_samples",
            "Samples of ended calls: received = processed + shed + gap; live_shed got no partials.",
            ["channel", "account"],
            registry=registry,
        )
        self._lost = Counter(
            "mamori_audio_lost_seconds",
            "Seconds of ended calls that no stage heard, by cause.",
            ["cause"],
            registry=registry,
        )
        self._dropped = Counter(
            "mamori_media_dropped_seconds",
            "Seconds of audio that a stage gave up.",
            ["stage", "code"],
            registry=registry,
        )
        self._failures = Counter(
            "mamori_stage_failures", "Stages that failed.", ["stage", "code"], registry=registry
        )
        self._finals = Counter(
            "mamori_final_hypotheses", "Utterances with words.", ["engine"], registry=registry
        )
        self._alerts = Counter(
            "mamori_alerts",
            "Alerts raised, updated and resolved.",
            ["type", "category", "severity"],
            registry=registry,
        )
        self.alert_commit_seconds = Histogram(
            "mamori_alert_commit_seconds",
            "From detection to the alert's commit in the journal.",
            buckets=_SECONDS,
            registry=registry,
        )
        self.events_dropped = Counter(
            "mamori_live_events_dropped",
            "Events that a slow reader or a store out of reach missed.",
            ["to"],
            registry=registry,
        )

        self.recognition_cpu_seconds = Counter(
            "mamori_recognition_cpu_seconds",
            "Processor time of decoding, by kind of work.",
            ["work"],
            registry=registry,
        )
        self.recognition_wait_seconds = Histogram(
            "mamori_recognition_wait_seconds",
            "From when a decode was wanted until it began.",
            ["work"],
            buckets=_SECONDS,
            registry=registry,
        )
        self.recognition_workers_lost = Counter(
            "mamori_recognition_workers_lost",
            "Workers that crashed, hung or were slow.",
            ["code"],
            registry=registry,
        )
        self.recognition_rereads_dropped = Counter(
            "mamori_recognition_rereads_dropped",
            "Second readings that were wanted and came to nothing.",
            registry=registry,
        )

    def gauge(self, name: str, text: str, read: Callable[[], float]) -> None:
        """Add a gauge that is read when somebody asks."""
        Gauge(name, text, registry=self.registry).set_function(read)

    def connection_refused(self, code: str) -> None:
        """Count a connection that was not let in."""
        self._refused.labels(code=code).inc()

    def count(self, event: JsonEvent, *, tenant: str, dialect: str) -> None:
        """Count an event that a call produced."""
        match event:
            case CallStarted():
                self._calls_active.labels(tenant=tenant, dialect=dialect).inc()
            case CallEnded():
                self._calls_active.labels(tenant=tenant, dialect=dialect).dec()
                self._calls.labels(tenant=tenant, reason=event.reason).inc()
                self._count_ledger(event)
            case FinalHypothesis():
                self._finals.labels(engine=event.engine).inc()
            case MediaDropped():
                self._dropped.labels(stage=event.stage, code=event.code).inc(
                    event.duration_ms / 1000
                )
            case StageFailed():
                self._failures.labels(stage=event.stage, code=event.code).inc()
            case AlertRaised() | AlertUpdated() | AlertResolved():
                # A firm's own categories are counted as one: their number is not ours to bound.
                category = "custom" if event.category.startswith("custom:") else event.category
                self._alerts.labels(
                    type=event.type, category=category, severity=event.severity
                ).inc()
            case _:
                pass

    def exposition(self) -> bytes:
        """Everything in the Prometheus text format."""
        return generate_latest(self.registry)

    def _count_ledger(self, ended: CallEnded) -> None:
        for account in ended.ledger:
            for name, samples in (
                ("received", account.received_samples),
                ("processed", account.processed_samples),
                ("shed", account.shed_samples),
                ("gap", account.gap_samples),
                ("live_shed", account.live_shed_samples),
            ):
                self._samples.labels(channel=account.channel, account=name).inc(samples)
            for gap in account.gaps:
                self._lost.labels(cause=gap.cause).inc(gap.samples / account.sample_rate_hz)


class RecognitionMetrics:
    """What happens in recognition, as metrics."""

    def __init__(self, metrics: NodeMetrics) -> None:
        self._metrics = metrics

    def job_done(self, work: str, cpu_s: float, wait_s: float) -> None:
        """Count a decode."""
        self._metrics.recognition_cpu_seconds.labels(work=work).inc(cpu_s)
        self._metrics.recognition_wait_seconds.labels(work=work).observe(wait_s)

    def worker_lost(self, code: str) -> None:
        """Count a worker that was lost."""
        self._metrics.recognition_workers_lost.labels(code=code).inc()

    def rereads_dropped(self, count: int) -> None:
        """Count second readings that came to nothing."""
        self._metrics.recognition_rereads_dropped.inc(count)
