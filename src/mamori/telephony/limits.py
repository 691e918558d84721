"""Every limit of the server by name, each with its reason."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mamori.telephony.inflow import InflowConfig
from mamori.telephony.registry import RegistryConfig

_INTERVALS = {
    "port": (0, 65_535),
    "first_message_timeout_ms": (10, 60_000),
    "idle_timeout_ms": (10, 3_600_000),
    "open_timeout_ms": (10, 60_000),
    "close_timeout_ms": (10, 60_000),
    "auth_failure_delay_ms": (0, 10_000),
    "ping_interval_ms": (100, 600_000),
    "ping_timeout_ms": (100, 600_000),
    "max_message_bytes": (1_024, 64 * 1024 * 1024),
    "max_connections": (1, 1_000_000),
    "max_half_open": (1, 1_000_000),
    "max_queued_events": (1, 1_000_000),
    "max_queued_replies": (1, 1_000_000),
    "retry_after_s": (1, 3_600),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TelephonyConfig:
    """Where the server listens and what it bears.

    Each value lies in the interval that ``ValueError`` names. ``tenant_languages`` (ISO 639-1)
    holds for calls that name no language, and ``default_language`` where a tenant has none.
    ``vosk_listen`` is a second address that asks for no key: its calls belong to ``vosk_tenant``.
    """

    # Loopback: a node is opened to the network on purpose.
    host: str = "127.0.0.1"
    port: int = 8765
    tls_certificate_path: Path | None = None
    tls_key_path: Path | None = None
    default_language: str = "ja"
    tenant_languages: Mapping[str, str] = field(default_factory=dict)
    vosk_listen: tuple[str, int] | None = None
    vosk_tenant: str = "default"
    # Without it, audio without a key is taken from this machine alone.
    vosk_allow_network: bool = False
    # AudioHook gives a server 5 s to answer its open; a client that takes longer is not speaking.
    first_message_timeout_ms: int = 5_000
    # Telephone systems send silence while nobody speaks, so half a minute without audio means that
    # the call is gone.
    idle_timeout_ms: int = 30_000
    # A handshake is one packet each way; slow ones hold a place that others need.
    open_timeout_ms: int = 5_000
    # Long enough for the last replies over a slow line.
    close_timeout_ms: int = 5_000
    # Guessing keys is slow, and a refusal takes as long whatever was wrong.
    auth_failure_delay_ms: int = 250
    # The defaults of the websockets library: dead peers are found within 40 s.
    ping_interval_ms: int = 20_000
    ping_timeout_ms: int = 20_000
    # A minute of 8 kHz linear audio; telephone systems send 20 to 200 ms.
    max_message_bytes: int = 1024 * 1024
    # Half of the 1024 open files that a process usually may have is left to the rest of the node.
    max_connections: int = 512
    # More than a burst of calls brings at once; beyond it the oldest handshake makes room.
    max_half_open: int = 256
    # A busy call says about 10 things a second: over a minute of a client that does not read.
    max_queued_events: int = 1_000
    # Half an hour of replies to 0.2 s of audio each: a client that reads none of them is broken.
    max_queued_replies: int = 10_000
    # Drains and bursts are over in seconds.
    retry_after_s: int = 5
    inflow: InflowConfig = field(default_factory=InflowConfig)
    registry: RegistryConfig = field(default_factory=RegistryConfig)

    def __post_init__(self) -> None:
        for name, (low, high) in _INTERVALS.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise ValueError(f"{name} must be in [{low}, {high}], not {value}")
        if (self.tls_certificate_path is None) != (self.tls_key_path is None):
            raise ValueError("tls_certificate_path and tls_key_path are given both or not at all")
        if self.vosk_listen is not None and not self.vosk_allow_network:
            host, _ = self.vosk_listen
            if not _is_loopback(host):
                raise ValueError(
                    f"vosk_listen {host!r} is reachable from the network and asks for no key:"
                    " use 127.0.0.1 or set vosk_allow_network"
                )

    def language_of(self, tenant: str) -> str:
        """The language of the tenant's calls that name none."""
        return self.tenant_languages.get(tenant, self.default_language)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
