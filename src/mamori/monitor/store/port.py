"""What the store needs of whoever owns the truth: an outbox of entries not yet in the stream."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxEntry:
    """One message on its way into the alert stream of its tenant.

    ``sequence`` rises with every entry of the outbox; ``event_id`` is unique for ever and makes the
    delivery idempotent; ``body`` is the message as JSON text.
    """

    sequence: int
    event_id: str
    tenant: str
    body: str = field(repr=False)


class OutboxItem(Protocol):
    """The shape of an entry: OutboxEntry, or any class with the same four attributes."""

    @property
    def sequence(self) -> int:
        """Rises with every entry of the outbox."""

    @property
    def event_id(self) -> str:
        """Unique for ever."""

    @property
    def tenant(self) -> str:
        """Whose entry it is."""

    @property
    def body(self) -> str:
        """The message as JSON text."""


class Outbox(Protocol):
    """The entries that are committed and not yet known to be in the stream."""

    async def unpublished(self, limit: int) -> Sequence[OutboxItem]:
        """Up to ``limit`` entries that are not marked published, by rising sequence."""

    async def mark_published(self, sequences: Sequence[int]) -> None:
        """Remember that these entries are in the stream; unknown ones are ignored."""

    async def wait_for_unpublished(self) -> None:
        """Return once at least one entry is unpublished; may be cancelled at any time."""
