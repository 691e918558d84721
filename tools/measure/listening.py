"""What a node would find of the listed phrases: its own matcher over a book made of the list."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final

from tools.measure.spotting import PhraseList, in_words

from mamori.monitor.detectors.phrases import PhraseBook, PhraseMatcher, PhraseRule, create_language
from mamori.monitor.detectors.phrases.texts import Language
from mamori.monitor.events import Category, Severity


class Listener:
    """Finds ``phrases`` in what was read, and says which of them a second reading should look for.

    One rule for each phrase. Numbers are put into words first, as in the phrases themselves.
    """

    def __init__(self, phrases: Sequence[str], language: str) -> None:
        """``phrases`` may be empty; ValueError for a language without rules."""
        self._language = language
        self._phrases = {str(number): phrase for number, phrase in enumerate(phrases)}
        rules = tuple(
            PhraseRule(
                id=rule,
                category=Category.INSULT,
                severity=Severity.WARNING,
                phrases=(_as_pattern(in_words(phrase, language)),),
            )
            for rule, phrase in self._phrases.items()
        )
        book = PhraseBook(language=language, rules=rules)
        self._matcher = PhraseMatcher(book, _eyes(language)) if rules else None

    def found(self, text: str) -> frozenset[str]:
        """The phrases in a first reading."""
        if self._matcher is None:
            return frozenset()
        matches = self._matcher.match(in_words(text, self._language))
        return self._named(match.rule for match in matches)

    def candidates(self, text: str) -> tuple[str, ...]:
        """What the engine is shown when the utterance is read again; nothing where it is not."""
        if self._matcher is None:
            return ()
        return self._matcher.candidates(in_words(text, self._language))

    def found_again(self, second: str, *, first: str, shown: Sequence[str]) -> frozenset[str]:
        """The phrases that a second reading adds, of those that were ``shown``."""
        if self._matcher is None:
            return frozenset()
        matches = self._matcher.match_again(
            in_words(second, self._language), first=in_words(first, self._language), phrases=shown
        )
        return self._named(match.rule for match in matches)

    def _named(self, rules: Iterable[str]) -> frozenset[str]:
        return frozenset(self._phrases[rule] for rule in rules)


class Ears:
    """Two listeners: for the whole list, and for the ``lures``, which nobody said, alone."""

    def __init__(self, phrases: PhraseList) -> None:
        self.listed: Final = Listener(phrases.all, phrases.language)
        self.lures: Final = Listener(phrases.altered, phrases.language)


@lru_cache(maxsize=4)
def ears(phrases: PhraseList) -> Ears:
    """The listeners of a list, made once."""
    return Ears(phrases)


@lru_cache
def _eyes(language: str) -> Language:
    return create_language(language)


def _as_pattern(phrase: str) -> str:
    """The phrase's words; signs would be read as choices and gaps."""
    letters = (letter if letter.isalnum() else " " for letter in phrase)
    return " ".join("".join(letters).split())
