"""What was found of a rule in a text, and what the words around it make of that."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from mamori.monitor.detectors.phrases.book import ContextEffect, PhraseRule
from mamori.monitor.detectors.phrases.compiled import FiledContext, FiledRule, Sight
from mamori.monitor.detectors.phrases.index import Span
from mamori.monitor.events import Severity

FUZZY_THRESHOLD_RATIO: Final = 0.85
"""Measured on telephone-band clips: 0.85 with the ending checked gave no false hit, 0.75 some."""

_SEVERITY_SCORE: Final = {
    Severity.ATTENTION: 0.5,
    Severity.WARNING: 0.75,
    Severity.CRITICAL: 0.95,
}

# A denied threat (殺すとは言っていない) is evidence, not an alarm.
_LOWERED_WEIGHT: Final = 0.5

_QUOTED: Final = re.compile("「[^「」]{0,400}」|『[^『』]{0,400}』|“[^“”]{0,400}”")

MatchKind = Literal["surface", "reading", "fuzzy", "reread"]

# What may be misheard is never critical alone.
_NEVER_CRITICAL: Final = frozenset({"fuzzy", "reread"})


@dataclass(frozen=True, slots=True, kw_only=True)
class PhraseMatch:
    """One rule found in one text. ``start`` and ``end`` are characters of the original text.

    ``quote`` is ``text[start:end]`` verbatim. ``severity`` is the rule's, attention where a
    context lowered it (``lowered_by`` names it), and at most warning where ``match`` is fuzzy or
    reread. Ratios and ``score`` are in [0, 1]. A reread match is of a second reading;
    ``record_quote`` is then what the first one has in its place, verbatim.
    """

    rule: str
    category: str
    severity: Severity
    quote: str = field(repr=False)
    start: int
    end: int
    match: MatchKind
    similarity_ratio: float
    threshold_ratio: float
    score: float
    lowered_by: str | None = None
    record_quote: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Seen:
    """A text that was looked at."""

    text: str = field(repr=False)
    sight: Sight = field(repr=False)
    quoted: Sequence[Span]

    @classmethod
    def of(cls, text: str, sight: Sight) -> Seen:
        """With the stretches of the text that stand in quotation marks."""
        return cls(text, sight, [found.span() for found in _QUOTED.finditer(text)])

    def contexts(self, filed: FiledRule, start: int, end: int) -> list[FiledContext]:
        """The rule's contexts that surround ``text[start:end]``."""
        view = self.sight.looked.surface
        first, last = view.position_of(start), view.position_of(end - 1) + 1
        in_quotes = any(opening < start and end < closing for opening, closing in self.quoted)
        return [
            context
            for context in filed.contexts
            if (in_quotes and context.in_quotes)
            or context.holds(view, self.sight.surface, first, last)
        ]


@dataclass(frozen=True, slots=True)
class Found:
    """A stretch of a text that a rule's phrase may stand in."""

    kind: MatchKind
    start: int
    end: int
    similarity_ratio: float
    lowered_by: str | None = None
    record_quote: str | None = field(default=None, repr=False)

    def lowered(self, contexts: Sequence[FiledContext]) -> Found | None:
        """The same as the contexts around it leave it; None where one of them drops it."""
        if any(context.effect is ContextEffect.DROP for context in contexts):
            return None
        return Found(
            self.kind,
            self.start,
            self.end,
            self.similarity_ratio,
            contexts[0].id if contexts else None,
            self.record_quote,
        )


def strongest(candidates: Iterable[Found | None]) -> Found | None:
    """One that no context lowers before a longer one."""
    return max(
        (each for each in candidates if each is not None),
        key=lambda each: (each.lowered_by is None, each.end - each.start, -each.start),
        default=None,
    )


def as_match(rule: PhraseRule, found: Found, text: str) -> PhraseMatch:
    """What was found, with what it is worth."""
    severity = rule.severity if found.lowered_by is None else Severity.ATTENTION
    if found.kind in _NEVER_CRITICAL:
        severity = min(severity, Severity.WARNING)
    weight = 1.0 if found.lowered_by is None else _LOWERED_WEIGHT
    return PhraseMatch(
        rule=rule.id,
        category=rule.category,
        severity=severity,
        quote=text[found.start : found.end],
        start=found.start,
        end=found.end,
        match=found.kind,
        similarity_ratio=found.similarity_ratio,
        threshold_ratio=FUZZY_THRESHOLD_RATIO if found.kind in _NEVER_CRITICAL else 1.0,
        score=_SEVERITY_SCORE[severity] * found.similarity_ratio * weight,
        lowered_by=found.lowered_by,
        record_quote=found.record_quote,
    )
