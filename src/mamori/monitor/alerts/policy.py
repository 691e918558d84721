"""What a firm decides about alerts: clause and guidance of each category, and when one rises."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from mamori.monitor.events import Category, Severity, is_category

_LONGEST_WINDOW_MS: Final = 86_400_000  # one day: longer than any call
_LONGEST_COOLDOWN_MS: Final = 600_000  # ten minutes: beyond that a supervisor watches stale counts


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertTerms:
    """What an alert of one category points to: the policy's clause and the guidance text."""

    clause: str
    guidance_key: str

    def __post_init__(self) -> None:
        if not self.clause or not self.guidance_key:
            raise ValueError("clause and guidance_key must not be empty")


@dataclass(frozen=True, slots=True, kw_only=True)
class EscalationRule:
    """``count`` detections of a category, first to last at most ``within_ms``: ``severity``.

    ``count`` in [2, 100]; ``within_ms`` in [1, 86400000], media time, both ends included.
    """

    category: str
    count: int
    within_ms: int
    severity: Severity

    def __post_init__(self) -> None:
        if not is_category(self.category):
            raise ValueError(f"category must be one of the policy's or custom:<name>: {self!r}")
        if not 2 <= self.count <= 100:
            raise ValueError(f"count must be in [2, 100], not {self.count}")
        if not 1 <= self.within_ms <= _LONGEST_WINDOW_MS:
            raise ValueError(
                f"within_ms must be in [1, {_LONGEST_WINDOW_MS}], not {self.within_ms}"
            )


# One insult may slip out; a second within a minute is a manner, not a slip (judgement).
DEFAULT_ESCALATIONS: Final = (
    EscalationRule(category=Category.INSULT, count=2, within_ms=60_000, severity=Severity.WARNING),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertBookConfig:
    """How detections become alerts. ``terms`` names every category of the basic policy.

    ``custom_terms`` serve a ``custom:<name>`` that ``terms`` does not name.
    ``update_cooldown_ms`` in [0, 600000], media time.
    """

    policy_version: str
    terms: Mapping[str, AlertTerms]
    custom_terms: AlertTerms
    escalations: tuple[EscalationRule, ...] = DEFAULT_ESCALATIONS
    # About the time to read a card with its quote and guidance (judgement): a card that changes
    # faster is not read. A rise in severity never waits for it.
    update_cooldown_ms: int = 15_000

    def __post_init__(self) -> None:
        if not self.policy_version:
            raise ValueError("policy_version must not be empty")
        missing = sorted({category.value for category in Category} - set(self.terms))
        if missing:
            raise ValueError(f"terms must name every category; missing: {', '.join(missing)}")
        unknown = sorted(name for name in self.terms if not is_category(name))
        if unknown:
            raise ValueError(f"terms names what is no category: {', '.join(unknown)}")
        if not 0 <= self.update_cooldown_ms <= _LONGEST_COOLDOWN_MS:
            raise ValueError(
                f"update_cooldown_ms must be in [0, {_LONGEST_COOLDOWN_MS}],"
                f" not {self.update_cooldown_ms}"
            )
        terms = {str(name): value for name, value in self.terms.items()}
        object.__setattr__(self, "terms", MappingProxyType(terms))

    def terms_of(self, category: str) -> AlertTerms:
        """Clause and guidance of a category; ValueError for what is no category."""
        if not is_category(category):
            raise ValueError(f"{category!r} is no category")
        return self.terms.get(category, self.custom_terms)

    def escalations_of(self, category: str) -> tuple[EscalationRule, ...]:
        """The rules that may raise an alert of this category."""
        return tuple(rule for rule in self.escalations if rule.category == category)
