"""What a person sees of the detections, and what a person decided."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from mamori.monitor.events.evidence import Detection
from mamori.monitor.events.terms import Channel, LadderState, LadderStep, ResolveReason, Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertRaised:
    """An alert was opened: one per call and category, idempotent by ``alert_id``.

    ``detections`` are those that opened it; ``clause`` is the policy's clause id;
    ``guidance_key`` finds the guidance text for agent and supervisor in the catalogues.
    """

    type: Literal["alert_raised"] = "alert_raised"
    call_id: str
    alert_id: str
    revision: int
    category: str
    severity: Severity
    channel: Channel
    offset_ms: int
    end_offset_ms: int
    rule: str
    clause: str
    guidance_key: str
    policy_version: str
    count: int
    quote: str | None = field(repr=False)
    detections: tuple[Detection, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertUpdated:
    """The same alert again: counted up, or raised in severity. ``detections`` are the new ones.

    ``offset_ms`` and ``end_offset_ms`` are those of the latest detection.
    """

    type: Literal["alert_updated"] = "alert_updated"
    call_id: str
    alert_id: str
    revision: int
    category: str
    severity: Severity
    previous_severity: Severity
    channel: Channel
    offset_ms: int
    end_offset_ms: int
    rule: str
    clause: str
    guidance_key: str
    policy_version: str
    count: int
    quote: str | None = field(repr=False)
    detections: tuple[Detection, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertResolved:
    """The alert is closed; ``resolved_by`` names the person where one did it."""

    type: Literal["alert_resolved"] = "alert_resolved"
    call_id: str
    alert_id: str
    revision: int
    category: str
    severity: Severity
    offset_ms: int
    reason: ResolveReason
    count: int
    resolved_by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LadderMoved:
    """A step of the ladder was proposed by the machine or decided by the person named."""

    type: Literal["ladder_moved"] = "ladder_moved"
    call_id: str
    offset_ms: int
    step: LadderStep
    state: LadderState
    decided_by: str | None = None
    wording: str | None = None
