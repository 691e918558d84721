"""What telephony is told of the settings, and what it tells the metrics."""

from __future__ import annotations

from mamori.config.settings import Settings
from mamori.monitor.app.metrics import NodeMetrics
from mamori.telephony.limits import TelephonyConfig
from mamori.telephony.port import NullObserver
from mamori.telephony.registry import RegistryConfig


class DoorMetrics(NullObserver):
    """What happens at the door, as metrics."""

    def __init__(self, metrics: NodeMetrics) -> None:
        self._metrics = metrics

    def refused(self, *, tenant: str | None, code: str) -> None:
        """Count by code; the tenant is not proved."""
        self._metrics.connection_refused(code)

    def events_dropped(self, *, tenant: str, count: int) -> None:
        """Count what a slow reader missed."""
        self._metrics.events_dropped.labels(to="socket").inc(count)


def telephony_config(settings: Settings) -> TelephonyConfig:
    """The settings as the telephony server takes them."""
    telephony = settings.telephony
    vosk_listen = (
        None
        if telephony.vosk_listen_port is None
        else (telephony.vosk_listen_host, telephony.vosk_listen_port)
    )
    return TelephonyConfig(
        host=telephony.listen_host,
        port=telephony.listen_port,
        tls_certificate_path=telephony.tls_certificate_file,
        tls_key_path=telephony.tls_key_file,
        default_language=settings.node.language,
        tenant_languages={
            tenant: section.language
            for tenant, section in settings.tenants.items()
            if section.language is not None
        },
        vosk_listen=vosk_listen,
        vosk_tenant=telephony.vosk_tenant,
        vosk_allow_network=telephony.vosk_allow_network,
        first_message_timeout_ms=telephony.first_message_timeout_ms,
        idle_timeout_ms=telephony.idle_timeout_ms,
        registry=RegistryConfig(
            grace_ms=telephony.grace_ms, max_calls_per_tenant=telephony.max_calls_per_tenant
        ),
    )
