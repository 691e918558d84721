"""Which of whisper's texts are believed."""

import pytest

from mamori.monitor.recognition.engines.whisper_guard import Decode, better_of


def decode(text, *, avg_logprob=-0.2, seconds=3.0):
    return Decode(text=text, avg_logprob=avg_logprob, seconds=seconds)


@pytest.mark.parametrize(
    ("avg_logprob", "doubtful"), [(-0.99, False), (-1.0, False), (-1.01, True)]
)
def test_a_text_less_likely_than_the_bound_is_doubtful(avg_logprob, doubtful):
    assert decode("お名前をお願いします", avg_logprob=avg_logprob).is_doubtful is doubtful


@pytest.mark.parametrize(("chars", "doubtful"), [(35, False), (36, False), (37, True)])
def test_more_than_12_characters_a_second_are_doubtful(chars, doubtful):
    text = "".join(chr(ord("가") + 29 * n) for n in range(chars))
    assert decode(text, seconds=3.0).is_doubtful is doubtful


@pytest.mark.parametrize(("chars", "doubtful"), [(72, False), (73, True)])
def test_a_latin_letter_counts_half(chars, doubtful):
    text = "The quick brown fox jumps over a lazy dog while 12 zebras yawn, vexing me!"[:chars]
    assert decode(text, seconds=3.0).is_doubtful is doubtful


@pytest.mark.parametrize(("times", "doubtful"), [(1, False), (12, True)])
def test_a_text_that_repeats_itself_is_doubtful(times, doubtful):
    assert decode("友達の" * times, seconds=30.0).is_doubtful is doubtful


def test_an_empty_text_is_never_doubtful():
    assert not decode("", avg_logprob=-5.0).is_doubtful


@pytest.mark.parametrize(
    ("text", "loop"),
    [
        ("あ" * 7, False),
        ("あ" * 8, True),
        ("あ、" * 8, True),
        ("あ" * 8 + "いう", True),
        ("あ" * 8 + "いうえ", False),
        ("死ね" * 20, False),
        ("帰れ!" * 20, False),
    ],
)
def test_only_one_syllable_over_and_over_is_a_loop(text, loop):
    assert decode(text).is_one_syllable_loop is loop


def test_of_two_decodes_the_one_without_repetition_is_believed():
    repeated = decode("友達の" * 12, avg_logprob=-0.1, seconds=30.0)
    plain = decode("友達の話です", avg_logprob=-1.5)
    assert better_of(repeated, plain) is plain
    assert better_of(plain, repeated) is plain


def test_of_two_plain_decodes_the_likelier_one_is_believed():
    first, second = decode("はい", avg_logprob=-1.2), decode("灰", avg_logprob=-1.1)
    assert better_of(first, second) is second
