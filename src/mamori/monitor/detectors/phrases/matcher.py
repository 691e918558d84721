"""Finds a book's phrases in what somebody said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Final

from mamori.monitor.detectors.phrases.book import PhraseBook
from mamori.monitor.detectors.phrases.candidates import NEARNESS, CandidateIndex
from mamori.monitor.detectors.phrases.compiled import FiledRule, Filing
from mamori.monitor.detectors.phrases.matches import (
    FUZZY_THRESHOLD_RATIO,
    Found,
    PhraseMatch,
    Seen,
    as_match,
    strongest,
)
from mamori.monitor.detectors.phrases.misheard import MisheardIndex
from mamori.monitor.detectors.phrases.reread import find_again
from mamori.monitor.detectors.phrases.texts import Language, Looked, create_language
from mamori.monitor.detectors.phrases.wordings import wordings
from mamori.monitor.events import Severity

# Nobody speaks this many in an utterance; what is longer is no utterance to read again.
_MOST_CHARACTERS: Final = 500

# Wordings of a pattern that a grammar is given. Of 319 Japanese development lines with a phrase
# worth a warning, 1 met 83 (153 phrases), 4 met 111 (604), 8 met 147 (1,164), 16 met 179 (2,146).
_HINT_WORDINGS: Final = 8


class PhraseMatcher:
    """A compiled book: make it once per language and share it between calls.

    Not for use by two threads at the same time. ``eyes`` may be handed in to share the
    dictionary; otherwise it is loaded here.
    """

    def __init__(self, book: PhraseBook, eyes: Language | None = None) -> None:
        """Compile the book; PatternError if a phrase cannot be read."""
        self.book = book
        self.language = book.language
        self._eyes = eyes or create_language(book.language)
        self._filing = Filing(book, self._eyes)
        self._misheard = MisheardIndex(
            (
                (number, self._eyes.letters(phrase)[0])
                for number, filed in enumerate(self._filing.rules)
                for phrase in filed.misheard
            ),
            FUZZY_THRESHOLD_RATIO,
        )
        # Candidates and matches of one text are asked for one after the other.
        self._latest: tuple[Seen, Mapping[int, Found]] | None = None

    def match(self, text: str) -> list[PhraseMatch]:
        """Every rule found in ``text``, once each, in order of where its words begin."""
        seen, misheard = self._see(text)
        matches = []
        for number, filed in enumerate(self._filing.rules):
            found = _best(filed, seen, misheard.get(number))
            if found is not None:
                matches.append(as_match(filed.rule, found, text))
        return _in_order(matches)

    def candidates(self, text: str) -> tuple[str, ...]:
        """Phrases that an utterance's text nearly holds, best first, at most six.

        As written, with nothing in their gaps; one of each pattern, none of a rule that has a
        phrase in the text, whatever context surrounds it. None in texts of more than 500
        characters: no utterance is that long. The first call builds the index: ``prepare``.
        """
        if len(text) > _MOST_CHARACTERS:
            return ()
        seen, misheard = self._see(text)
        view = seen.sight.looked.reading or seen.sight.looked.surface

        def is_held(number: int) -> bool:
            return number in misheard or _stands(self._filing.rules[number], seen)

        return self._candidates.near(self._eyes.letters(view.text)[0], is_held=is_held)

    def hint_phrases(self) -> tuple[str, ...]:
        """Whole phrases to listen for while they are spoken: of the rules worth a warning.

        Up to eight of each pattern, each once, none as short as half of all sentences hold: a
        grammar of one and two words heard one in most fair clips.
        """
        least = NEARNESS[self.language].least_units
        rules = [rule for rule in self.book.rules if rule.severity >= Severity.WARNING]
        found = wordings(rules, self._eyes, most=_HINT_WORDINGS)
        return tuple(dict.fromkeys(each.text for each in found if each.units >= least))

    def prepare(self) -> None:
        """Build what ``candidates`` and ``match_again`` need: a second or two, the first time."""
        _ = self._candidates

    def match_again(self, second: str, *, first: str, phrases: Sequence[str]) -> list[PhraseMatch]:
        """The ``phrases`` that a second reading holds, one match for each rule, in order.

        ``phrases`` are what ``candidates`` gave for ``first``, the record; others are not known.
        Nothing of a rule that the record has, nor of its category for the same words of it.
        """
        suspects = self._candidates.wordings_of(phrases)
        if not suspects:
            return []
        known = self.match(first)
        (record, _), (seen, _) = self._see(first), self._see(second)
        matches = []
        for number, worded in suspects.items():
            filed = self._filing.rules[number]
            if any(match.rule == filed.rule.id for match in known):
                continue
            taken = [
                (match.start, match.end) for match in known if match.category == filed.rule.category
            ]
            found = find_again(filed, worded, self._eyes, first=record, second=seen, taken=taken)
            if found is not None:
                matches.append(as_match(filed.rule, found, second))
        return _in_order(matches)

    @cached_property
    def _candidates(self) -> CandidateIndex:
        return CandidateIndex(wordings(self.book.rules, self._eyes), NEARNESS[self.language])

    def _see(self, text: str) -> tuple[Seen, Mapping[int, Found]]:
        """A text's views and what is misheard in it, by rule."""
        if self._latest is None or self._latest[0].text != text:
            sight = self._filing.look(text)
            self._latest = Seen.of(text, sight), self._find_misheard(sight.looked)
        return self._latest

    def _find_misheard(self, looked: Looked) -> Mapping[int, Found]:
        view = looked.reading or looked.surface
        text, positions = self._eyes.letters(view.text)
        found = {}
        for hit in self._misheard.find(text):
            start, end = positions[hit.start], positions[hit.end - 1] + 1
            found[hit.owner] = Found("fuzzy", *view.original_span(start, end), hit.similarity_ratio)
        return found


def _best(filed: FiledRule, seen: Seen, misheard: Found | None) -> Found | None:
    """The strongest hit of one rule: as spelled, else as heard, else nearly so."""
    sight = seen.sight
    surface, reading = sight.looked.surface, sight.looked.reading
    spelled = [
        Found("surface", *surface.original_span(*span), 1.0)
        for span in sight.surface.spans_of(filed.spelled)
    ]
    best = _strongest(filed, seen, spelled)
    if best is None and sight.reading is not None and reading is not None:
        heard = [
            Found("reading", *reading.original_span(*span), 1.0)
            for span in sight.reading.spans_of(filed.heard)
        ]
        best = _strongest(filed, seen, heard)
    if best is None and misheard is not None:
        best = _strongest(filed, seen, [misheard])
    return best


def _strongest(filed: FiledRule, seen: Seen, candidates: Sequence[Found]) -> Found | None:
    return strongest(
        each.lowered(seen.contexts(filed, each.start, each.end)) for each in candidates
    )


def _stands(filed: FiledRule, seen: Seen) -> bool:
    """Whether any phrase of the rule stands in the text, whatever the words around it say."""
    sight = seen.sight
    return bool(
        sight.surface.spans_of(filed.spelled)
        or (sight.reading is not None and sight.reading.spans_of(filed.heard))
    )


def _in_order(matches: list[PhraseMatch]) -> list[PhraseMatch]:
    return sorted(matches, key=lambda match: (match.start, match.end, match.rule))


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
