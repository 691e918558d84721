"""One spelling for what recognisers and people write in many ways."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mamori.monitor.detectors.normalisation import (
    View,
    base_view,
    count_morae,
    english_view,
    japanese_spelling,
    japanese_surface,
    korean_view,
    squash,
    to_hiragana,
)
from mamori.monitor.detectors.readings import JapaneseReader, create_reader


@pytest.fixture(scope="module")
def reader() -> JapaneseReader:
    return create_reader()


@pytest.mark.parametrize(
    ("written", "spelling"),
    [
        ("うるせーーー", "うるせえ"),
        ("うるせぇ", "うるせえ"),
        ("うるせえええ", "うるせえ"),
        ("てめぇ", "てめえ"),
        ("ばかやろー", "ばかやろう"),
        ("バカヤロウ", "ばかやろう"),
        ("ﾊﾞｶﾔﾛｳ", "ばかやろう"),
        ("だろっ", "だろ"),
        ("だろっ!なんだよ", "だろなんだよ"),
        ("人々", "人人"),
        ("ぶっ 殺す ぞ", "ぶっ殺すぞ"),
        ("ふざけんなああああ", "ふざけんなあ"),
        ("死死死ね", "死ね"),
        ("ＡＢＣ", "abc"),
        ("100000円", "100000円"),
        ("か\u3099", "が"),
    ],
)
def test_many_ways_to_write_a_sound_become_one(written: str, spelling: str) -> None:
    assert japanese_surface(base_view(written)).text == spelling


def test_a_span_of_the_view_leads_back_to_the_exact_words() -> None:
    text = "だから、ﾊﾞｶ ヤローーー!って"
    view = japanese_surface(base_view(text))
    start = view.text.index("ばかやろう")
    first, last = view.original_span(start, start + len("ばかやろう"))
    assert text[first:last] == "ﾊﾞｶ ヤローーー"


def test_an_empty_span_stays_empty() -> None:
    assert base_view("あ").original_span(1, 1) == (0, 0)


def test_the_end_of_a_sentence_is_remembered_without_its_mark() -> None:
    view = japanese_surface(base_view("だめ。来い"))
    assert view.text == "だめ来い"
    assert view.crosses_break(1, 3)
    assert not view.crosses_break(2, 4)


def test_hangul_is_seen_as_jamo_and_word_edges_are_kept() -> None:
    view = korean_view("죽여 버릴")
    whole = korean_view("죽여버릴")
    assert view.text == whole.text
    assert 5 in (view.boundaries or ())
    assert whole.boundaries == frozenset({0, len(whole.text)})


def test_composed_and_decomposed_hangul_are_the_same() -> None:
    assert korean_view("각").text == korean_view("\u1100\u1161\u11a8").text


def test_english_words_lose_case_apostrophes_and_punctuation() -> None:
    assert english_view("I'll -- KILL  you; don’t!").text == "ill kill you dont"


@pytest.mark.parametrize(("kana", "morae"), [("ころす", 3), ("しゃちょう", 3), ("", 0)])
def test_small_kana_belong_to_the_mora_before(kana: str, morae: int) -> None:
    assert count_morae(kana) == morae


def test_squashing_drops_long_vowels_and_knows_where_the_rest_stood() -> None:
    text, positions = squash("ばかやろうだあ")
    assert text == "ばかやろだ"
    assert positions == (0, 1, 2, 3, 5)


def test_katakana_become_hiragana_and_the_rest_stays() -> None:
    assert to_hiragana("カタ漢a") == "かた漢a"


def _assert_sound(view: View, text: str) -> None:
    assert len(view.text) == len(view.starts) == len(view.ends)
    assert list(view.starts) == sorted(view.starts)
    assert list(view.ends) == sorted(view.ends)
    for start, end in zip(view.starts, view.ends, strict=True):
        assert 0 <= start <= end <= len(text)


@given(st.text(alphabet=st.characters(codec=None), max_size=60))
def test_any_text_has_views_whose_offsets_never_fall(text: str) -> None:
    for view in (
        base_view(text),
        japanese_surface(base_view(text)),
        korean_view(text),
        english_view(text),
    ):
        _assert_sound(view, text)


@given(st.text(alphabet="ころすかばーぁぇっ々ァーっ殺人! 。ｶﾞa1", max_size=30))
def test_japanese_analysis_keeps_offsets_in_order(text: str) -> None:
    analysis = _SHARED.analyse(text)
    for view in (analysis.base, analysis.surface, analysis.reading):
        _assert_sound(view, text)
        assert all(0 <= edge <= len(view.text) for edge in view.boundaries or ())


@given(st.text(alphabet="ころすばかァぇーっ々殺人。aあああ", max_size=12))
def test_the_quick_spelling_is_the_thorough_one(text: str) -> None:
    assert japanese_spelling(text) == japanese_surface(base_view(text)).text


_SHARED = create_reader()


def test_lone_surrogates_and_controls_are_left_out(reader: JapaneseReader) -> None:
    assert reader.analyse("ばか\ud800\x00\u200bやろう").surface.text == "ばかやろう"


def test_endless_combining_marks_do_not_take_endless_time() -> None:
    started = time.process_time()
    base_view("あ" + "\u0301" * 100_000)
    assert time.process_time() - started < 1.0


def test_a_hundred_kilobytes_are_normalised_within_a_second() -> None:
    text = "今すぐ直してください、ふざけんなよーー。" * 1_700
    assert len(text.encode()) > 100_000
    started = time.process_time()
    japanese_surface(base_view(text))
    assert time.process_time() - started < 1.0


def test_longer_texts_than_the_dictionary_takes_are_read_in_pieces(reader: JapaneseReader) -> None:
    text = "殺すぞ" * 10_000
    analysis = reader.analyse(text)
    assert len(analysis.surface.text) == len(text)
    assert analysis.tokens[-1].end == len(text)


@pytest.mark.parametrize(
    ("text", "reading"),
    [("ぶっ殺すぞ", "ぶっころすぞ"), ("馬鹿やろう", "ばかやろう"), ("エックスに", "えっくすに")],
)
def test_readings_are_hiragana(reader: JapaneseReader, text: str, reading: str) -> None:
    assert reader.read(text) == reading
    assert reader.read_many([text, "直す"]) == [reading, "なおす"]


def test_a_verb_has_one_reading_however_it_is_written(reader: JapaneseReader) -> None:
    assert {reader.lemma_reading(lemma) for lemma in ("直す", "治す", "なおす")} == {"なおす"}
