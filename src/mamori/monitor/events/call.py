"""A call's beginning, change and end, and the account of its audio."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from mamori.monitor.events.terms import Channel, Direction, EndReason, GapCause


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """One side of a call as the telephone system names it; kept out of ``repr`` and so of logs."""

    number: str | None = field(default=None, repr=False)
    name: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class CallStarted:
    """The one start of a call.

    ``started_at`` is UTC, ISO 8601 with milliseconds; None when a recording is replayed.
    ``sample_rate_hz`` is that of the frames that follow (8000 or 16000), whatever the wire had.
    ``linked_call_id`` names the earlier part of the same conversation after a late reconnect.
    """

    type: Literal["call_started"] = "call_started"
    call_id: str
    tenant: str
    dialect: str
    channels: tuple[Channel, ...]
    encoding: str
    sample_rate_hz: int
    language: str
    direction: Direction = Direction.UNKNOWN
    customer: Party = Party()
    agent: Party = Party()
    agent_id: str | None = None
    linked_call_id: str | None = None
    started_at: str | None = None
    offset_ms: Literal[0] = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CallUpdated:
    """Something about the call became known or changed; None means unchanged."""

    type: Literal["call_updated"] = "call_updated"
    call_id: str
    offset_ms: int
    language: str | None = None
    agent_id: str | None = None
    customer: Party | None = None
    agent: Party | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GapTotal:
    """Samples of one channel that no stage heard, by cause."""

    cause: GapCause
    samples: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelLedger:
    """The account of one channel in samples: ``received = processed + shed + gap``, exactly.

    received: the channel's whole timeline, audio that came and stretches known to be missing.
    processed: went through every stage. shed: heard by the sound detectors but given up by
    recognition. gap: heard by no stage (lost, paused or dropped), split in ``gaps``.
    ``live_shed_samples``, a part of processed or shed: speech without partials for want of room.
    """

    channel: Channel
    sample_rate_hz: int
    received_samples: int
    processed_samples: int
    shed_samples: int
    gap_samples: int
    gaps: tuple[GapTotal, ...] = ()
    live_shed_samples: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CallEnded:
    """The one end of a call, and its last event. ``offset_ms`` equals ``duration_ms``."""

    type: Literal["call_ended"] = "call_ended"
    call_id: str
    reason: EndReason
    offset_ms: int
    duration_ms: int
    ledger: tuple[ChannelLedger, ...] = ()
