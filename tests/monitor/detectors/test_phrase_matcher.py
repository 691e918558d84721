"""Rules found in what somebody said: as spelled, as heard, misheard; and what is none of them."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mamori.monitor.detectors.phrases import (
    Context,
    ContextEffect,
    Language,
    PhraseBook,
    PhraseMatch,
    PhraseMatcher,
    PhraseRule,
    check_examples,
    create_language,
)
from mamori.monitor.detectors.phrases.misheard import MisheardIndex
from mamori.monitor.events import Severity

Match = Callable[[str], list[PhraseMatch]]


@pytest.fixture(scope="module")
def eyes() -> Language:
    return create_language("ja")


def _rule(rule_id: str, *phrases: str, **more: object) -> PhraseRule:
    values: dict[str, object] = {"category": "threat", "severity": Severity.CRITICAL, **more}
    return PhraseRule(id=rule_id, phrases=phrases, **values)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def matcher(eyes: Language) -> PhraseMatcher:
    book = PhraseBook(
        language="ja",
        contexts=(
            Context(id="quoted", after=("(と|って)(言われ|脅され)",), in_quotes=True),
            Context(id="pest", before=("(ゴキブリ|虫)(を)?",)),
            Context(
                id="negated", effect=ContextEffect.LOWER, after=("(とは|なんて)言って(い)?ない",)
            ),
            Context(id="fiction", anywhere=("映画",)),
        ),
        rules=(
            _rule(
                "kill",
                "殺す(ぞ|から)?",
                "お前…殺して",
                unless=("quoted", "pest", "negated", "fiction"),
            ),
            _rule("fool", "バカ", "アホ", "クズ", category="insult", severity=Severity.ATTENTION),
            _rule("free", "ただで済むと思うなよ", severity=Severity.CRITICAL),
            _rule("regret", "絶対に後悔させてやるからな"),
            _rule("exact", "辞めさせろ", spelling_only=True),
            _rule("own", "月夜の晩", unless_phrases=("団子",)),
        ),
    )
    return PhraseMatcher(book, eyes)


def _ids(matches: list[PhraseMatch]) -> set[str]:
    return {match.rule for match in matches}


@pytest.mark.parametrize(
    "text", ["ぶっ殺すぞ", "ぶっ 殺す ぞ ー", "殺すぞ!!", "お前を殺すから", "だから殺すぞって"]
)
def test_spelling_is_found_through_spaces_and_marks(matcher: PhraseMatcher, text: str) -> None:
    (match,) = [each for each in matcher.match(text) if each.rule == "kill"]
    assert match.match == "surface"
    assert match.similarity_ratio == match.threshold_ratio == 1.0


def test_the_quote_is_verbatim(matcher: PhraseMatcher) -> None:
    text = "もう、殺 す ぞ〜!聞いてんのか"
    (match,) = matcher.match(text)
    assert match.quote == text[match.start : match.end] == "殺 す ぞ"


def test_kana_are_heard_as_the_kanji_of_the_rule(matcher: PhraseMatcher) -> None:
    (match,) = matcher.match("おい、ころすぞ")
    assert (match.rule, match.match, match.quote) == ("kill", "reading", "ころすぞ")


def test_another_kanji_with_the_same_sound_is_heard(matcher: PhraseMatcher) -> None:
    (match,) = matcher.match("只で住むと思うなよ")
    assert (match.rule, match.match) == ("free", "reading")


@pytest.mark.parametrize(
    "text",
    [
        "バカンスの予約",
        "アホウドリの展示",
        "殺虫剤はありますか",
        "くずもちを二つ",
        "バカラのグラス",
    ],
)
def test_short_words_inside_longer_ones_are_not_found(matcher: PhraseMatcher, text: str) -> None:
    assert matcher.match(text) == []


def test_a_short_word_of_its_own_is_found(matcher: PhraseMatcher) -> None:
    assert _ids(matcher.match("このバカが")) == {"fool"}


@pytest.mark.parametrize(
    "text",
    [
        "隣の人に殺すぞと言われました",
        "殺すぞって脅されて怖いんです",
        "紙に「殺すぞ」と書いてあって",
        "ゴキブリを殺すスプレー",
        "映画で殺すぞって叫ぶ場面",
    ],
)
def test_a_context_drops_the_match(matcher: PhraseMatcher, text: str) -> None:
    assert matcher.match(text) == []


def test_a_denial_lowers_to_attention_and_is_kept(matcher: PhraseMatcher) -> None:
    (match,) = matcher.match("殺すとは言っていないよ")
    assert match.severity is Severity.ATTENTION
    assert match.lowered_by == "negated"
    assert match.score < 0.5


def test_one_quoted_threat_does_not_hide_another(matcher: PhraseMatcher) -> None:
    (match,) = matcher.match("殺すぞと言われたんだよ。いいかお前こそ、殺すぞ")
    assert match.quote == "殺すぞ"
    assert match.start > 10


def test_a_context_of_another_sentence_does_not_count(matcher: PhraseMatcher) -> None:
    assert _ids(matcher.match("昨日映画を見た。お前殺すぞ")) == {"kill"}


def test_a_polite_ending_cancels_nothing(matcher: PhraseMatcher) -> None:
    assert _ids(matcher.match("お客様、お前を殺してさしあげます")) == {"kill"}


def test_a_rules_own_exceptions_hold_in_the_same_sentence(matcher: PhraseMatcher) -> None:
    assert _ids(matcher.match("月夜の晩だけじゃないぞ")) == {"own"}
    assert matcher.match("月夜の晩に団子を供える") == []


def test_a_gap_ends_with_the_sentence_and_after_eight_characters(matcher: PhraseMatcher) -> None:
    assert _ids(matcher.match("お前一二三四五六七八殺して")) == {"kill"}
    assert matcher.match("お前一二三四五六七八九殺して") == []
    assert matcher.match("お前。殺して") == []


def test_a_rule_bound_to_spelling_is_not_heard(matcher: PhraseMatcher) -> None:
    assert _ids(matcher.match("あいつを辞めさせろ")) == {"exact"}
    assert matcher.match("騒音をやめさせろ") == []


def test_a_long_phrase_is_found_with_a_sound_misheard_and_is_not_critical(
    matcher: PhraseMatcher,
) -> None:
    (match,) = matcher.match("おい、ぜったいに後悔さけてやるからな")
    assert match.match == "fuzzy"
    assert match.quote == "ぜったいに後悔さけてやるからな"
    assert 0.85 <= match.similarity_ratio < 1.0
    assert match.threshold_ratio == 0.85
    assert match.severity is Severity.WARNING


def test_beginning_and_ending_must_be_heard_as_well(matcher: PhraseMatcher) -> None:
    assert matcher.match("絶対に後悔させてやるけどね") == []
    assert matcher.match("親切に後悔させてやるからな") == []


def test_voicing_may_be_misheard_but_not_at_the_end() -> None:
    index = MisheardIndex([(7, "ふざけるなら")], 0.85)
    (hit,) = index.find("おいふさけるなら")
    assert (hit.owner, hit.start, hit.end) == (7, 2, 8)
    assert hit.similarity_ratio == pytest.approx(1 - 0.5 / 6)
    assert MisheardIndex([(1, "ころすそ")], 0.85).find("ころすぞ") == []


def test_a_text_shorter_than_the_phrase_is_not_a_full_match() -> None:
    index = MisheardIndex([(1, "ただですむとおもうなよ")], 0.85)
    assert index.find("ただですむ") == []
    assert index.find("ね") == []


def test_the_threshold_separates_just_under_from_at() -> None:
    phrase = "あいうえおかきくけこさしすせそたちつてと"
    index = MisheardIndex([(1, phrase)], 0.85)
    at = phrase[:4] + "んんん" + phrase[7:]
    under = phrase[:4] + "んんんん" + phrase[8:]
    assert [hit.similarity_ratio for hit in index.find(at)] == [pytest.approx(0.85)]
    assert index.find(under) == []


def test_short_phrases_are_never_guessed(matcher: PhraseMatcher) -> None:
    assert matcher.match("許すぞ") == []
    assert matcher.match("返すから") == []


def test_matches_come_in_the_order_of_their_words(matcher: PhraseMatcher) -> None:
    matches = matcher.match("このクズが、ただで済むと思うなよ、殺すぞ")
    assert [match.rule for match in matches] == ["fool", "free", "kill"]


@settings(deadline=None)
@given(text=st.text(alphabet=st.characters(codec=None), max_size=40))
def test_any_text_can_be_matched_and_quoted(matcher: PhraseMatcher, text: str) -> None:
    for match in matcher.match(text + "殺すぞ" + text):
        assert match.quote
        assert 0.0 <= match.score <= 1.0


def test_a_hundred_kilobytes_do_not_stop_the_call(matcher: PhraseMatcher) -> None:
    started = time.process_time()
    matcher.match("今すぐ直してください、殺すぞと。" * 2_100)
    assert time.process_time() - started < 5.0


def test_broken_promises_are_all_named(eyes: Language) -> None:
    book = PhraseBook(
        language="ja",
        rules=(_rule("r", "殺すぞ", examples=("こんにちは",), counter_examples=("殺すぞ",)),),
    )
    problems = check_examples(PhraseMatcher(book, eyes))
    assert [(rule, key) for rule, key, _ in problems] == [
        ("r", "examples"),
        ("r", "counter_examples"),
    ]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: _rule("", "a"), "needs an id"),
        (lambda: _rule("r"), "at least one phrase"),
        (lambda: _rule("r", "a", category="anger"), "no category"),
        (lambda: Context(id="c"), "at least one of"),
        (lambda: PhraseBook(language="fr", rules=()), "must be one of"),
        (lambda: PhraseBook(language="ja", rules=(_rule("r", "a"), _rule("r", "b"))), "unique"),
        (lambda: PhraseBook(language="ja", rules=(_rule("r", "a", unless=("x",)),)), "no context"),
        (lambda: create_language("fr"), "must be one of"),
    ],
)
def test_a_book_that_makes_no_sense_is_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


@pytest.fixture(scope="module")
def korean() -> PhraseMatcher:
    return PhraseMatcher(
        PhraseBook(language="ko", rules=(_rule("kill", "죽여버릴"), _rule("short", "새끼")))
    )


def test_korean_ignores_spaces(korean: PhraseMatcher) -> None:
    (match,) = korean.match("너 진짜 죽여 버릴 거야")
    assert (match.rule, match.quote) == ("kill", "죽여 버릴")


def test_korean_syllables_stay_whole_and_short_words_begin_a_word(korean: PhraseMatcher) -> None:
    assert korean.match("죽여버리") == []
    assert _ids(korean.match("야 새끼야")) == {"short"}
    assert korean.match("모새끼") == []


def test_english_phrases_are_whole_words() -> None:
    matcher = PhraseMatcher(
        PhraseBook(language="en", rules=(_rule("kill", "(ill|i will) kill you"),))
    )
    assert _ids(matcher.match("I'll KILL you!")) == {"kill"}
    assert matcher.match("Bill kill yourself") == []
    assert matcher.match("I will kill your battery") == []
