"""Which phrases a transcript holds, and look-alikes that none holds."""

import pytest
from tools.measure.spotting import (
    holds,
    phrase_list,
    similarity,
    sounds,
    stretch,
    with_other_ending,
)

SAID = "불만 사항을 접수해 주시면 바로 처리해 드리겠습니다."


def test_a_fragment_is_not_the_phrase():
    assert similarity("처리해드리겠습니다", "처리") < 85


@pytest.mark.parametrize(("phrase", "text"), [("", "네"), ("네", "")])
def test_nothing_is_like_nothing(phrase, text):
    assert similarity(phrase, text) == 0


@pytest.mark.parametrize(
    ("text", "is_held"),
    [
        (SAID, True),
        ("불만사항을 접수해주시면 바로 처리해드리겠습니다", True),
        ("불만 사항을 접수해 주시면 바로 처리해 드릴까요", False),
        ("네", False),
    ],
)
def test_the_ending_has_to_be_there(text, is_held):
    phrase = sounds("바로 처리해 드리겠습니다", "ko")
    assert holds(sounds(text, "ko"), phrase) is is_held


def test_a_stretch_ends_a_sentence_and_has_three_to_six_words():
    words = stretch("그럼요. " + SAID)
    assert words is not None
    assert 3 <= len(words.split()) <= 6
    assert SAID.rstrip(".").endswith(words)
    assert stretch("그럼요. " + SAID) == words


@pytest.mark.parametrize(("transcript", "has_one"), [("한 둘", False), ("한 둘 셋", True)])
def test_two_words_are_no_stretch(transcript, has_one):
    assert (stretch(transcript) is not None) is has_one


def test_each_phrase_comes_once_and_with_an_ending_that_nobody_spoke():
    phrases = phrase_list(["바로 처리해 드리겠습니다"] * 2, [SAID, SAID], "ko")
    assert phrases.spoken == ("바로 처리해 드리겠습니다",)
    assert len(phrases.altered) == 1
    assert phrases.altered[0].startswith("바로 처리해 드리")
    assert phrases.said_in(SAID) == phrases.spoken
    assert phrases.said_in("안녕하세요") == ()
    assert phrases.all == phrases.spoken + phrases.altered


def test_look_alikes_that_a_transcript_holds_are_left_out_and_counted():
    lure = with_other_ending("바로 처리해 드리겠습니다", "ko")
    phrases = phrase_list(["바로 처리해 드리겠습니다"], [SAID, lure], "ko")
    assert phrases.altered == ()
    assert phrases.inseparable == 1
