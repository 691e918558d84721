"""Phrases in a second reading: what counts, how closely, and what both readings say around it."""

from __future__ import annotations

import pytest

from mamori.monitor.detectors.phrases import PhraseBook, PhraseMatch, PhraseMatcher, PhraseRule
from mamori.monitor.events import Severity

MONEY = "慰謝料を払え"
MISHEARD = "石屋料をあらえ"


def _again(matcher: PhraseMatcher, first: str, second: str, *phrases: str) -> list[PhraseMatch]:
    return matcher.match_again(second, first=first, phrases=phrases or (MONEY,))


def test_a_suspected_phrase_is_quoted_with_what_the_record_has_in_its_place(
    matcher: PhraseMatcher,
) -> None:
    (found,) = _again(matcher, f"いいから、{MISHEARD}。", f"いいから、{MONEY}。")

    assert (found.rule, found.match, found.severity) == ("money", "reread", Severity.WARNING)
    assert (found.quote, found.record_quote) == (MONEY, MISHEARD)
    assert (found.start, found.end) == (5, 11)
    assert (found.similarity_ratio, found.threshold_ratio) == (1.0, 0.85)
    assert found.lowered_by is None


def test_a_second_reading_is_never_critical(matcher: PhraseMatcher) -> None:
    phrase = "これからぶん殴りに行くぞ"
    (found,) = _again(matcher, "これからぶん撮りにいくそ", phrase, phrase)

    assert matcher.match(phrase)[0].severity is Severity.CRITICAL
    assert found.severity is Severity.WARNING


def test_a_phrase_heard_but_spelled_otherwise_counts(matcher: PhraseMatcher) -> None:
    (found,) = _again(matcher, MISHEARD, "いしゃりょうをはらえ")

    assert (found.match, found.similarity_ratio) == ("reread", 1.0)


@pytest.mark.parametrize(
    "second",
    [
        "慰謝料を払います",  # the ending is another
        "慰謝料は払え",
        "今日は天気がいいですね",
        "慰謝料",
        "",
    ],
)
def test_a_second_reading_without_the_phrase_gives_nothing(
    matcher: PhraseMatcher, second: str
) -> None:
    assert _again(matcher, MISHEARD, second) == []


def test_a_phrase_that_was_not_suspected_does_not_count(matcher: PhraseMatcher) -> None:
    assert _again(matcher, MISHEARD, "役立たずの給料泥棒") == []


@pytest.mark.parametrize("phrases", [(), ("聞いたことのない文句",)])
def test_phrases_of_no_rule_give_nothing(matcher: PhraseMatcher, phrases: tuple[str, ...]) -> None:
    assert matcher.match_again(MONEY, first=MISHEARD, phrases=phrases) == []


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (f"{MISHEARD}と言われた", MONEY),
        (MISHEARD, f"{MONEY}と言われた"),
        (f"「あの、{MISHEARD}ね」と書いてある", MONEY),
        (MISHEARD, f"「あの、{MONEY}ね」と書いてある"),
    ],
)
def test_a_quotation_in_either_reading_takes_the_phrase_away(
    matcher: PhraseMatcher, first: str, second: str
) -> None:
    assert _again(matcher, first, second) == []


@pytest.mark.parametrize(
    ("first", "second"),
    [(f"{MISHEARD}とは言っていない", MONEY), (MISHEARD, f"{MONEY}とは言っていない")],
)
def test_a_denial_in_either_reading_lowers_it(
    matcher: PhraseMatcher, first: str, second: str
) -> None:
    (found,) = _again(matcher, first, second)

    assert (found.severity, found.lowered_by) == (Severity.ATTENTION, "denied")
    assert found.score == pytest.approx(0.25)


def test_the_context_of_other_words_of_the_record_does_not_count(matcher: PhraseMatcher) -> None:
    (found,) = _again(matcher, f"来るなと言われた。でもね、{MISHEARD}", MONEY)

    assert found.lowered_by is None


@pytest.mark.parametrize("first", [MONEY, f"{MONEY}。{MISHEARD}", f"{MONEY}とは言っていない"])
def test_a_rule_that_the_record_has_is_not_found_again(matcher: PhraseMatcher, first: str) -> None:
    assert _again(matcher, first, MONEY) == []


@pytest.mark.parametrize(("before", "found"), [("", ["money"]), (f"{MONEY}。", [])])
def test_nor_is_another_phrase_of_that_rule(
    matcher: PhraseMatcher, before: str, found: list[str]
) -> None:
    again = _again(matcher, f"{before}地蔵金をよこせ", "示談金をよこせ", "示談金をよこせ")

    assert [each.rule for each in again] == found


def test_words_of_another_category_hide_nothing(matcher: PhraseMatcher) -> None:
    insult = "役立たずの給料泥棒"

    assert [match.category for match in matcher.match(insult)] == ["insult"]
    assert [each.rule for each in _again(matcher, insult, MONEY)] == ["money"]


