"""Digits read out: 30 and 삼십 are the same words."""

import pytest
from tools.measure.numerals import spell_out
from tools.measure.spotting import written


@pytest.mark.parametrize(
    ("digits", "words"),
    [
        ("0", "영"),
        ("1", "일"),
        ("10", "십"),
        ("11", "십일"),
        ("20", "이십"),
        ("101", "백일"),
        ("1,000", "천"),
        ("2026", "이천이십육"),
        ("9999", "구천구백구십구"),
        ("10000", "만"),
        ("10001", "만일"),
        ("16000", "만육천"),
        ("100000000", "일억"),
        ("64.5%", "육십사점오퍼센트"),
        ("010", "영일영"),
    ],
)
def test_korean_numbers(digits, words):
    assert spell_out(digits, "ko") == words


@pytest.mark.parametrize(
    ("digits", "words"),
    [
        ("0", "〇"),
        ("10", "十"),
        ("1000", "千"),
        ("10000", "一万"),
        ("10万円", "十万円"),
        ("500,000円", "五十万円"),
        ("1.5%", "一点五パーセント"),
        ("0120", "〇一二〇"),
    ],
)
def test_japanese_numbers(digits, words):
    assert spell_out(digits, "ja") == words


@pytest.mark.parametrize(("length", "is_read_whole"), [(16, True), (17, False)])
def test_longer_than_sixteen_digits_is_read_digit_by_digit(length, is_read_whole):
    assert (spell_out("1" * length, "ko") != "일" * length) is is_read_whole


def test_a_comma_that_sets_off_no_thousands_stays():
    assert spell_out("3,4일", "ko") == "삼,사일"


def test_other_languages_keep_their_digits():
    assert spell_out("30%", "en") == "30%"


def test_full_width_digits_and_the_spoken_point_count_as_written_ones():
    assert written("６４．５", "ko") == written("육십사쩜오", "ko")


def test_kana_errors_compare_readings_not_spellings():
    assert written("10万円払えよ。", "ja") == written("十万円、払えよ", "ja")
