"""Every reason is worded in both languages, with the same particulars."""

from __future__ import annotations

import string

import pytest

from mamori.monitor.recognition.models.reasons import TEXTS, Reason, ReasonCode


def fields(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


@pytest.mark.parametrize("code", list(ReasonCode))
def test_a_reason_says_the_same_in_both_languages(code: ReasonCode) -> None:
    assert fields(TEXTS["ja"][code]) == fields(TEXTS["en"][code])
    params = dict.fromkeys(fields(TEXTS["en"][code]), "XX")
    reason = Reason(code, params)
    assert reason.text("ja") != reason.text("en") == str(reason)
    assert "{" not in reason.text("ja")
    assert reason.text("ko") == reason.text("en")
