"""The list as a node hears it: its matcher, its candidates, its second readings."""

import pytest
from tools.measure.listening import Listener, ears
from tools.measure.spotting import PhraseList

ORDER = "바로 처리해 드리겠습니다"
QUESTION = "바로 처리해 드릴 을까요"
LATE = "이십 명이 사망했다고 합니다"


@pytest.fixture(scope="module")
def listener():
    return Listener((ORDER, LATE), "ko")


def test_what_is_said_is_found_and_needs_no_second_reading(listener):
    assert listener.found("네, 바로 처리해드리겠습니다.") == {ORDER}
    assert ORDER not in listener.candidates("네, 바로 처리해드리겠습니다.")


def test_numbers_are_the_same_in_digits_and_in_words(listener):
    assert listener.found("20명이 사망했다고 합니다") == {LATE}


def test_what_is_nearly_said_is_a_candidate_and_found_in_the_second_reading(listener):
    first = "발로 초리해 드리게씀"
    assert listener.found(first) == frozenset()
    shown = listener.candidates(first)
    assert shown == (ORDER,)
    assert listener.found_again("바로 처리해 드리겠습니다", first=first, shown=shown) == {ORDER}
    assert listener.found_again(first, first=first, shown=shown) == frozenset()


def test_what_was_not_shown_is_not_found_again(listener):
    text = "이십 명이 사망했다고 합니다"
    assert listener.found_again(text, first="네", shown=(ORDER,)) == frozenset()


def test_signs_in_a_phrase_are_no_pattern():
    phrase = "값이 (얼마)? 인가요"
    assert Listener((phrase,), "ko").found("값이 얼마 인가요") == {phrase}


def test_an_empty_list_finds_nothing():
    nobody = Listener((), "ko")
    assert nobody.found("네") == frozenset()
    assert nobody.candidates("네") == ()
    assert nobody.found_again("네", first="네", shown=("네",)) == frozenset()


def test_a_language_without_rules_is_refused():
    with pytest.raises(ValueError, match="language"):
        Listener(("x",), "xx")


def test_lures_are_listened_for_alone():
    both = ears(PhraseList("ko", (ORDER,), (QUESTION,)))
    assert both.listed.found(ORDER) == {ORDER}
    assert both.lures.found(ORDER) == frozenset()
