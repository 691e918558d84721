"""A worker that lost most of its processor is told from a machine that is slow."""

from __future__ import annotations

import pytest

from mamori.monitor.recognition.pace import PaceWatch


@pytest.fixture
def watch():
    """Two workers, the second of which does its jobs as fast as it should."""
    pace = PaceWatch()
    assert not pace.is_slow(2, cpu_s=0.2, wall_s=0.22)
    return pace


def test_jobs_that_take_five_times_their_processor_time_for_two_seconds_are_slow(watch):
    assert not watch.is_slow(1, cpu_s=0.2, wall_s=1.0)
    assert watch.is_slow(1, cpu_s=0.2, wall_s=1.0)


def test_just_under_five_times_is_not_slow(watch):
    for _ in range(10):
        assert not watch.is_slow(1, cpu_s=0.2, wall_s=0.99)


def test_less_than_two_seconds_say_nothing(watch):
    assert not watch.is_slow(1, cpu_s=0.1, wall_s=1.99)
    assert watch.is_slow(1, cpu_s=0.001, wall_s=0.01)


def test_a_machine_that_is_slow_is_no_worker_that_is(watch):
    watch.is_slow(2, cpu_s=0.1, wall_s=2.0)
    assert not watch.is_slow(1, cpu_s=0.1, wall_s=2.0)


def test_the_only_worker_is_never_slow():
    pace = PaceWatch()
    assert not pace.is_slow(1, cpu_s=0.1, wall_s=10.0)


def test_what_lies_long_ago_counts_no_more(watch):
    for _ in range(3):
        watch.is_slow(1, cpu_s=1.0, wall_s=1.0)
    assert watch.is_slow(1, cpu_s=0.1, wall_s=2.5)


def test_a_job_without_processor_time_is_slow_and_breaks_nothing(watch):
    assert watch.is_slow(1, cpu_s=0.0, wall_s=2.0)


def test_a_worker_that_is_gone_is_compared_with_no_more(watch):
    watch.forget(2)
    watch.forget(9)
    assert not watch.is_slow(1, cpu_s=0.1, wall_s=2.0)
