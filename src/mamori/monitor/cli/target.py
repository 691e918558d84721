"""Where ``send`` and ``doctor`` find the node, and the key that they present."""

from __future__ import annotations

import ipaddress
from typing import Final
from urllib.parse import urlsplit

from mamori.config.settings import Settings
from mamori.monitor.app.secrets import DEFAULT_TENANT, tenant_keys

# A node that listens everywhere is reached from its own machine over the loopback.
_LOOPBACK: Final = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104


def target(settings: Settings, url: str | None, key: str | None) -> tuple[str, str]:
    """The node's address and the key: as given, else those of the node with these settings.

    ConfigError where a key has to come from the settings and they are no good.
    """
    tenant = next(iter(settings.tenants), DEFAULT_TENANT)
    address = url or local_address(settings, tenant)
    if key is None:
        keys, _ = tenant_keys(settings)
        asked = urlsplit(address).path.rpartition("/")[2]
        key = keys.get(asked, keys[tenant])[0]
    return address, key


def local_address(settings: Settings, tenant: str) -> str:
    """Where the node with these settings takes a tenant's calls, seen from its own machine."""
    telephony = settings.telephony
    scheme = "ws" if telephony.tls_certificate_file is None else "wss"
    host = _LOOPBACK.get(telephony.listen_host, telephony.listen_host)
    return f"{scheme}://{in_url(host)}:{telephony.listen_port}/v1/native/{tenant}"


def in_url(host: str) -> str:
    """A host as URLs have it: IPv6 addresses in brackets."""
    try:
        is_ipv6 = ipaddress.ip_address(host).version == 6
    except ValueError:
        is_ipv6 = False
    return f"[{host}]" if is_ipv6 else host
