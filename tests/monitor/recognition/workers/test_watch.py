"""A worker has its time, and the event loop's own delay is not counted in it."""

from types import SimpleNamespace

import pytest

from mamori.monitor.recognition.workers.watch import HangWatch

TICK_S = 0.25


@pytest.fixture
def watch():
    watch = HangWatch(tick_s=TICK_S)
    watch.begin(7, now_s=100.0, within_s=3.0)
    return watch


def unknown(_worker_id):
    """Nobody knows what a worker has used."""


def tick_until(watch, end_s, *, from_s=100.0, used_s=unknown):
    """Ticks on time up to ``end_s``; the workers that were over and when."""
    over = []
    ticks = round((end_s - from_s) / TICK_S)
    for count in range(1, ticks + 1):
        now_s = from_s + count * TICK_S
        over += [(worker_id, now_s) for worker_id in watch.tick(now_s, used_s)]
    return over


@pytest.mark.parametrize(
    ("until_s", "over"), [(102.75, []), (103.0, [(7, 103.0)]), (103.25, [(7, 103.0)])]
)
def test_a_worker_is_over_when_its_time_is_and_is_named_once(watch, until_s, over):
    assert tick_until(watch, until_s) == over


@pytest.mark.parametrize(
    ("share", "over_s"),
    [
        (0.0, 3.0),  # stopped
        (0.049, 3.0),
        (0.05, 30.0),  # starved: it goes on, up to ten times as long
        (0.25, 12.0),  # its three seconds are over after twelve
        (0.5, 6.0),
        (1.0, 3.0),  # it runs in a circle
    ],
)
def test_a_worker_that_is_left_little_of_the_processor_gets_its_time_later(watch, share, over_s):
    began_s = 100.0

    def used_s(worker_id):
        return share * (now.at_s - began_s)

    now = SimpleNamespace(at_s=began_s)
    over: list[int] = []
    while not over:
        now.at_s += TICK_S
        over = watch.tick(now.at_s, used_s)
    assert (over, now.at_s - began_s) == ([7], over_s)


def test_a_worker_that_answered_is_never_over(watch):
    tick_until(watch, 102.0)
    watch.end(7)

    assert watch.is_idle
    assert tick_until(watch, 110.0, from_s=102.0) == []


def test_each_worker_has_its_own_time(watch):
    watch.begin(8, now_s=100.0, within_s=1.0)

    assert tick_until(watch, 104.0) == [(8, 101.0), (7, 103.0)]


@pytest.mark.parametrize(("after_s", "over"), [(2.75, []), (3.0, [7])])
def test_a_loop_that_stood_still_gives_the_worker_as_long_again(watch, after_s, over):
    assert watch.tick(105.0 + TICK_S, unknown) == []  # 5 s late

    assert [worker for worker, _ in tick_until(watch, 105.0 + after_s, from_s=105.25)] == over


def test_a_delay_before_the_job_was_given_does_not_help_its_worker(watch):
    watch.tick(105.0 + TICK_S, unknown)
    watch.begin(8, now_s=105.25, within_s=1.0)

    assert tick_until(watch, 106.25, from_s=105.25) == [(8, 106.25)]


def test_a_pause_without_jobs_is_no_delay(watch):
    watch.end(7)
    watch.begin(8, now_s=500.0, within_s=1.0)

    assert tick_until(watch, 501.0, from_s=500.0) == [(8, 501.0)]


def test_a_tick_must_take_time():
    with pytest.raises(ValueError, match="tick_s must be more than 0, not 0"):
        HangWatch(tick_s=0)


def test_how_long_an_answer_is_waited_for_leaves_out_what_the_loop_lost(watch):
    tick_until(watch, 101.0)
    watch.begin(8, now_s=101.0, within_s=3.0)

    watch.tick(101.25 + 5.0, unknown)  # 5 s late

    assert watch.running_s(106.25) == {7: pytest.approx(1.25), 8: pytest.approx(0.25)}
