"""A book's rules and contexts, filed for looking up on the views of its language."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from mamori.monitor.detectors.normalisation import View
from mamori.monitor.detectors.phrases.book import Context, ContextEffect, PhraseBook, PhraseRule
from mamori.monitor.detectors.phrases.index import Hits, IndexedPhrase, PhraseIndex
from mamori.monitor.detectors.phrases.patterns import Part, expand
from mamori.monitor.detectors.phrases.texts import Language, Looked

# A particle and one adverb fit between 私が or ゴキブリを and the match.
_BEFORE_CHARACTERS: Final = 6
# The rest of the verb and final particles fit between the match and と言われた.
_AFTER_CHARACTERS: Final = 6
# Homophones are everywhere below four morae: such words match by spelling, or by a rule's own
# ``readings``.
_LEAST_READING_UNITS: Final = 4


@dataclass(frozen=True, slots=True)
class FiledContext:
    """One context; its phrases are filed on the spelling view."""

    id: str
    effect: ContextEffect
    before: tuple[IndexedPhrase, ...]
    after: tuple[IndexedPhrase, ...]
    anywhere: tuple[IndexedPhrase, ...]
    in_quotes: bool

    def holds(self, view: View, hits: Hits, start: int, end: int) -> bool:
        """Whether this context surrounds ``view.text[start:end]``, within one sentence."""
        # Searched, not walked: a text of ten thousand sentences must not cost their square.
        before = bisect_right(view.breaks, start)
        behind = bisect_left(view.breaks, end)
        first = view.breaks[before - 1] if before else 0
        last = view.breaks[behind] if behind < len(view.breaks) else len(view.text)
        return (
            any(
                first <= left and 0 <= start - right <= _BEFORE_CHARACTERS
                for left, right in hits.spans_of(self.before)
            )
            or any(0 <= left - end <= _AFTER_CHARACTERS for left, _ in hits.spans_of(self.after))
            or any(first <= left and right <= last for left, right in hits.spans_of(self.anywhere))
        )


@dataclass(frozen=True, slots=True)
class FiledRule:
    """One rule; ``heard`` is filed on the reading view, ``misheard`` are phrases without gaps."""

    rule: PhraseRule
    spelled: tuple[IndexedPhrase, ...]
    heard: tuple[IndexedPhrase, ...]
    contexts: tuple[FiledContext, ...]
    misheard: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sight:
    """One text, looked at: its views and what stands in them."""

    looked: Looked
    surface: Hits
    reading: Hits | None


class Filing:
    """Files a book; ``rules`` are ready to be asked about a ``Sight``."""

    def __init__(self, book: PhraseBook, language: Language) -> None:
        """PatternError if a phrase cannot be read."""
        self._language = language
        self._surface = PhraseIndex(language)
        self._reading = PhraseIndex(language)
        contexts = {context.id: self._file_context(context) for context in book.contexts}
        self.rules = tuple(
            self._file_rule(rule, [contexts[name] for name in rule.unless]) for rule in book.rules
        )

    def look(self, text: str) -> Sight:
        """The views of a text and every filed phrase in them."""
        looked = self._language.look(text)
        return Sight(
            looked,
            self._surface.look(looked.surface),
            self._reading.look(looked.reading) if looked.reading is not None else None,
        )

    def _file_rule(self, rule: PhraseRule, contexts: list[FiledContext]) -> FiledRule:
        if rule.unless_phrases:
            own = Context(id=f"{rule.id}.unless_phrases", anywhere=rule.unless_phrases)
            contexts = [*contexts, self._file_context(own)]
        spelled, heard, misheard = [], [], []
        for pattern in rule.phrases:
            parts = expand(pattern)
            written = [self._written(part) for part in parts]
            spelled.append(self._surface.add(written))
            sounds = [] if rule.spelling_only else self._sounds(parts, _LEAST_READING_UNITS)
            if sounds:
                heard.append(self._reading.add(sounds))
            least = self._language.fuzzy_units
            if least and rule.fuzzy and not rule.spelling_only and len(parts) == 1:
                misheard += [text for text, units in (sounds or written)[0] if units >= least]
        for pattern in rule.readings:
            heard.append(self._reading.add(self._sounds(expand(pattern), 1)))
        return FiledRule(
            rule,
            tuple(spelled),
            tuple(heard),
            tuple(contexts),
            tuple(dict.fromkeys(misheard)),
        )

    def _file_context(self, context: Context) -> FiledContext:
        return FiledContext(
            context.id,
            context.effect,
            self._file_all(context.before),
            self._file_all(context.after, stems=True),
            self._file_all(context.anywhere),
            context.in_quotes,
        )

    def _file_all(
        self, patterns: Iterable[str], *, stems: bool = False
    ) -> tuple[IndexedPhrase, ...]:
        return tuple(
            self._surface.add([self._written(part) for part in expand(pattern)], stems=stems)
            for pattern in patterns
        )

    def _written(self, part: Part) -> list[tuple[str, int]]:
        """The part's texts as the spelling view writes them, with their lengths to the ear."""
        units = self._language.units(part)
        return [
            (self._language.spell(text), length) for text, length in zip(part, units, strict=True)
        ]

    def _sounds(self, parts: Sequence[Part], least_units: int) -> list[list[tuple[str, int]]]:
        """The parts as the reading view writes them; a phrase without gaps only if long enough."""
        sounds = []
        for part in parts:
            readings = self._language.read(part)
            if readings is None:
                return []
            lengths = self._language.units(part)
            sounds.append(
                [
                    (reading, length)
                    for reading, length in zip(readings, lengths, strict=True)
                    if len(parts) > 1 or length >= least_units
                ]
            )
        return sounds
