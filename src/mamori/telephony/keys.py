"""The keys with which telephone systems prove which tenant they speak for."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from typing import Final

from mamori.errors import ConfigError

TENANT_PATTERN: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
"""What a tenant may be called: it is part of addresses and of key names in the store."""

# A key stands in a header or an address: printable ASCII without spaces. 16 characters of a random
# alphabet are beyond guessing over a network.
_KEY_PATTERN: Final = re.compile(r"[!-~]{16,256}")
_NO_KEY: Final = bytes(32)  # no digest of a key that anybody knows


class AccessKeys:
    """Each tenant's keys: several at a time, so that they can be changed without a pause.

    ConfigError when a name or a key is malformed, a tenant has none, or two share one. The check
    takes the same time whether the tenant, the key, both or neither are right: digests are compared
    in constant time with as many keys as any tenant has. Keys are held as SHA-256 digests only.
    """

    def __init__(self, keys: Mapping[str, Sequence[str]]) -> None:
        problems = _problems(keys)
        if problems:
            raise ConfigError(problems, code="bad_keys")
        self._digests = {
            tenant: tuple(_digest(key) for key in tenant_keys)
            for tenant, tenant_keys in keys.items()
        }
        self._most = max((len(digests) for digests in self._digests.values()), default=1)

    @property
    def tenants(self) -> tuple[str, ...]:
        """The names of the tenants, in the order given."""
        return tuple(self._digests)

    def allows(self, tenant: str, key: str | None) -> bool:
        """Whether this is a key of this tenant."""
        presented = _digest(key or "")
        known = self._digests.get(tenant, ())
        padded = known + (_NO_KEY,) * (self._most - len(known))
        matches = [hmac.compare_digest(digest, presented) for digest in padded]
        return any(matches)

    def tenant_of(self, key: str | None) -> str | None:
        """The tenant whose key this is, found by comparing with every key of every tenant."""
        presented = _digest(key or "")
        matches = [
            tenant
            for tenant, digests in self._digests.items()
            for digest in digests
            if hmac.compare_digest(digest, presented)
        ]
        return matches[0] if matches else None

    def __repr__(self) -> str:
        return f"AccessKeys(tenants={list(self._digests)})"


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()


def _problems(keys: Mapping[str, Sequence[str]]) -> list[str]:
    """Everything wrong with these keys, none of them shown."""
    problems: list[str] = []
    owner: dict[str, str] = {}
    for tenant, tenant_keys in keys.items():
        if TENANT_PATTERN.fullmatch(tenant) is None:
            problems.append(
                f"tenant {tenant!r}: a name is 1 to 64 of a-z, 0-9, '_' and '-', no sign first"
            )
        if isinstance(tenant_keys, str) or not tenant_keys:
            problems.append(f"tenant {tenant!r}: give a list of at least one key")
            continue
        for number, key in enumerate(tenant_keys, start=1):
            if _KEY_PATTERN.fullmatch(key) is None:
                problems.append(
                    f"tenant {tenant!r}, key {number}:"
                    " a key is 16 to 256 printable ASCII characters without spaces"
                )
            elif owner.setdefault(key, tenant) != tenant:
                problems.append(f"tenant {tenant!r}, key {number}: {owner[key]!r} has the same key")
    return problems
