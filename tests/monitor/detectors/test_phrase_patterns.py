"""The small language of phrases."""

from __future__ import annotations

import pytest

from mamori.monitor.detectors.phrases.patterns import MAX_ALTERNATIVES, PatternError, expand


@pytest.mark.parametrize(
    ("pattern", "parts"),
    [
        ("殺す", (("殺す",),)),
        ("殺す(ぞ|から)", (("殺すぞ", "殺すから"),)),
        ("(今)?すぐ", (("今すぐ", "すぐ"),)),
        ("((ぶっ|ぶち))?殺す", (("ぶっ殺す", "ぶち殺す", "殺す"),)),
        ("お前…殺す", (("お前",), ("殺す",))),
        ("(a|a)b", (("ab",),)),
    ],
)
def test_a_pattern_stands_for_its_alternatives(
    pattern: str, parts: tuple[tuple[str, ...], ...]
) -> None:
    assert expand(pattern) == parts


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("", "is empty"),
        ("  ", "is empty"),
        ("(a|b", "'(' without ')'"),
        ("a)b", "')' without '('"),
        ("a|b", "'|' outside brackets"),
        ("ab?", "'?' that follows no bracket"),
        ("(a…b)", "'…' inside brackets"),
        ("…a", "may be empty"),
        ("a…(b)?", "may be empty"),
        ("(a)?", "may be empty"),
    ],
)
def test_a_malformed_pattern_says_what_is_wrong(pattern: str, message: str) -> None:
    with pytest.raises(PatternError, match=None) as error:
        expand(pattern)
    assert message in str(error.value)


def test_a_part_may_stand_for_the_limit_and_not_for_one_more() -> None:
    ten = "(" + "|".join("0123456789") + ")"
    assert len(expand(ten * 3)[0]) == MAX_ALTERNATIVES
    with pytest.raises(PatternError, match="stands for more than"):
        expand(ten * 3 + "(a|b)")
