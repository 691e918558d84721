"""A small Japanese book, compiled once."""

from __future__ import annotations

import pytest

from mamori.monitor.detectors.phrases import (
    Context,
    ContextEffect,
    Language,
    PhraseBook,
    PhraseMatcher,
    PhraseRule,
    create_language,
)
from mamori.monitor.events import Severity


@pytest.fixture(scope="session")
def japanese() -> Language:
    return create_language("ja")


@pytest.fixture(scope="session")
def matcher(japanese: Language) -> PhraseMatcher:
    """``beat`` is critical, ``money`` a warning, ``fool`` for the attention, ``pay`` of money's."""
    unless = ("denied", "quoted")
    return PhraseMatcher(
        PhraseBook(
            language="ja",
            rules=(
                PhraseRule(
                    id="beat",
                    category="threat",
                    severity=Severity.CRITICAL,
                    phrases=("これからぶん殴りに行くぞ",),
                    unless=unless,
                ),
                PhraseRule(
                    id="money",
                    category="extortion",
                    severity=Severity.WARNING,
                    phrases=("慰謝料を払え", "示談金をよこせ"),
                    unless=unless,
                ),
                PhraseRule(
                    id="pay",
                    category="extortion",
                    severity=Severity.WARNING,
                    phrases=("医者代を払え",),
                ),
                PhraseRule(
                    id="fool",
                    category="insult",
                    severity=Severity.ATTENTION,
                    phrases=("役立たずの給料泥棒",),
                ),
                PhraseRule(
                    id="spelled",
                    category="insult",
                    severity=Severity.WARNING,
                    phrases=("頭がおかしいんじゃないか",),
                    spelling_only=True,
                ),
            ),
            contexts=(
                Context(id="denied", effect=ContextEffect.LOWER, after=("とは言っていない",)),
                Context(id="quoted", after=("と言われた",), in_quotes=True),
            ),
        ),
        japanese,
    )
