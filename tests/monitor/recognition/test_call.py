"""A call's scope: told once where it changes, by a lane that still listens."""

from __future__ import annotations

import pytest

from mamori.monitor.events import Channel, RecognitionScope
from mamori.monitor.recognition.call import CallRecognition


class FakeLane:
    lag_ms = 0

    def __init__(self, *, heard_ms=0, is_closed=False):
        self.heard_ms = heard_ms
        self.is_closed = is_closed
        self.scope = RecognitionScope.FULL
        self.told = []

    def tell(self, event):
        self.told.append((event.scope, event.offset_ms))


@pytest.fixture
def lanes():
    return {Channel.CUSTOMER: FakeLane(heard_ms=1200), Channel.AGENT: FakeLane(heard_ms=3400)}


@pytest.fixture
def changes():
    return []


@pytest.fixture
def call(lanes, changes):
    return CallRecognition(
        "call-1", lanes, on_change=lambda call: changes.append(call.is_looked_at)
    )


def test_a_change_is_told_once_at_the_time_that_was_heard_last(call, lanes):
    for _ in range(2):
        call.narrow_to(RecognitionScope.FINALS)

    assert [lane.scope for lane in lanes.values()] == [RecognitionScope.FINALS] * 2
    assert [lane.told for lane in lanes.values()] == [[(RecognitionScope.FINALS, 3400)], []]


def test_what_does_not_change_is_not_told(call, lanes):
    call.narrow_to(RecognitionScope.FULL)

    assert [lane.told for lane in lanes.values()] == [[], []]


def test_a_lane_that_is_closed_tells_nothing(call, lanes):
    lanes[Channel.CUSTOMER].is_closed = True

    call.narrow_to(RecognitionScope.CUSTOMER)

    assert lanes[Channel.CUSTOMER].told == []
    assert lanes[Channel.AGENT].told == [(RecognitionScope.CUSTOMER, 3400)]


def test_a_call_whose_lanes_are_all_closed_stays_as_it_was(call, lanes):
    for lane in lanes.values():
        lane.is_closed = True

    call.narrow_to(RecognitionScope.FINALS)

    assert call.scope is RecognitionScope.FULL
    assert [lane.told for lane in lanes.values()] == [[], []]


def test_who_watches_and_what_is_suspected_are_told_as_they_change(call, changes):
    call.watch(True)
    call.watch(False)
    call.suspect()
    call.suspect()
    call.watch(False)

    assert changes == [True, False, True, True]
