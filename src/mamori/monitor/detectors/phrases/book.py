"""The rules of one language, as data: what a firm reads, reviews and adds to."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from mamori.monitor.events import Severity, is_category


class ContextEffect(StrEnum):
    """What a context does to a match: it is not one, or it is worth no more than attention."""

    DROP = "drop"
    LOWER = "lower"


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """Words around a match that change what it means: a quotation, a machine, a question.

    ``before`` ends at most a few characters before the match, ``after`` begins at most a few after
    it, ``anywhere`` stands in the same sentence. Patterns as in ``patterns``. ``in_quotes`` holds
    inside quotation marks (a written transcript has them).
    """

    id: str
    effect: ContextEffect = ContextEffect.DROP
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    anywhere: tuple[str, ...] = ()
    in_quotes: bool = False

    def __post_init__(self) -> None:
        if not (self.before or self.after or self.anywhere or self.in_quotes):
            raise ValueError(f"context {self.id} needs at least one of before, after, anywhere")


@dataclass(frozen=True, slots=True, kw_only=True)
class PhraseRule:
    """One rule: phrases that mean one kind of conduct, and the proof that they do.

    ``readings`` are further ways to hear the phrases, in kana (Japanese only). ``unless`` names
    contexts; ``unless_phrases`` are the rule's own, anywhere in the same sentence. ``fuzzy`` allows
    the longer phrases to match misheard; ``spelling_only`` binds the rule to how its phrases are
    written, where a homophone is a fair wish. Every example must match and no counter-example may.
    """

    id: str
    category: str
    severity: Severity
    phrases: tuple[str, ...]
    readings: tuple[str, ...] = ()
    unless: tuple[str, ...] = ()
    unless_phrases: tuple[str, ...] = ()
    fuzzy: bool = True
    spelling_only: bool = False
    examples: tuple[str, ...] = ()
    counter_examples: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.id:
            raise ValueError("a rule needs an id")
        if not is_category(self.category):
            raise ValueError(f"rule {self.id}: {self.category!r} is no category")
        if not self.phrases:
            raise ValueError(f"rule {self.id} needs at least one phrase")


@dataclass(frozen=True, slots=True, kw_only=True)
class PhraseBook:
    """All rules and contexts of one language (``ja``, ``ko``, ``en``); ids are unique."""

    language: str
    rules: tuple[PhraseRule, ...]
    contexts: tuple[Context, ...] = ()

    def __post_init__(self) -> None:
        if self.language not in LANGUAGES:
            raise ValueError(f"language must be one of {', '.join(LANGUAGES)}, not {self.language}")
        for kind, ids in (
            ("rule", [rule.id for rule in self.rules]),
            ("context", [context.id for context in self.contexts]),
        ):
            twice = sorted({each for each in ids if ids.count(each) > 1})
            if twice:
                raise ValueError(f"{kind} ids must be unique: {', '.join(twice)} more than once")
        known = {context.id for context in self.contexts}
        for rule in self.rules:
            missing = [each for each in rule.unless if each not in known]
            if missing:
                raise ValueError(f"rule {rule.id}: no context {', '.join(missing)}")


LANGUAGES = ("ja", "ko", "en")
"""Languages with a normaliser of their own."""
