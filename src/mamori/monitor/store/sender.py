"""Writes entries of one tenant into its alert stream: in order, each once, loss noticed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mamori.errors import MamoriError
from mamori.monitor.store.keys import TenantKeys
from mamori.monitor.store.port import OutboxItem
from mamori.monitor.store.scripts import PUBLISH, StoreClient

# The first contact with a tenant accepts any mark but a missing one.
_FIRST_CONTACT = "?"
_ACCEPT_ANY = ""


class StoreLostError(MamoriError):
    """The stream of this tenant is not the one that was written: entries are gone.

    ``entries_missing``; recoverable, for the stream can be filled again.
    ``first_contact``: this publisher has not seen the stream before, and it bears no mark of it.
    """

    def __init__(self, tenant: str, *, first_contact: bool) -> None:
        super().__init__(
            "entries_missing", f"the stream of tenant {tenant} has lost entries", recoverable=True
        )
        self.tenant = tenant
        self.first_contact = first_contact


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What came of one call: entries that were new to the stream, and those that it had."""

    published: int
    duplicates: int


class StreamSender:
    """Sends batches with the deduplicating script and remembers the last entry it knows of.

    Each publisher leaves the id of its last entry in the hash ``marks``, written by the same script
    as the entry. When the mark is missing or older than what the server once confirmed, a failover
    or a wiped disk has taken entries with it: StoreLostError, with nothing written. This is exact
    also where several publishers share a stream, which the stream's own last id is not.
    """

    def __init__(self, client: StoreClient, *, publisher_id: str, seen_ttl_s: int) -> None:
        self._client = client
        self._publisher_id = publisher_id
        self._seen_ttl_ms = seen_ttl_s * 1000
        self._marks: dict[str, str] = {}

    async def send(self, tenant: str, entries: Sequence[OutboxItem]) -> Sent:
        """Write ``entries`` whole or not at all; with none, only check that nothing is lost.

        Safe to repeat. StoreLostError, or whatever redis-py raises.
        """
        keys = TenantKeys(tenant)
        seen = [keys.seen(entry.event_id) for entry in entries]
        arguments: list[str | int] = [
            self._publisher_id,
            self._marks.get(tenant, _FIRST_CONTACT),
            self._seen_ttl_ms,
        ]
        for entry in entries:
            arguments += [entry.event_id, entry.body]
        verdict, mark, *reply = await PUBLISH.run(
            self._client, [keys.alerts, keys.marks, *seen], arguments
        )
        if verdict == "lost":
            raise StoreLostError(tenant, first_contact=tenant not in self._marks)
        self._marks[tenant] = mark
        new = sum(reply[1::2])
        return Sent(published=new, duplicates=len(entries) - new)

    def accept_loss(self, tenant: str) -> None:
        """Take the stream as it is from now on: its owner has been told to fill it again."""
        self._marks[tenant] = _ACCEPT_ANY


def batches(
    entries: Sequence[OutboxItem], *, max_entries: int, max_bytes: int
) -> list[list[OutboxItem]]:
    """The entries in order, cut so that each batch keeps both limits.

    An entry larger than ``max_bytes`` travels alone: if the server refuses it, no other suffers.
    """
    cut: list[list[OutboxItem]] = []
    size_bytes = 0
    for entry in entries:
        entry_bytes = len(entry.body.encode("utf-8", "replace"))
        if cut and len(cut[-1]) < max_entries and size_bytes + entry_bytes <= max_bytes:
            cut[-1].append(entry)
            size_bytes += entry_bytes
        else:
            cut.append([entry])
            size_bytes = entry_bytes
    return cut
