"""What ends at once is not started at once for ever."""

import pytest

from mamori.monitor.recognition.workers.backoff import Backoff


@pytest.fixture
def backoff():
    return Backoff(first_s=0.25, longest_s=1.5, steady_after_s=10)


def test_short_lives_double_the_delay_up_to_the_longest(backoff):
    delays = [backoff.delay_s(lived_s=0) for _ in range(5)]

    assert delays == [0.25, 0.5, 1.0, 1.5, 1.5]


def test_the_delay_stays_the_longest_however_often_it_is_asked(backoff):
    assert [backoff.delay_s(lived_s=0) for _ in range(3000)][-1] == 1.5


@pytest.mark.parametrize(("lived_s", "delay_s"), [(9.9, 0.25), (10.0, 0.0), (10.1, 0.0)])
def test_after_a_steady_life_there_is_no_delay(backoff, lived_s, delay_s):
    assert backoff.delay_s(lived_s=lived_s) == delay_s


def test_a_steady_life_makes_the_delays_short_again(backoff):
    for lived_s in (0, 0, 0, 10):
        backoff.delay_s(lived_s=lived_s)

    assert backoff.delay_s(lived_s=0) == 0.25


@pytest.mark.parametrize(("first_s", "longest_s"), [(0, 1), (2, 1)])
def test_the_first_delay_is_above_nothing_and_not_above_the_longest(first_s, longest_s):
    with pytest.raises(ValueError, match="first_s must be above 0"):
        Backoff(first_s=first_s, longest_s=longest_s)
