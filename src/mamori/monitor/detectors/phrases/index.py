"""All phrases of a book found in one pass over a text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from mamori.monitor.detectors.normalisation import View
from mamori.monitor.detectors.phrases.patterns import GAP_CHARACTERS
from mamori.monitor.detectors.phrases.texts import Language

Span = tuple[int, int]
"""Start and end in the text of a view."""


class LiteralIndex:
    """Texts filed by their first two letters, each with the numbers of the parts it belongs to."""

    def __init__(self) -> None:
        self._by_head: dict[str, dict[int, dict[str, list[int]]]] = {}

    def add(self, text: str, number: int) -> None:
        """File ``text`` under part ``number``."""
        by_length = self._by_head.setdefault(text[:2], {})
        by_length.setdefault(len(text), {}).setdefault(text, []).append(number)

    def find(self, text: str) -> dict[int, list[Span]]:
        """Where the texts of each part stand, in order of their start."""
        found: dict[int, list[Span]] = {}
        for start in range(len(text)):
            for head in (text[start : start + 2], text[start]):
                for length, texts in self._by_head.get(head, {}).items():
                    end = start + length
                    for number in texts.get(text[start:end], ()):
                        found.setdefault(number, []).append((start, end))
                if start + 1 >= len(text):
                    break
        return found


@dataclass(frozen=True, slots=True)
class IndexedPhrase:
    """The part numbers of one phrase, in order: for each the one of its long and short texts."""

    parts: tuple[tuple[int, int], ...]


class PhraseIndex:
    """Phrases with gaps on one view, found by the parts they are made of."""

    def __init__(self, language: Language) -> None:
        self._language = language
        self._literals = LiteralIndex()
        self._next = 0

    def add(
        self, parts: Sequence[Iterable[tuple[str, int]]], *, stems: bool = False
    ) -> IndexedPhrase:
        """File a phrase given as parts of (text as the view writes it, its length in units).

        ``stems`` lets short texts be cut from longer words (と怒鳴 of と怒鳴られた).
        """
        numbers = []
        for texts in parts:
            long, short = self._next, self._next + 1
            self._next += 2
            for text, units in dict(texts).items():
                is_short = not stems and units <= self._language.short_units
                if text:
                    self._literals.add(text, short if is_short else long)
            numbers.append((long, short))
        return IndexedPhrase(tuple(numbers))

    def look(self, view: View) -> Hits:
        """One pass over a view."""
        return Hits(view, self._literals.find(view.text), self._language)


class Hits:
    """What one pass over a view found; answers where each phrase stands."""

    def __init__(
        self, view: View, by_part: Mapping[int, Sequence[Span]], language: Language
    ) -> None:
        self._view = view
        self._by_part = by_part
        self._language = language

    def spans_of(self, phrases: Iterable[IndexedPhrase]) -> list[Span]:
        """Where any of the phrases stands."""
        by_part = self._by_part
        return [
            span
            for phrase in phrases
            # Most phrases are ruled out by their first part: this line runs for every one.
            if phrase.parts[0][0] in by_part or phrase.parts[0][1] in by_part
            for span in self.spans(phrase)
        ]

    def spans(self, phrase: IndexedPhrase) -> list[Span]:
        """Where the whole phrase stands: parts near each other, in order, in one sentence."""
        first, *rest = phrase.parts
        spans = self._part(first, whole=True)
        for part in rest:
            if not spans:
                return []
            following = self._part(part, whole=False)
            spans = [
                (start, after[1])
                for start, end in spans
                for after in [_next_after(end, following)]
                if after and not self._view.crosses_break(start, after[1])
            ]
        return spans

    def _part(self, part: tuple[int, int], *, whole: bool) -> list[Span]:
        """One part's places. A short text keeps to words: at both ends where a phrase begins."""
        long, short = part
        found = [
            span
            for span in self._by_part.get(long, ())
            if self._language.admits(self._view, *span, short=False)
        ]
        found += [
            span
            for span in self._by_part.get(short, ())
            if self._language.admits(self._view, *span, short=whole)
            and self._view.is_boundary(span[0])
        ]
        return sorted(found)


def _next_after(end: int, spans: Sequence[Span]) -> Span | None:
    near = [span for span in spans if end <= span[0] <= end + GAP_CHARACTERS]
    return max(near, key=lambda span: (-span[0], span[1]), default=None)
