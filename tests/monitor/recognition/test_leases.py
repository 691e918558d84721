"""Recognisers are lent, at most so many a worker, and a voice gets its own one back."""

from __future__ import annotations

import pytest

from mamori.monitor.recognition.leases import Lease, Leases


@pytest.fixture
def leases():
    """Worker 1 with two slots."""
    lent = Leases(slots_per_worker=2)
    lent.add_worker(1)
    return lent


def test_a_worker_lends_as_many_as_it_has_slots(leases):
    assert leases.room(1) == 2
    taken = {leases.take(1, voice=voice, kind="ja") for voice in "ab"}

    assert taken == {Lease(1, 0), Lease(1, 1)}
    assert leases.room(1) == 0
    with pytest.raises(ValueError, match="no slot left"):
        leases.take(1, voice="c", kind="ja")


def test_a_worker_that_nobody_knows_has_no_room(leases):
    assert leases.room(9) == 0
    with pytest.raises(ValueError, match="no slot left"):
        leases.take(9, voice="a", kind="ja")


def test_a_voice_gets_the_slot_back_that_heard_it_last(leases):
    mine = leases.take(1, voice="a", kind="ja")
    other = leases.take(1, voice="b", kind="ja")
    leases.give_back(mine, voice="a")
    leases.give_back(other, voice="b")

    assert leases.take(1, voice="a", kind="ja") == mine


def test_a_new_voice_gets_the_slot_that_was_used_last(leases):
    first = leases.take(1, voice="a", kind="ja")
    last = leases.take(1, voice="b", kind="ja")
    leases.give_back(first, voice="a")
    leases.give_back(last, voice="b")

    assert leases.take(1, voice="c", kind="ja") == last


def test_a_used_slot_goes_before_a_new_one(leases):
    used = leases.take(1, voice="a", kind="ja")
    leases.give_back(used, voice="a")
    assert leases.take(1, voice="b", kind="ja") == used


def test_another_kind_gets_a_new_slot_while_there_is_one(leases):
    japanese = leases.take(1, voice="a", kind="ja")
    leases.give_back(japanese, voice="a")
    assert leases.take(1, voice="a", kind="ko") != japanese


def test_another_kind_takes_over_the_slot_unused_longest_where_none_is_new(leases):
    first = leases.take(1, voice="a", kind="ja")
    last = leases.take(1, voice="b", kind="ja")
    leases.give_back(first, voice="a")
    leases.give_back(last, voice="b")

    assert leases.take(1, voice="c", kind="ko") == first

    leases.give_back(first, voice="c")
    assert leases.take(1, voice="d", kind="ko") == first


def test_it_is_known_where_a_voice_was_heard_and_has_its_slot_free(leases):
    leases.add_worker(2)
    lease = leases.take(2, voice="a", kind="ja")
    assert leases.workers_of("a") == frozenset()

    leases.give_back(lease, voice="a")

    assert leases.workers_of("a") == {2}
    leases.take(2, voice="b", kind="ja")
    assert leases.workers_of("a") == frozenset()


def test_a_worker_that_is_lost_takes_its_slots_along(leases):
    lease = leases.take(1, voice="a", kind="ja")

    leases.remove_worker(1)
    leases.give_back(lease, voice="a")

    assert leases.room(1) == 0
    assert leases.workers_of("a") == frozenset()


def test_a_slot_given_back_twice_is_there_once(leases):
    lease = leases.take(1, voice="a", kind="ja")

    leases.give_back(lease, voice="a")
    leases.give_back(lease, voice="a")

    assert leases.room(1) == 2


def test_a_worker_that_nobody_knows_can_be_lost(leases):
    leases.remove_worker(9)
    assert leases.room(1) == 2
