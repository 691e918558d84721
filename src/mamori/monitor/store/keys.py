"""The key names of the store contract.

The braces are literal: they are the hash tag that keeps all keys of one tenant in one slot of a
cluster, so that one script may touch several of them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from mamori.errors import MamoriError

# No brace, colon, blank, star or control character: a tenant can neither leave its hash tag nor
# name another tenant's key nor match a pattern.
_TENANT: Final = re.compile(r"[a-z0-9_-]{1,64}")
# Call ids come from telephone systems: anything printable, bounded.
_CALL_ID_MAX_CHARS: Final = 256


class BadKeyError(MamoriError):
    """A tenant or call id that must not become part of a key (``bad_tenant``, ``bad_call_id``)."""


def check_tenant(tenant: str) -> str:
    """The tenant id itself; BadKeyError unless it is 1..64 characters of ``a-z 0-9 - _``."""
    if _TENANT.fullmatch(tenant) is None:
        raise BadKeyError(
            "bad_tenant",
            f"a tenant id is 1..64 characters of a-z, 0-9, '-' and '_', not {tenant[:80]!r}",
        )
    return tenant


@dataclass(frozen=True, slots=True)
class TenantKeys:
    """The keys of one tenant; BadKeyError for a tenant id outside 1..64 of ``a-z 0-9 - _``."""

    tenant: str

    def __post_init__(self) -> None:
        check_tenant(self.tenant)

    def _key(self, name: str) -> str:
        return f"mamori:{{{self.tenant}}}:{name}"

    @property
    def alerts(self) -> str:
        """Stream of alerts and human actions: fields ``id`` and ``body`` (JSON)."""
        return self._key("alerts")

    @property
    def live(self) -> str:
        """Capped stream of what a screen follows: field ``body`` (JSON)."""
        return self._key("live")

    @property
    def levels(self) -> str:
        """Pub/sub channel of level meters and partials (JSON)."""
        return self._key("levels")

    @property
    def calls(self) -> str:
        """Sorted set of live call ids by last sign of life, seconds since 1970 UTC."""
        return self._key("calls")

    def call(self, call_id: str) -> str:
        """Hash with the state of a call; BadKeyError for an id of 0 or more than 256 characters."""
        if not 1 <= len(call_id) <= _CALL_ID_MAX_CHARS or not call_id.isprintable():
            raise BadKeyError("bad_call_id", "a call id is 1..256 printable characters")
        return self._key(f"call:{call_id}")

    def seen(self, event_id: str) -> str:
        """String, expiring: the entry id under which this event went into the alert stream."""
        return self._key(f"seen:{event_id}")

    @property
    def marks(self) -> str:
        """Hash: the last entry id that each publisher has written; shows a loss of the store."""
        return self._key("marks")

    @property
    def dead(self) -> str:
        """List, capped: ids of entries that the server refuses for themselves, newest first."""
        return self._key("dead")
