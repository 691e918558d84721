"""Finds a book's phrases in what somebody said."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from mamori.monitor.detectors.normalisation import squash
from mamori.monitor.detectors.phrases.book import ContextEffect, PhraseBook
from mamori.monitor.detectors.phrases.compiled import FiledRule, Filing, Sight
from mamori.monitor.detectors.phrases.index import Span
from mamori.monitor.detectors.phrases.misheard import MisheardIndex
from mamori.monitor.detectors.phrases.texts import Language, Looked, create_language
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

MatchKind = Literal["surface", "reading", "fuzzy"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PhraseMatch:
    """One rule found in one text. ``start`` and ``end`` are characters of the original text.

    ``quote`` is ``text[start:end]`` verbatim. ``severity`` is the rule's, attention where a
    context lowered it (``lowered_by`` names it), and at most warning where ``match`` is fuzzy.
    Ratios and ``score`` are in [0, 1].
    """

    rule: str
    category: str
    severity: Severity
    quote: str
    start: int
    end: int
    match: MatchKind
    similarity_ratio: float
    threshold_ratio: float
    score: float
    lowered_by: str | None = None


@dataclass(frozen=True, slots=True)
class _Candidate:
    kind: MatchKind
    start: int
    end: int
    similarity_ratio: float
    lowered_by: str | None = None


class PhraseMatcher:
    """A compiled book: make it once per language and share it between calls.

    Not for use by two threads at the same time. ``eyes`` may be handed in to share the
    dictionary; otherwise it is loaded here.
    """

    def __init__(self, book: PhraseBook, eyes: Language | None = None) -> None:
        """Compile the book; PatternError if a phrase cannot be read."""
        self.book = book
        self.language = book.language
        self._filing = Filing(book, eyes or create_language(book.language))
        self._misheard = MisheardIndex(
            (
                (number, self._squashed(phrase)[0])
                for number, filed in enumerate(self._filing.rules)
                for phrase in filed.misheard
            ),
            FUZZY_THRESHOLD_RATIO,
        )

    def match(self, text: str) -> list[PhraseMatch]:
        """Every rule found in ``text``, once each, in order of where its words begin."""
        sight = self._filing.look(text)
        misheard = self._find_misheard(sight.looked)
        quoted = [found.span() for found in _QUOTED.finditer(text)]
        matches = []
        for number, filed in enumerate(self._filing.rules):
            found = _best(filed, sight, quoted, misheard.get(number))
            if found is not None:
                matches.append(_as_match(filed, found, text))
        return sorted(matches, key=lambda match: (match.start, match.end, match.rule))

    def _find_misheard(self, looked: Looked) -> Mapping[int, _Candidate]:
        view = looked.reading or looked.surface
        text, positions = self._squashed(view.text)
        found = {}
        for hit in self._misheard.find(text):
            start, end = positions[hit.start], positions[hit.end - 1] + 1
            found[hit.owner] = _Candidate(
                "fuzzy", *view.original_span(start, end), hit.similarity_ratio
            )
        return found

    def _squashed(self, text: str) -> tuple[str, Sequence[int]]:
        return squash(text) if self.language == "ja" else (text, range(len(text)))


def _best(
    filed: FiledRule, sight: Sight, quoted: Sequence[Span], misheard: _Candidate | None
) -> _Candidate | None:
    """The strongest hit of one rule: as spelled, else as heard, else nearly so."""
    surface, reading = sight.looked.surface, sight.looked.reading
    spelled = [
        _Candidate("surface", *surface.original_span(*span), 1.0)
        for span in sight.surface.spans_of(filed.spelled)
    ]
    best = _strongest(filed, sight, quoted, spelled)
    if best is None and sight.reading is not None and reading is not None:
        heard = [
            _Candidate("reading", *reading.original_span(*span), 1.0)
            for span in sight.reading.spans_of(filed.heard)
        ]
        best = _strongest(filed, sight, quoted, heard)
    if best is None and misheard is not None:
        best = _strongest(filed, sight, quoted, [misheard])
    return best


def _strongest(
    filed: FiledRule, sight: Sight, quoted: Sequence[Span], candidates: Sequence[_Candidate]
) -> _Candidate | None:
    """The candidate that no context drops; one that none lowers before a longer one."""
    view = sight.looked.surface
    judged = []
    for candidate in candidates:
        start = view.position_of(candidate.start)
        end = view.position_of(candidate.end - 1) + 1
        in_quotes = any(first < candidate.start and candidate.end < last for first, last in quoted)
        holding = [
            context
            for context in filed.contexts
            if (in_quotes and context.in_quotes) or context.holds(view, sight.surface, start, end)
        ]
        if not any(context.effect is ContextEffect.DROP for context in holding):
            lowered_by = holding[0].id if holding else None
            judged.append(replace(candidate, lowered_by=lowered_by))
    return max(
        judged,
        key=lambda each: (each.lowered_by is None, each.end - each.start, -each.start),
        default=None,
    )


def _as_match(filed: FiledRule, found: _Candidate, text: str) -> PhraseMatch:
    rule = filed.rule
    severity = rule.severity if found.lowered_by is None else Severity.ATTENTION
    if found.kind == "fuzzy":
        severity = min(severity, Severity.WARNING)  # what may be misheard is never critical alone
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
        threshold_ratio=FUZZY_THRESHOLD_RATIO if found.kind == "fuzzy" else 1.0,
        score=_SEVERITY_SCORE[severity] * found.similarity_ratio * weight,
        lowered_by=found.lowered_by,
    )


def check_examples(matcher: PhraseMatcher) -> list[tuple[str, str, str]]:
    """What a book promises and does not keep: (rule id, key, message), all at once."""
    problems = []
    for rule in matcher.book.rules:
        for key, texts, wanted in (
            ("examples", rule.examples, True),
            ("counter_examples", rule.counter_examples, False),
        ):
            for text in texts:
                hit = any(match.rule == rule.id for match in matcher.match(text))
                if hit and not wanted:
                    problems.append((rule.id, key, f"{text!r} matches and must not"))
                elif wanted and not hit:
                    problems.append((rule.id, key, f"{text!r} does not match"))
    return problems
