"""Which entries the server refuses for themselves, as opposed to a server that refuses all."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime

from mamori.monitor.store.port import OutboxItem


@dataclass(slots=True)
class _Strikes:
    count: int
    published_before: int


class Quarantine:
    """Counts refusals of single entries and says when to stop trying.

    A refusal counts against the entry only with evidence: the server says that it is too large, or
    other entries of the same tenant went through since its first refusal. A server that refuses
    everybody (no permission, wrong type of key, a full disk) condemns nobody.
    """

    def __init__(self, *, tries: int) -> None:
        self._tries = tries
        self._strikes: dict[int, _Strikes] = {}
        self._published: dict[str, int] = {}

    def passed(self, tenant: str, entries: int) -> None:
        """``entries`` of this tenant were accepted."""
        self._published[tenant] = self._published.get(tenant, 0) + entries

    def published(self, tenant: str) -> int:
        """How many entries of this tenant have been accepted so far."""
        return self._published.get(tenant, 0)

    def refused(self, entry: OutboxItem, code: str, published_before: int) -> bool:
        """Count one refusal; True when it was the last try that this entry gets.

        ``published_before`` is what ``published`` said before the pass in which it was refused.
        """
        strikes = self._strikes.setdefault(entry.sequence, _Strikes(0, published_before))
        strikes.count += 1
        if strikes.count < self._tries:
            return False
        if code != "too_large" and self.published(entry.tenant) == strikes.published_before:
            return False
        del self._strikes[entry.sequence]
        return True

    def forgive(self, entry: OutboxItem) -> None:
        """The entry went through after all."""
        self._strikes.pop(entry.sequence, None)


def dead_letter(entry: OutboxItem, code: str, at: datetime) -> str:
    """What the list of dead letters says of an entry: its id, why, and when (``at`` in UTC)."""
    moment = at.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"
    return json.dumps({"event_id": entry.event_id, "code": code, "at": moment})
