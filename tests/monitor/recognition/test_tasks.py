"""Who does what next: the earliest deadline first, and who takes too much waits for the others."""

from __future__ import annotations

from typing import Any

import pytest

from mamori.monitor.events import Channel, SpeechEndCause, SpeechEnded, SpeechStarted
from mamori.monitor.recognition.tasks import Allowance, Task, Work, assign
from mamori.monitor.recognition.utterance import Utterance


def utterance(*, is_open=True):
    common: dict[str, Any] = {
        "call_id": "c1",
        "channel": Channel.CUSTOMER,
        "utterance_id": "u1",
        "offset_ms": 0,
    }
    return Utterance(
        start=SpeechStarted(**common),
        sample_rate_hz=8_000,
        by_stream=False,
        live_wanted=True,
        live_shed=False,
        end=None
        if is_open
        else SpeechEnded(**common, end_offset_ms=900, cause=SpeechEndCause.SILENCE),
    )


def task(work, due_s, **more):
    return Task(work=work, utterance=utterance(), wanted_s=0.0, due_s=due_s, voice="v", **more)


def given(*tasks, idle, room=None, knows=(), early=False):
    """Which task, by its place in ``tasks``, is given to which worker, in the order of giving."""
    offers = [(each, place) for place, each in enumerate(tasks)]
    rooms = room or {}
    return [
        (place, worker_id)
        for _, place, worker_id in assign(
            offers,
            idle,
            room=lambda worker_id: rooms.get(worker_id, 1),
            knows_voice=lambda voice: knows,
            early=early,
        )
    ]


# Deadlines


def test_the_earliest_deadline_goes_first():
    tasks = [task(Work.FINAL, 3.0), task(Work.FINAL, 1.0), task(Work.LIVE, 2.0)]
    assert given(*tasks, idle=[1]) == [(1, 1)]
    assert given(*tasks, idle=[1, 2, 3]) == [(1, 1), (2, 2), (0, 3)]


def test_of_one_deadline_a_final_goes_before_the_next_stretch_and_that_before_a_second_reading():
    tasks = [task(Work.REREAD, 1.0), task(Work.LIVE, 1.0), task(Work.FINAL, 1.0)]
    assert [place for place, _ in given(*tasks, idle=[1, 2, 3])] == [2, 1, 0]


def test_of_equals_the_one_offered_first_goes_first():
    assert given(task(Work.FINAL, 1.0), task(Work.FINAL, 1.0), idle=[1]) == [(0, 1)]


def test_nobody_idle_does_nothing():
    assert given(task(Work.FINAL, 1.0), idle=[]) == []


# Workers


def test_a_bound_task_waits_for_its_worker_although_another_one_is_idle():
    assert given(task(Work.LIVE, 1.0, worker_id=2), idle=[1]) == []
    assert given(task(Work.LIVE, 1.0, worker_id=2), idle=[1, 2]) == [(0, 2)]


def test_who_may_go_anywhere_leaves_a_worker_to_who_is_bound_to_it():
    tasks = [task(Work.FINAL, 1.0), task(Work.LIVE, 2.0, worker_id=1)]
    assert given(*tasks, idle=[1, 2]) == [(0, 2), (1, 1)]


def test_who_may_go_anywhere_takes_a_bound_worker_where_it_is_the_only_one():
    tasks = [task(Work.FINAL, 1.0), task(Work.LIVE, 2.0, worker_id=1)]
    assert given(*tasks, idle=[1]) == [(0, 1)]


def test_a_task_that_needs_a_slot_goes_where_there_is_one():
    needing = task(Work.LIVE, 1.0, needs_slot=True)
    assert given(needing, idle=[1, 2], room={1: 0, 2: 1}) == [(0, 2)]
    assert given(needing, idle=[1, 2], room={1: 0, 2: 0}) == []


