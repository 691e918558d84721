"""Events as lines for a terminal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from mamori.config.policy_file import Policy
from mamori.monitor.events import (
    AlertRaised,
    AlertResolved,
    AlertUpdated,
    CallEnded,
    CallStarted,
    FinalHypothesis,
    JsonEvent,
    Severity,
    StageFailed,
)
from mamori.monitor.texts import Texts
from mamori.monitor.texts.alert_lines import alert_line, media_time

_SEVERITY_STYLE: Final = {
    Severity.ATTENTION: "yellow",
    Severity.WARNING: "bold yellow",
    Severity.CRITICAL: "bold red",
}


@dataclass(frozen=True, slots=True)
class Line:
    """A line of text and how it is set off; None: plainly."""

    text: str
    style: str | None = None


class EventPrinter:
    """Words events in one language; what no person needs to read gives None."""

    def __init__(self, texts: Texts, policy: Policy) -> None:
        self._texts = texts
        self._policy = policy
        self._clauses = {
            clause.id: clause.ja if texts.language == "ja" else clause.en
            for clause in policy.clause
        }

    def lines(self, event: JsonEvent) -> list[Line]:
        """The event, and under a newly raised alert what the policy advises the supervisor."""
        line = self.line(event)
        if line is None:
            return []
        return [line, *self._guidance(event)] if isinstance(event, AlertRaised) else [line]

    def line(self, event: JsonEvent) -> Line | None:
        """The event in one line."""
        match event:
            case AlertRaised() | AlertUpdated():
                text = alert_line(event, self._texts, self._clause)
                return Line(text, _SEVERITY_STYLE[event.severity])
            case AlertResolved():
                return Line(alert_line(event, self._texts, self._clause), "dim")
            case FinalHypothesis():
                channel = self._texts(f"channel.{event.channel}")
                return Line(f"{media_time(event.offset_ms)} {channel}: {event.text}")
            case CallStarted():
                return Line(f"{self._texts('call.started')} {event.call_id}", "dim")
            case CallEnded():
                return Line(self._ended(event), "dim")
            case StageFailed():
                key = "failure.recoverable" if event.recoverable else "failure"
                text = self._texts(key, stage=event.stage, code=event.code)
                return Line(f"{media_time(event.offset_ms)} {text}", "red")
            case _:
                return None

    def _guidance(self, event: AlertRaised) -> list[Line]:
        # An alert out of the store may come from a node with another policy.
        if event.guidance_key not in self._policy.guidance:
            return []
        guidance = self._policy.guidance_text(event.guidance_key, self._texts.language)
        return [Line(f"    {self._texts('alert.guidance', text=guidance.supervisor)}", "dim")]

    def _ended(self, event: CallEnded) -> str:
        return self._texts(
            "call.ended",
            minutes=media_time(event.duration_ms),
            reason=self._texts(f"reason.{event.reason}"),
        )

    def _clause(self, clause: str) -> str:
        return self._clauses.get(clause, clause)
