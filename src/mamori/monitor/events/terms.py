"""The closed word lists that events are made of: channels, severities, categories, causes."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final


class Channel(StrEnum):
    """Whose voice a channel carries; never a position such as left or right."""

    CUSTOMER = "customer"
    AGENT = "agent"
    MIXED = "mixed"


class Severity(StrEnum):
    """How urgently a person should look, in rising order; comparisons follow that order."""

    ATTENTION = "attention"
    WARNING = "warning"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """1 for attention, 2 for warning, 3 for critical."""
        return _SEVERITY_RANK[self.value]

    @classmethod
    def of_rank(cls, rank: int) -> Severity:
        """The severity with this rank; ValueError outside 1..3."""
        for severity in cls:
            if severity.rank == rank:
                return severity
        raise ValueError(f"severity rank must be 1, 2 or 3, not {rank}")

    def __lt__(self, other: str) -> bool:
        return self.rank < Severity(other).rank

    def __le__(self, other: str) -> bool:
        return self.rank <= Severity(other).rank

    def __gt__(self, other: str) -> bool:
        return self.rank > Severity(other).rank

    def __ge__(self, other: str) -> bool:
        return self.rank >= Severity(other).rank


_SEVERITY_RANK: Final = {"attention": 1, "warning": 2, "critical": 3}


class Category(StrEnum):
    """Conduct that the basic policy names; a firm adds its own as ``custom:<name>``."""

    INSULT = "insult"
    THREAT = "threat"
    COERCION = "coercion"
    EXTORTION = "extortion"
    RAISED_VOICE = "raised_voice"
    EXCESSIVE_DEMAND = "excessive_demand"
    SLANDER = "slander"
    DISCRIMINATION = "discrimination"
    SEXUAL = "sexual"
    REPEATED_DEMAND = "repeated_demand"
    NITPICKING = "nitpicking"
    LONG_CALL = "long_call"
    SUMMONS = "summons"
    CONFINEMENT = "confinement"
    SNS_THREAT = "sns_threat"
    DISMISSAL_DEMAND = "dismissal_demand"
    VIOLENCE = "violence"


_CATEGORY_NAMES: Final = frozenset(category.value for category in Category)
_CUSTOM_CATEGORY: Final = re.compile(r"custom:[a-z][a-z0-9_]{0,62}")


def is_category(name: str) -> bool:
    """Whether ``name`` is a category of the policy or a well-formed ``custom:<name>``."""
    return name in _CATEGORY_NAMES or _CUSTOM_CATEGORY.fullmatch(name) is not None


def primary_language(tag: str) -> str:
    """The language of a tag such as ``ja-JP`` or ``ja_JP``: ``ja``, in lower case."""
    return tag.replace("_", "-").split("-", 1)[0].lower()


class Direction(StrEnum):
    """Who placed the call, seen from the firm."""

    INBOUND = "inbound"
    OUTBOUND = "outbound"
    UNKNOWN = "unknown"


class GapCause(StrEnum):
    """Why a stretch of the timeline holds no audio."""

    LOSS = "loss"
    PAUSED = "paused"
    DROPPED = "dropped"


class EndReason(StrEnum):
    """Why a call's monitoring ended."""

    COMPLETED = "completed"
    TRANSPORT_LOST = "transport_lost"
    IDLE_TIMEOUT = "idle_timeout"
    PROTOCOL_ERROR = "protocol_error"
    SHUTDOWN = "shutdown"
    INTERRUPTED = "interrupted"


class SpeechEndCause(StrEnum):
    """Why an utterance ended."""

    SILENCE = "silence"
    LONGEST = "longest"
    GAP = "gap"
    CALL_END = "call_end"


class RecognitionScope(StrEnum):
    """How much of a call is put into words, the most first."""

    FULL = "full"
    """Partials and finals of every channel."""
    FINALS = "finals"
    """No partials."""
    CUSTOMER = "customer"
    """No partials, and finals of the customer's channel (or of a mixed one) only."""


class ResolveReason(StrEnum):
    """Why an alert is no longer open."""

    CALL_ENDED = "call_ended"
    CALL_INTERRUPTED = "call_interrupted"
    BY_PERSON = "by_person"


class LadderStep(StrEnum):
    """The steps of the escalation ladder; the machine proposes, only a person decides."""

    NOTICE = "notice"
    WARNING_1 = "warning_1"
    WARNING_2 = "warning_2"
    END_OF_CALL = "end_of_call"
    ENDED = "ended"


class LadderState(StrEnum):
    """Whether a step is a proposal of the machine or the decision of a named person."""

    PROPOSED = "proposed"
    DECIDED = "decided"
