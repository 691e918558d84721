"""A worker that lost most of its processor is told from a machine that is slow."""

from __future__ import annotations

import pytest

from mamori.monitor.recognition.workers.pace import PaceWatch

NOW_S = 100.0


@pytest.fixture
def pace():
    """Two workers, the second of which does its jobs as fast as it should."""
    watch = PaceWatch()
    assert not watch.ended(2, now_s=NOW_S, cpu_s=0.2, wall_s=0.22)
    return watch


def is_slow(pace, cpu_s, wall_s, *, now_s=NOW_S, worker_id=1):
    return pace.ended(worker_id, now_s=now_s, cpu_s=cpu_s, wall_s=wall_s)


@pytest.mark.parametrize(("wall_s", "slow"), [(0.99, False), (1.0, True), (1.01, True)])
def test_a_job_that_takes_five_times_its_processor_time_is_slow(pace, wall_s, slow):
    assert is_slow(pace, 0.2, wall_s) is slow


@pytest.mark.parametrize(("wall_s", "slow"), [(0.79, False), (0.8, True), (0.81, True)])
def test_less_than_eight_tenths_of_a_second_say_nothing(pace, wall_s, slow):
    assert is_slow(pace, 0.05, wall_s) is slow


def test_jobs_add_up_until_they_say_enough(pace):
    assert not is_slow(pace, 0.05, 0.41)
    assert is_slow(pace, 0.05, 0.41)


def test_a_job_a_second_is_told_with_the_second_one(pace):
    assert not is_slow(pace, 0.05, 0.05, now_s=NOW_S)
    assert not is_slow(pace, 0.05, 0.41, now_s=NOW_S + 1)
    assert is_slow(pace, 0.05, 0.41, now_s=NOW_S + 2)


@pytest.mark.parametrize(("later_s", "slow"), [(2.99, True), (3.0, True), (3.01, False)])
def test_what_lies_longer_ago_than_three_seconds_counts_no_more(pace, later_s, slow):
    is_slow(pace, 0.05, 0.5)
    assert is_slow(pace, 0.05, 0.5, now_s=NOW_S + later_s) is slow


def test_fast_jobs_before_do_not_hide_slow_ones(pace):
    for _ in range(3):
        assert not is_slow(pace, 1.0, 1.0)
    assert is_slow(pace, 0.1, 0.9)


def test_a_job_without_processor_time_is_slow_and_breaks_nothing(pace):
    assert is_slow(pace, 0.0, 0.8)


# While a job runs


def look(pace, pieces, *, tick_s=0.15, now_s=NOW_S):
    """Look at a job every tick, its processor time by then; when it was slow for the first time."""
    for number, cpu_s in enumerate(pieces, start=1):
        at_s = number * tick_s
        if pace.works(1, now_s=now_s + at_s, cpu_s=cpu_s, wall_s=at_s):
            return round(at_s, 2)
    return None


def test_a_job_that_gets_a_tenth_of_the_processor_is_slow_before_it_ends(pace):
    assert look(pace, [0.015 * number for number in range(1, 20)]) == 0.9


def test_a_job_that_was_fast_at_first_is_told_as_soon(pace):
    fast_s = 0.6
    pieces = [0.15 * n for n in range(1, 5)] + [fast_s + 0.015 * n for n in range(1, 20)]

    found_s = look(pace, pieces)

    assert found_s is not None
    assert 0.7 <= found_s - fast_s <= 0.9


def test_a_job_that_stands_still_is_for_another_watch_to_judge(pace):
    assert look(pace, [0.3] * 20) is None


def test_a_job_that_stood_still_just_under_half_a_second_is_slow(pace):
    # It had its processor for the first tick, and for a moment after three that brought nothing.
    assert look(pace, [0.0, 0.01, 0.01, 0.01, 0.01, 0.02]) == 0.9


def test_what_was_seen_of_a_job_counts_once(pace):
    assert not pace.works(1, now_s=NOW_S, cpu_s=0.05, wall_s=0.5)
    assert not is_slow(pace, 0.07, 0.7)
    assert is_slow(pace, 0.01, 0.11)


def test_a_job_that_did_not_tell_what_it_took_ends_all_the_same(pace):
    assert not pace.works(1, now_s=NOW_S, cpu_s=0.05, wall_s=0.5)
    pace.gave_up(1)
    pace.gave_up(9)
    assert is_slow(pace, 0.03, 0.3)


# Beside the others


@pytest.mark.parametrize(("wall_s", "slow"), [(0.99, True), (1.0, True), (1.01, False)])
def test_a_machine_that_is_slow_is_no_worker_that_is(wall_s, slow):
    pace = PaceWatch()
    is_slow(pace, 0.4, wall_s, worker_id=2)
    assert is_slow(pace, 0.1, 1.0) is slow


def test_one_other_that_is_slow_is_enough_to_blame_the_machine(pace):
    is_slow(pace, 0.1, 1.0, worker_id=3)
    assert not is_slow(pace, 0.1, 1.0)


@pytest.mark.parametrize(("wall_s", "slow"), [(0.09, True), (0.1, False)])
def test_a_moment_of_work_says_nothing_of_the_machine(wall_s, slow):
    pace = PaceWatch()
    is_slow(pace, 0.0, wall_s, worker_id=2)
    assert is_slow(pace, 0.1, 1.0) is slow


def test_others_that_have_nothing_to_do_say_nothing(pace):
    is_slow(pace, 0.1, 1.0, worker_id=3)
    assert is_slow(pace, 0.1, 1.0, now_s=NOW_S + 3.1)


def test_a_worker_that_is_gone_is_compared_with_no_more(pace):
    is_slow(pace, 0.1, 1.0, worker_id=3)
    pace.forget(3)
    pace.forget(9)
    assert is_slow(pace, 0.1, 1.0)
