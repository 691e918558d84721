"""How the alert streams are filled and kept, and how that stands."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

_DAY_S: Final = 86_400
_LONGEST_RETENTION_S: Final = 10 * 366 * _DAY_S


@dataclass(frozen=True, slots=True, kw_only=True)
class PublisherConfig:
    """How the outbox is drained and how long the stream is kept."""

    # Names this node in the hash of marks; two publishers of one stream need different names.
    publisher_id: str = "node"
    # 200 entries are one round trip and well below 10 ms of the server's time.
    batch_entries: int = 200
    # An alert has a few kB. What is larger than this travels alone.
    batch_bytes: int = 256 * 1024
    # A returning server is found at most this late: five seconds until all is in the stream.
    backoff_first_s: float = 0.05
    backoff_longest_s: float = 1.0
    # Above socket_timeout_s (5 s) plus connecting, so that it ends only what redis-py does not.
    call_deadline_s: float = 20.0
    # A stream that lost its entries while no alert came is noticed this late at most.
    verify_every_s: float = 2.0
    trim_every_s: float = 60.0
    # A week of alerts for consumers; the journal keeps them longer.
    retention_s: int = 7 * _DAY_S
    # How long the store knows an entry by its id; None: a day above the retention, the least there
    # may be. A refill sends all that the retention covers, and what is forgotten would be doubled;
    # the day is for clocks that differ and for a refill under way while the retention moves on.
    seen_ttl_s: int | None = None
    # Refusals of one entry before it is set aside; a single one may be chance.
    poison_tries: int = 5

    def __post_init__(self) -> None:
        if not 1 <= len(self.publisher_id) <= 128 or not self.publisher_id.isprintable():
            raise ValueError("publisher_id must be 1..128 printable characters")
        _within("batch_entries", self.batch_entries, 1, 1_000)
        _within("batch_bytes", self.batch_bytes, 1, 64 * 1024 * 1024)
        _within("backoff_first_s", self.backoff_first_s, 0.001, 60)
        _within("backoff_longest_s", self.backoff_longest_s, self.backoff_first_s, 60)
        _within("call_deadline_s", self.call_deadline_s, 0.1, 300)
        _within("verify_every_s", self.verify_every_s, 0.01, 3_600)
        _within("trim_every_s", self.trim_every_s, 0.01, 86_400)
        _within("retention_s", self.retention_s, 1, _LONGEST_RETENTION_S)
        least_s = self.retention_s + _DAY_S
        _within("seen_ttl_s", self.seen_life_s, least_s, _LONGEST_RETENTION_S + _DAY_S)
        _within("poison_tries", self.poison_tries, 2, 1_000)

    @property
    def seen_life_s(self) -> int:
        """``seen_ttl_s``, or what follows from the retention."""
        return self.retention_s + _DAY_S if self.seen_ttl_s is None else self.seen_ttl_s


def _within(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise ValueError(f"{name} must be in [{low}, {high}], not {value}")


@dataclass(frozen=True, slots=True, kw_only=True)
class PublisherState:
    """For health and metrics: how delivery stands, since when, and what has been counted.

    ``error_code`` is the last fault, a word of ``fault_code`` or the code of a MamoriError; it
    stays after recovery. ``trim_held_by`` names tenant and group for each unread entry that is
    older than the retention and holds back trimming.
    """

    status: Literal["ok", "degraded"]
    since: datetime
    error_code: str | None = None
    published: int = 0
    duplicates: int = 0
    retries: int = 0
    dead_lettered: int = 0
    store_losses: int = 0
    trimmed: int = 0
    trim_held_by: tuple[tuple[str, str], ...] = ()