def test_a_voice_goes_where_it_is_known_and_else_where_most_room_is():
    needing = task(Work.LIVE, 1.0, needs_slot=True)
    assert given(needing, idle=[1, 2, 3], room={1: 2, 2: 8, 3: 4}) == [(0, 2)]
    assert given(needing, idle=[1, 2, 3], room={1: 2, 2: 8, 3: 4}, knows=[1]) == [(0, 1)]


def test_of_equally_free_workers_a_new_utterance_leaves_the_bound_one():
    tasks = [task(Work.LIVE, 1.0, needs_slot=True), task(Work.LIVE, 2.0, worker_id=1)]
    assert given(*tasks, idle=[1, 2]) == [(0, 2), (1, 1)]


# Early readings


def test_early_readings_are_only_for_workers_with_nothing_to_do():
    early, final = task(Work.EARLY, 0.0), task(Work.FINAL, 5.0)
    assert given(early, idle=[1], early=True) == [(0, 1)]
    assert given(early, final, idle=[1, 2], early=True) == [(1, 1), (0, 2)]
    assert given(early, final, idle=[1], early=True) == [(1, 1)]


def test_no_early_reading_where_anything_waits():
    early, bound = task(Work.EARLY, 0.0), task(Work.LIVE, 1.0, worker_id=9)
    assert given(early, bound, idle=[1], early=True) == []


def test_no_early_reading_where_there_is_no_room_for_it():
    assert given(task(Work.EARLY, 0.0), idle=[1], early=False) == []


def test_no_more_early_readings_than_idle_workers():
    assert given(task(Work.EARLY, 0.0), task(Work.EARLY, 0.0), idle=[1], early=True) == [(0, 1)]


# Tasks


@pytest.mark.parametrize(
    ("work", "is_open", "is_final"),
    [
        (Work.FINAL, False, True),
        (Work.LIVE, False, True),
        (Work.LIVE, True, False),
        (Work.EARLY, True, False),
        (Work.REREAD, False, False),
    ],
)
def test_a_final_comes_of_a_reading_and_of_the_last_stretches_heard(work, is_open, is_final):
    wanted = Task(
        work=work, utterance=utterance(is_open=is_open), wanted_s=0.0, due_s=1.0, voice="v"
    )
    assert wanted.is_final is is_final


def test_a_task_put_off_is_the_same_but_due_later():
    wanted = task(Work.FINAL, 1.0, phrases=("p",))
    assert wanted.later(0.0) is wanted
    later = wanted.later(2.5)
    assert (later.due_s, later.wanted_s, later.utterance) == (3.5, 0.0, wanted.utterance)
    assert later.phrases == ("p",)


# The share of the processor


@pytest.fixture
def allowance():
    """0.3 of a core, 2 s at once."""
    return Allowance(ratio=0.3, burst_s=2.0, now_s=100.0)


def test_who_takes_no_more_than_the_burst_has_no_overdraft(allowance):
    allowance.charge(1.99, 100.0)
    assert allowance.overdraft_s(100.0) == 0.0
    allowance.charge(0.01, 100.0)
    assert allowance.overdraft_s(100.0) == 0.0
    allowance.charge(0.01, 100.0)
    assert allowance.overdraft_s(100.0) == pytest.approx(0.01)


def test_an_overdraft_is_paid_back_at_the_rate_of_the_share(allowance):
    allowance.charge(5.0, 100.0)
    assert allowance.overdraft_s(100.0) == pytest.approx(3.0)
    assert allowance.overdraft_s(105.0) == pytest.approx(1.5)
    assert allowance.overdraft_s(110.0) == pytest.approx(0.0)


def test_who_was_quiet_for_long_has_saved_no_more_than_the_burst(allowance):
    allowance.charge(2.5, 1_000_000.0)
    assert allowance.overdraft_s(1_000_000.0) == pytest.approx(0.5)


def test_who_keeps_to_the_share_never_has_an_overdraft(allowance):
    for second in range(600):
        allowance.charge(0.3, 100.0 + second)
        assert allowance.overdraft_s(100.0 + second) == 0.0
