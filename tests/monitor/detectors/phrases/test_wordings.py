"""Wordings of patterns: whole phrases, spread over all choices, none of a spelling."""

from __future__ import annotations

import pytest

from mamori.monitor.detectors.phrases import Language, PhraseBook, PhraseMatcher, PhraseRule
from mamori.monitor.detectors.phrases.wordings import spread, wordings
from mamori.monitor.events import Severity


def _rule(*phrases: str, spelling_only: bool = False) -> PhraseRule:
    return PhraseRule(
        id="r",
        category="threat",
        severity=Severity.WARNING,
        phrases=phrases,
        spelling_only=spelling_only,
    )


@pytest.mark.parametrize(("total", "given"), [(1, 1), (3, 3), (4, 4), (5, 4), (1000, 4)])
def test_at_most_so_many_different_choices(total: int, given: int) -> None:
    chosen = list(spread(total, 4))

    assert len(chosen) == len(set(chosen)) == given
    assert all(0 <= each < total for each in chosen)


def test_every_choice_of_a_part_is_met_where_not_all_wordings_are() -> None:
    # Even steps of 250 would meet 0, 250, 500, 750: one last digit.
    assert {each % 10 for each in spread(1000, 40)} == set(range(10))


def test_a_wording_has_nothing_in_its_gaps(japanese: Language) -> None:
    found = [each.text for each in wordings([_rule("お前…(殺す|殴る)")], japanese)]

    assert found == ["お前殺す", "お前殴る"]


def test_patterns_are_numbered_over_all_rules(japanese: Language) -> None:
    rules = [_rule("殺す", "殴る"), _rule("蹴る", spelling_only=True), _rule("叩く")]

    found = [(each.rule, each.pattern, each.text) for each in wordings(rules, japanese)]

    assert [(rule, text) for rule, _, text in found] == [(0, "殺す"), (0, "殴る"), (2, "叩く")]
    assert len({pattern for _, pattern, _ in found}) == 3


@pytest.mark.parametrize(("language", "text"), [("ko", "너 죽여"), ("en", "you die")])
def test_a_gap_is_a_space_where_words_have_one(language: str, text: str) -> None:
    phrase = text.replace(" ", "…")
    book = PhraseBook(language=language, rules=(_rule(phrase),))
    eyes = PhraseMatcher(book)._eyes

    assert [each.text for each in wordings(book.rules, eyes)] == [text]


@pytest.mark.parametrize(("choices", "given"), [(7, 7), (8, 8), (9, 8)])
def test_a_pattern_gives_at_most_eight_hints(japanese: Language, choices: int, given: int) -> None:
    firsts = "|".join("東西南北上下左右中"[:choices])
    book = PhraseBook(language="ja", rules=(_rule(f"({firsts})に火をつけてやるぞ"),))

    assert len(PhraseMatcher(book, japanese).hint_phrases()) == given


@pytest.mark.parametrize(("phrase", "is_hinted"), [("ころすぞ", False), ("ころすからな", True)])
def test_a_short_phrase_is_no_hint(japanese: Language, phrase: str, is_hinted: bool) -> None:
    book = PhraseBook(language="ja", rules=(_rule(phrase),))

    assert bool(PhraseMatcher(book, japanese).hint_phrases()) is is_hinted
