"""The metrics that are asked of a node's parts when they are read."""

from __future__ import annotations

from mamori.monitor.alerts.journal import AlertJournal
from mamori.monitor.app.alert_writer import AlertWriter
from mamori.monitor.app.loop_lag import LoopLag
from mamori.monitor.app.metrics import NodeMetrics
from mamori.monitor.recognition.service import RecognitionService


def add_gauges(
    metrics: NodeMetrics,
    *,
    alerts: AlertWriter,
    journal: AlertJournal,
    loop_lag: LoopLag,
    recognition: RecognitionService | None,
) -> None:
    """Have ``metrics`` ask these parts; ``recognition`` None where there are no words."""
    metrics.gauge(
        "mamori_alerts_uncommitted",
        "Alert events shown or to be shown that the journal does not hold yet.",
        lambda: alerts.uncommitted,
    )
    metrics.gauge(
        "mamori_alerts_not_durable",
        "Alert events that the journal refused for good since the start.",
        lambda: alerts.lost,
    )
    metrics.gauge(
        "mamori_event_loop_lag_seconds",
        "The latest that the event loop came back to work in the last ten seconds.",
        loop_lag.longest_s,
    )
    if recognition is not None:
        _add_recognition_gauges(metrics, recognition)
    metrics.gauge(
        "mamori_outbox_entries", "Alert events not yet in the stream.", journal.outbox_size
    )
    metrics.gauge(
        "mamori_outbox_oldest_age_seconds",
        "Age of the oldest of them.",
        journal.oldest_unpublished_age_s,
    )


def _add_recognition_gauges(metrics: NodeMetrics, service: RecognitionService) -> None:
    metrics.gauge(
        "mamori_recognition_lag_seconds",
        "The longest that any call's speech has waited for its words.",
        lambda: service.lag_ms / 1000,
    )
    metrics.gauge(
        "mamori_recognition_level",
        "Service: 0 thorough, 1 quick, 2 partials of suspected calls, 3 finals, 4 customers'.",
        lambda: service.level,
    )
    metrics.gauge(
        "mamori_recognition_workers", "Workers that decode.", lambda: service.workers_ready
    )