def test_the_same_words_are_not_found_again_under_another_rule_of_the_category(
    matcher: PhraseMatcher,
) -> None:
    assert [match.rule for match in matcher.match(MONEY)] == ["money"]
    assert _again(matcher, MONEY, "医者代を払え", "医者代を払え") == []


def test_other_words_of_the_record_do_not_hide_a_rule_of_the_same_category(
    matcher: PhraseMatcher,
) -> None:
    first, second = f"{MONEY}。それからいしゃだいをあらえ", f"{MONEY}。それから医者代を払え"

    assert [each.rule for each in _again(matcher, first, second, "医者代を払え")] == ["pay"]


def test_an_empty_record_has_nothing_in_the_place(matcher: PhraseMatcher) -> None:
    (found,) = _again(matcher, "", MONEY)

    assert found.record_quote == ""


def test_each_rule_counts_once_in_the_order_of_its_words(matcher: PhraseMatcher) -> None:
    beat = "これからぶん殴りに行くぞ"
    first = f"{MISHEARD}。これからぶん撮りにいくそ"

    found = _again(matcher, first, f"{MONEY}。{MONEY}。{beat}", beat, MONEY, MONEY)

    assert [each.rule for each in found] == ["money", "beat"]


# Twenty syllables of two jamo: a wrong vowel is one letter in forty.
PHRASE = "가나다라마바사아자차카타파하거너더러머버"


@pytest.fixture(scope="module")
def korean() -> PhraseMatcher:
    rule = PhraseRule(id="long", category="threat", severity=Severity.WARNING, phrases=(PHRASE,))
    exact = PhraseRule(
        id="exact",
        category="insult",
        severity=Severity.WARNING,
        phrases=(PHRASE[::-1],),
        fuzzy=False,
    )
    return PhraseMatcher(PhraseBook(language="ko", rules=(rule, exact)))


def _wrong(text: str, *places: int) -> str:
    """With the vowel ㅣ, the last of 21, in those syllables."""
    return "".join(
        chr(ord(letter) + 20 * 28 - 28 * ((ord(letter) - 0xAC00) // 28 % 21))
        if place in places
        else letter
        for place, letter in enumerate(text)
    )


@pytest.mark.parametrize(
    ("wrong", "ratio"),
    [(5, 0.875), (6, 0.85), (7, None)],
)
def test_a_misheard_phrase_counts_from_85_percent(
    korean: PhraseMatcher, wrong: int, ratio: float | None
) -> None:
    second = _wrong(PHRASE, *range(3, 3 + wrong))

    found = _again(korean, "", second, PHRASE)

    assert [each.similarity_ratio for each in found] == ([] if ratio is None else [ratio])
    assert [each.quote for each in found] == ([] if ratio is None else [second])


def test_a_misheard_phrase_with_another_ending_does_not_count(korean: PhraseMatcher) -> None:
    # As like as those above: only the place differs.
    assert _again(korean, "", _wrong(PHRASE, 15, 16, 17, 18, 19), PHRASE) == []


def test_a_rule_that_forbids_mishearing_forbids_it_in_a_second_reading(
    korean: PhraseMatcher,
) -> None:
    phrase = PHRASE[::-1]

    assert _again(korean, "", phrase, phrase) != []
    assert _again(korean, "", _wrong(phrase, 5), phrase) == []


@pytest.mark.parametrize(("syllables", "counts"), [(4, False), (5, True), (6, True)])
def test_a_phrase_too_short_to_be_misheard_counts_as_it_is_alone(
    syllables: int, counts: bool
) -> None:
    # Three letters a syllable: one wrong of twelve is above the threshold already.
    phrase = "간닫랄맘밥삿"[:syllables]
    rule = PhraseRule(id="short", category="threat", severity=Severity.WARNING, phrases=(phrase,))
    matcher = PhraseMatcher(PhraseBook(language="ko", rules=(rule,)))

    assert _again(matcher, "", phrase, phrase) != []
    assert bool(_again(matcher, "", _wrong(phrase, 1), phrase)) is counts


def test_english_words_are_read_again_as_they_are_spelled() -> None:
    rule = PhraseRule(
        id="kill", category="threat", severity=Severity.CRITICAL, phrases=("i will kill you",)
    )
    matcher = PhraseMatcher(PhraseBook(language="en", rules=(rule,)))
    suspected = matcher.candidates("I will kick you")

    assert suspected == ("i will kill you",)
    assert _again(matcher, "I will kick you", "I will kilt you", *suspected) == []
    (found,) = _again(matcher, "I will kick you", "Okay, I will kill you.", *suspected)
    assert (found.quote, found.record_quote) == ("I will kill you", "I will kick you")
