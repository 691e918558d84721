"""Digits written out as they are read, so that 30 and 삼십, 30 and 三十 are the same words."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

# Thousands may be set off by commas; a point only between digits.
_NUMBER: Final = re.compile(r"(\d{1,3}(?:,\d{3})+|\d+)(?:\.(\d+))?")
_KOREAN_DIGITS: Final = "영일이삼사오육칠팔구"
_JAPANESE_DIGITS: Final = "〇一二三四五六七八九"
_TENS: Final = {"ko": ("", "십", "백", "천"), "ja": ("", "十", "百", "千")}
_MYRIADS: Final = {"ko": ("", "만", "억", "조"), "ja": ("", "万", "億", "兆")}
_POINT: Final = {"ko": "점", "ja": "点"}
_SIGNS: Final = {"ko": {"%": "퍼센트"}, "ja": {"%": "パーセント"}}
# Above this a number is a telephone number or an account: read digit by digit.
_LONGEST_DIGITS: Final = 16


def spell_out(text: str, language: str) -> str:
    """``text`` with its numbers in words; other languages than ``ko`` and ``ja`` unchanged.

    Korean numbers take the Sino-Korean reading (일, 이, 삼), also where a counter would take the
    native one: a text that wrote the digit loses a syllable there.
    """
    if language not in _TENS:
        return text
    for sign, word in _SIGNS[language].items():
        text = text.replace(sign, word)
    return _NUMBER.sub(_reader(language), text)


def _reader(language: str) -> Callable[[re.Match[str]], str]:
    digits = _KOREAN_DIGITS if language == "ko" else _JAPANESE_DIGITS

    def one_by_one(number: str) -> str:
        return "".join(digits[int(digit)] for digit in number)

    def read(match: re.Match[str]) -> str:
        whole, fraction = match[1].replace(",", ""), match[2]
        is_name = len(whole) > _LONGEST_DIGITS or (len(whole) > 1 and whole.startswith("0"))
        words = one_by_one(whole) if is_name else _whole(int(whole), language, digits)
        return words if fraction is None else words + _POINT[language] + one_by_one(fraction)

    return read


def _whole(number: int, language: str, digits: str) -> str:
    if number == 0:
        return digits[0]
    words = ""
    for myriad in _MYRIADS[language]:
        number, group = divmod(number, 10_000)
        if group:
            # 10,000 is 만 in Korean and 一万 in Japanese.
            bare = language == "ko" and group == 1 and myriad == "만"
            words = ("" if bare else _group(group, language, digits)) + myriad + words
    return words


def _group(number: int, language: str, digits: str) -> str:
    """A number below 10,000; a one before a ten, hundred or thousand is not said."""
    words = ""
    for tens in _TENS[language]:
        number, digit = divmod(number, 10)
        if digit:
            words = (digits[digit] if digit > 1 or not tens else "") + tens + words
    return words
