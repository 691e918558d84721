"""Phrases that a text nearly holds: how like it they must be, how many, and which are left out."""

from __future__ import annotations

import pytest

from mamori.monitor.detectors.phrases import PhraseMatcher
from mamori.monitor.detectors.phrases.candidates import (
    NEARNESS,
    CandidateIndex,
    Nearness,
    likeness_percent,
)
from mamori.monitor.detectors.phrases.wordings import Wording

# A hundred different letters: one that is wrong is one percent of likeness.
PHRASE = "".join(chr(0x4E00 + index) for index in range(100))
# With letters of another kind at both ends the whole phrase is the stretch that is compared.
AROUND = "-" * 100
FLOOR_ONLY = Nearness(least_units=1, run=2, start_percent=0.0, fall_percent=0.0)


def _wording(text: str, *, rule: int = 0, pattern: int = 0, units: int = 100) -> Wording:
    return Wording(rule, pattern, text, (text,), text, units)


def _nobody_holds(_rule: int) -> bool:
    return False


def _heard(right: int) -> str:
    return AROUND + PHRASE[:right] + "?" * (100 - right) + AROUND


@pytest.mark.parametrize(("right", "is_near"), [(54, False), (55, True), (56, True)])
def test_a_phrase_is_a_candidate_from_55_percent_of_its_letters(right: int, is_near: bool) -> None:
    index = CandidateIndex([_wording(PHRASE)], FLOOR_ONLY)

    found = index.near(_heard(right), is_held=_nobody_holds)

    assert found == ((PHRASE,) if is_near else ())


@pytest.mark.parametrize(("right", "is_near"), [(74, False), (75, True), (76, True)])
def test_a_short_phrase_must_be_more_like_the_text(right: int, is_near: bool) -> None:
    nearness = Nearness(least_units=1, run=2, start_percent=95.0, fall_percent=0.2)
    index = CandidateIndex([_wording(PHRASE)], nearness)

    assert bool(index.near(_heard(right), is_held=_nobody_holds)) is is_near


@pytest.mark.parametrize("language", sorted(NEARNESS))
def test_no_language_asks_less_of_a_longer_phrase_than_55_percent(language: str) -> None:
    asked = [NEARNESS[language].least_percent(letters) for letters in range(5, 200)]

    assert asked == sorted(asked, reverse=True)
    assert asked[-1] == 55.0
    assert asked[0] > 75.0


@pytest.mark.parametrize(("units", "counts"), [(9, False), (10, True), (11, True)])
def test_a_phrase_below_the_least_length_never_counts(units: int, counts: bool) -> None:
    nearness = Nearness(least_units=10, run=2, start_percent=0.0, fall_percent=0.0)
    index = CandidateIndex([_wording(PHRASE, units=units)], nearness)

    assert bool(index.near(PHRASE, is_held=_nobody_holds)) is counts


@pytest.mark.parametrize(("offered", "given"), [(5, 5), (6, 6), (7, 6)])
def test_at_most_six_and_those_that_are_most_like_the_text(offered: int, given: int) -> None:
    phrases = [PHRASE[: 90 - number] + "!" * (10 + number) for number in range(offered)]
    index = CandidateIndex(
        [_wording(text, pattern=number) for number, text in enumerate(phrases)], FLOOR_ONLY
    )

    found = index.near(AROUND + PHRASE + AROUND, is_held=_nobody_holds)

    assert found == tuple(phrases[:given])


def test_each_pattern_gives_its_nearest_wording_alone() -> None:
    nearer, other = PHRASE[:90] + "!" * 10, PHRASE[:80] + "!" * 20
    for wordings in ([nearer, other], [other, nearer]):
        index = CandidateIndex([_wording(text, pattern=1) for text in wordings], FLOOR_ONLY)
        assert index.near(AROUND + PHRASE + AROUND, is_held=_nobody_holds) == (nearer,)


def test_of_two_wordings_equally_near_the_first_is_given() -> None:
    first, second = PHRASE[:90] + "!" * 10, PHRASE[:90] + "?" * 10
    index = CandidateIndex([_wording(text, pattern=1) for text in (first, second)], FLOOR_ONLY)

    assert index.near(AROUND + PHRASE + AROUND, is_held=_nobody_holds) == (first,)


def test_a_rule_that_the_text_holds_gives_no_candidate() -> None:
    index = CandidateIndex(
        [_wording(PHRASE, rule=3), _wording(PHRASE[:90], rule=4, pattern=1)], FLOOR_ONLY
    )

    assert index.near(PHRASE, is_held=lambda rule: rule == 3) == (PHRASE[:90],)


def test_a_fragment_of_a_phrase_is_not_the_phrase() -> None:
    # A partial ratio alone would call it a full match: 10 of 100 letters, all of them right.
    assert likeness_percent(PHRASE, PHRASE[:10]) == pytest.approx(100 * 20 / 110)
    assert likeness_percent(PHRASE[:10], PHRASE) == 100.0


def test_what_is_below_the_least_that_is_asked_for_is_nothing() -> None:
    assert likeness_percent(PHRASE, _heard(60), 60.0) == pytest.approx(60.0)
    assert likeness_percent(PHRASE, _heard(60), 60.5) == 0.0


@pytest.mark.parametrize("text", ["", "ー", "!?", "a"])
def test_a_text_without_likeness_has_no_candidates(matcher: PhraseMatcher, text: str) -> None:
    assert matcher.candidates(text) == ()


def test_a_misheard_phrase_is_suspected(matcher: PhraseMatcher) -> None:
    assert matcher.candidates("これからぶん撮りにいくそ") == ("これからぶん殴りに行くぞ",)


@pytest.mark.parametrize(
    "text",
    [
        "今日は天気がいいですね",
        "これからぶん殴りに行くぞ",  # the first reading has it
        "これからぶん殴りに行くぞと言われた",  # and knows what it means
        "これから文なんぐりに行くぞ",  # misheard, and found all the same
        "頭が押しんじゃないか",  # who is shown a spelling writes it
    ],
)
def test_nothing_is_suspected_where_nothing_could_be_added(
    matcher: PhraseMatcher, text: str
) -> None:
    assert matcher.candidates(text) == ()


@pytest.mark.parametrize(("characters", "is_read"), [(499, True), (500, True), (501, False)])
def test_a_text_longer_than_an_utterance_has_no_candidates(
    matcher: PhraseMatcher, characters: int, is_read: bool
) -> None:
    misheard = "これからぶん撮りにいくそ"
    text = "、" * (characters - len(misheard)) + misheard

    assert bool(matcher.candidates(text)) is is_read


def test_hints_are_whole_phrases_of_rules_worth_a_warning(matcher: PhraseMatcher) -> None:
    assert matcher.hint_phrases() == (
        "これからぶん殴りに行くぞ",
        "慰謝料を払え",
        "示談金をよこせ",
        "医者代を払え",
    )
