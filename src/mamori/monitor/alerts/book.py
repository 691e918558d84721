"""The alerts of one call: one per category, opened, raised, counted up, resolved. Pure."""

from __future__ import annotations

from bisect import insort
from collections import deque
from dataclasses import dataclass, field
from typing import Final

from mamori.monitor.alerts.policy import AlertBookConfig, AlertTerms, EscalationRule
from mamori.monitor.events import (
    AlertEvent,
    AlertRaised,
    AlertResolved,
    AlertUpdated,
    Channel,
    Detection,
    LadderMoved,
    ResolveReason,
    Severity,
)

# Detections that one update carries from its cooldown: at 15 s more than one a second. The count
# counts every one; the words of all of them stand in the call's final hypotheses too.
MOST_HELD_DETECTIONS: Final = 16


def event_id(event: AlertEvent) -> str:
    """The id that makes a doubled delivery harmless.

    ``<alert_id>:<revision>``; a ladder step, which belongs to no alert, is known by its call,
    step, state and media time.
    """
    if isinstance(event, LadderMoved):
        return f"{event.call_id}-ladder:{event.step}:{event.state}:{event.offset_ms}"
    return f"{event.alert_id}:{event.revision}"


@dataclass(slots=True, kw_only=True)
class _OpenAlert:
    """What must be remembered of an open alert; its size does not grow with the call."""

    alert_id: str
    terms: AlertTerms
    rules: tuple[EscalationRule, ...]
    severity: Severity
    shown_offset_ms: int
    revision: int = 1
    count: int = 1
    times_ms: list[int] = field(default_factory=list)
    held: deque[Detection] = field(default_factory=lambda: deque(maxlen=MOST_HELD_DETECTIONS))

    def escalated(self, offset_ms: int) -> Severity | None:
        """Remember a detection's time; the highest severity that a rule now asks for."""
        if not self.rules:
            return None
        insort(self.times_ms, offset_ms)
        reached = [rule.severity for rule in self.rules if _holds(rule, self.times_ms)]
        del self.times_ms[: -max(rule.count for rule in self.rules)]
        return max(reached, default=None)


def _holds(rule: EscalationRule, times_ms: list[int]) -> bool:
    """Whether ``rule.count`` of the sorted times lie within ``rule.within_ms``."""
    firsts = times_ms[: len(times_ms) - rule.count + 1]
    lasts = times_ms[rule.count - 1 :]
    return any(last - first <= rule.within_ms for first, last in zip(firsts, lasts, strict=False))


class AlertBook:
    """Turns the detections of one call into its alerts, on media time only.

    ``alert_id_prefix`` must be unique for this call over all calls of the tenant, for all time
    (a telephone system may use a call id again): ids are ``<prefix>-<category>``.
    A repeat at the same severity within ``update_cooldown_ms`` of what was last shown only counts;
    its detection travels with the next update, its count at the latest with AlertResolved.
    """

    def __init__(self, config: AlertBookConfig, *, call_id: str, alert_id_prefix: str) -> None:
        if not call_id or not alert_id_prefix:
            raise ValueError("call_id and alert_id_prefix must not be empty")
        self._config = config
        self._call_id = call_id
        self._prefix = alert_id_prefix
        self._open: dict[str, _OpenAlert] = {}
        self._ended = False

    def feed(self, detection: Detection) -> list[AlertRaised | AlertUpdated]:
        """What a person must see because of this detection: nothing, or one event.

        ValueError for a detection of the agent's channel, of another call, of no category, or
        after the end: each is an error in the program, not in the call.
        """
        self._check(detection)
        category = str(detection.category)
        alert = self._open.get(category)
        if alert is None:
            return [self._raise(category, detection)]
        previous = alert.severity
        asked_for = [previous, detection.severity]
        if (escalated := alert.escalated(detection.offset_ms)) is not None:
            asked_for.append(escalated)
        alert.severity = max(asked_for)
        alert.count += 1
        alert.held.append(detection)
        since_shown_ms = detection.offset_ms - alert.shown_offset_ms
        if alert.severity == previous and since_shown_ms < self._config.update_cooldown_ms:
            return []
        return [self._update(category, alert, detection, previous)]

    def end(self, offset_ms: int, reason: ResolveReason) -> list[AlertResolved]:
        """Resolve whatever is open, in the order it was opened; nothing the second time.

        ValueError for ``by_person``: a person resolves an alert, never a call's whole book.
        """
        if reason is ResolveReason.BY_PERSON:
            raise ValueError("a book ends with its call: call_ended or call_interrupted")
        self._ended = True
        resolved = [
            AlertResolved(
                call_id=self._call_id,
                alert_id=alert.alert_id,
                revision=alert.revision + 1,
                category=category,
                severity=alert.severity,
                offset_ms=offset_ms,
                reason=reason,
                count=alert.count,
            )
            for category, alert in self._open.items()
        ]
        self._open.clear()
        return resolved

    def _check(self, detection: Detection) -> None:
        if self._ended:
            raise ValueError("this book has ended")
        if detection.call_id != self._call_id:
            raise ValueError("the detection belongs to another call")
        if detection.channel is Channel.AGENT:
            raise ValueError(f"{detection.detector} gave a detection on the agent's channel")

    def _raise(self, category: str, detection: Detection) -> AlertRaised:
        alert = _OpenAlert(
            alert_id=f"{self._prefix}-{category.replace(':', '-')}",
            terms=self._config.terms_of(category),
            rules=self._config.escalations_of(category),
            severity=detection.severity,
            shown_offset_ms=detection.offset_ms,
        )
        alert.escalated(detection.offset_ms)
        self._open[category] = alert
        return AlertRaised(
            call_id=self._call_id,
            alert_id=alert.alert_id,
            revision=alert.revision,
            category=category,
            severity=alert.severity,
            channel=detection.channel,
            offset_ms=detection.offset_ms,
            end_offset_ms=detection.end_offset_ms,
            rule=detection.rule,
            clause=alert.terms.clause,
            guidance_key=alert.terms.guidance_key,
            policy_version=self._config.policy_version,
            count=alert.count,
            quote=detection.evidence.quote,
            detections=(detection,),
        )

    def _update(
        self, category: str, alert: _OpenAlert, latest: Detection, previous: Severity
    ) -> AlertUpdated:
        alert.revision += 1
        alert.shown_offset_ms = max(alert.shown_offset_ms, latest.offset_ms)
        detections = tuple(alert.held)
        alert.held.clear()
        return AlertUpdated(
            call_id=self._call_id,
            alert_id=alert.alert_id,
            revision=alert.revision,
            category=category,
            severity=alert.severity,
            previous_severity=previous,
            channel=latest.channel,
            offset_ms=latest.offset_ms,
            end_offset_ms=latest.end_offset_ms,
            rule=latest.rule,
            clause=alert.terms.clause,
            guidance_key=alert.terms.guidance_key,
            policy_version=self._config.policy_version,
            count=alert.count,
            quote=latest.evidence.quote,
            detections=detections,
        )
