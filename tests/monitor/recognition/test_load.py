"""What gives way when the machine has too little room, and what comes back when it has more."""

from __future__ import annotations

from itertools import pairwise

import pytest

from mamori.monitor.events import Channel, RecognitionScope
from mamori.monitor.recognition.load import (
    Cost,
    CostModel,
    Governor,
    GovernorConfig,
    Level,
    scope_of,
)

TICK_S = 0.5
EDGE = 1e-6
LEVELS = list(Level)
# Cores that one call takes at each level before anything was measured: the node's 0.006, and of
# both channels' 0.5 s of speech a second what reading, second readings and partials cost.
ASSUMED = {
    Level.THOROUGH: 0.006 + 0.5 * (0.3 + 0.12) + 0.25 * 0.01,
    Level.QUICK: 0.006 + 0.5 * (0.05 + 0.12) + 0.25 * 0.01,
    Level.SUSPECTED: 0.006 + 0.5 * 0.05 + 0.25 * 0.01,
    Level.FINALS: 0.006 + 0.5 * 0.05 + 0.25 * 0.01,
    Level.CUSTOMER: 0.006 + 0.25 * 0.05 + 0.25 * 0.01,
}


def model(*, has_stream=True, has_utterance=True):
    return CostModel(has_stream=has_stream, has_utterance=has_utterance)


class Clock:
    """A governor ticked twice a second."""

    def __init__(self, *, cores=2.0, costs=None):
        self.governor = Governor(costs or model(), cores=cores, config=GovernorConfig())
        self.now_s = 50.0

    def tick(self, for_s=TICK_S, *, calls=1, looked_at=0, wait_s=0.0, cores=None):
        """The level after so many seconds."""
        for _ in range(round(for_s / TICK_S)):
            self.now_s += TICK_S
            self.governor.tick(
                self.now_s, calls=calls, looked_at=looked_at, wait_s=wait_s, cores=cores
            )
        return self.governor.level


# What a level means


@pytest.mark.parametrize(
    ("level", "looked_at", "others"),
    [
        (Level.THOROUGH, RecognitionScope.FULL, RecognitionScope.FULL),
        (Level.QUICK, RecognitionScope.FULL, RecognitionScope.FULL),
        (Level.SUSPECTED, RecognitionScope.FULL, RecognitionScope.FINALS),
        (Level.FINALS, RecognitionScope.FINALS, RecognitionScope.FINALS),
        (Level.CUSTOMER, RecognitionScope.CUSTOMER, RecognitionScope.CUSTOMER),
    ],
)
def test_each_level_gives_a_call_so_much(level, looked_at, others):
    assert scope_of(level, is_looked_at=True) is looked_at
    assert scope_of(level, is_looked_at=False) is others


# What things cost


@pytest.mark.parametrize("level", LEVELS)
def test_before_anything_was_measured_costs_are_assumed(level):
    assert model().cores(10, level, looked_at_ratio=0.0) == pytest.approx(10 * ASSUMED[level])


def test_each_level_costs_no_more_than_the_one_before_it():
    for costs in (model(), model(has_stream=False), model(has_utterance=False)):
        needs = [costs.cores(10, level) for level in Level]
        assert needs == sorted(needs, reverse=True)


def test_partials_of_suspected_calls_cost_their_share():
    suspected = [model().cores(10, Level.SUSPECTED, looked_at_ratio=r) for r in (0.0, 0.5, 1.0)]
    assert suspected[1] - suspected[0] == pytest.approx(10 * 0.25 * 0.12)
    assert suspected[2] == pytest.approx(model().cores(10, Level.QUICK))


def test_without_a_stream_engine_partials_cost_nothing():
    costs = model(has_stream=False)
    assert costs.cores(1, Level.QUICK) == pytest.approx(ASSUMED[Level.FINALS])


def test_a_stream_engine_alone_hears_everything_at_every_level_but_the_last():
    costs = model(has_utterance=False)
    assert [costs.cores(1, level) for level in Level] == pytest.approx(
        [0.006 + 0.5 * 0.12] * 4 + [0.006 + 0.25 * 0.12]
    )


def test_a_measurement_weighs_by_its_audio_against_the_assumption():
    costs = model()
    costs.worked(Cost.QUICK, cpu_s=4.0, audio_s=20.0)
    assert costs.ratio(Cost.QUICK) == pytest.approx((0.05 + 0.2) / 2)
    assert costs.ratio(Cost.THOROUGH) == pytest.approx(0.3)


def test_a_reading_that_was_thrown_away_costs_and_brings_nothing():
    costs = model()
    costs.worked(Cost.QUICK, cpu_s=1.0, audio_s=0.0)
    assert costs.ratio(Cost.QUICK) == pytest.approx(0.05 + 1.0 / 20)


def test_second_readings_are_counted_on_all_that_customers_say():
    costs = model()
    costs.heard(Channel.AGENT, 100.0)
    assert costs.ratio(Cost.REREAD) == pytest.approx(0.01)
    costs.heard(Channel.CUSTOMER, 20.0)
    costs.worked(Cost.REREAD, cpu_s=1.0, audio_s=0.0)
    assert costs.ratio(Cost.REREAD) == pytest.approx((0.2 + 1.0) / 40)


def test_what_is_measured_replaces_what_was_within_a_few_turns_of_talk():
    costs = model()
    for ratio in (0.5, 0.1):
        for _ in range(600):
            costs.worked(Cost.QUICK, cpu_s=10 * ratio * TICK_S, audio_s=10 * TICK_S)
            costs.passed(TICK_S, 10, 0.0)
    assert costs.ratio(Cost.QUICK) == pytest.approx(0.1, abs=0.01)


def test_what_is_not_done_at_present_keeps_its_cost_for_minutes_but_not_for_ever():
    costs = model()
    for _ in range(600):
        costs.worked(Cost.THOROUGH, cpu_s=10 * 0.6 * TICK_S, audio_s=10 * TICK_S)
        costs.passed(TICK_S, 10, 0.0)
    costs.passed(60.0, 10, 0.0)
    assert costs.ratio(Cost.THOROUGH) > 0.58
    costs.passed(3_600.0 * 4, 10, 0.0)
    assert costs.ratio(Cost.THOROUGH) == pytest.approx(0.3, abs=0.01)


def test_a_measurement_after_a_pause_does_not_wipe_out_what_was_known():
    costs = model()
    costs.worked(Cost.THOROUGH, cpu_s=600.0, audio_s=1_000.0)
    costs.passed(300.0, 1, 0.0)
    costs.worked(Cost.THOROUGH, cpu_s=0.01, audio_s=0.1)
    assert costs.ratio(Cost.THOROUGH) > 0.55


def test_the_nodes_own_work_is_counted_by_the_call_and_only_while_there_are_any():
    costs = model()
    assert costs.node_ratio == pytest.approx(0.006)
    costs.passed(60.0, 0, 30.0)
    assert costs.node_ratio == pytest.approx(0.006)
    costs.passed(60.0, 10, 12.0)
    assert costs.node_ratio == pytest.approx((0.006 * 60 + 12.0) / 660)


# Narrowing by what things cost


def cores_for(level, calls, share=0.7):
    return calls * ASSUMED[level] / share


@pytest.mark.parametrize(
    ("level", "share"),
    [
        (Level.THOROUGH, 0.35),
        (Level.QUICK, 0.7),
        (Level.SUSPECTED, 0.7),
        (Level.CUSTOMER, 0.7),
    ],
)
@pytest.mark.parametrize(("more", "fits"), [(EDGE, True), (-EDGE, False)])
def test_the_first_level_that_fits_the_machine_is_taken_at_once(level, share, more, fits):
    """Just under the edge it does not fit, just over it does."""
    clock = Clock(cores=cores_for(level, 10, share) * (1 + more))
    expected = level if fits else LEVELS[min(level + 1, Level.CUSTOMER)]
    if level is Level.SUSPECTED and not fits:
        expected = Level.CUSTOMER  # finals alone cost as much as where nobody is looked at
    assert clock.tick(calls=10) is expected


@pytest.mark.parametrize(("more", "level"), [(EDGE, Level.FINALS), (-EDGE, Level.CUSTOMER)])
def test_finals_alone_fit_where_partials_of_suspected_calls_do_not(more, level):
    clock = Clock(cores=cores_for(Level.FINALS, 10) * (1 + more))
    assert clock.tick(calls=10, looked_at=1) is level


def test_a_machine_that_has_less_for_us_narrows_service_at_once():
    clock = Clock(cores=100.0)
    assert clock.tick(calls=10) is Level.THOROUGH
    assert clock.tick(calls=10, cores=cores_for(Level.QUICK, 10) * 1.01) is Level.QUICK
    assert clock.tick(calls=10, cores=0.0) is Level.CUSTOMER


def test_without_calls_everything_fits():
    assert Clock(cores=0.0).tick(calls=0) is Level.THOROUGH


# Widening


def test_service_widens_a_level_after_ten_seconds_of_room():
    clock = Clock(cores=0.0)
    assert clock.tick(calls=10) is Level.CUSTOMER
    clock.tick(calls=10, cores=100.0)
    assert clock.tick(9.5, calls=10) is Level.CUSTOMER
    assert clock.tick(calls=10) is Level.FINALS
    assert clock.tick(9.5, calls=10) is Level.FINALS
    assert clock.tick(calls=10) is Level.SUSPECTED
    assert clock.tick(20.0, calls=10) is Level.THOROUGH


@pytest.mark.parametrize(("more", "level"), [(-EDGE, Level.CUSTOMER), (EDGE, Level.FINALS)])
def test_service_widens_only_where_there_is_room_to_spare(more, level):
    clock = Clock(cores=0.0)
    clock.tick(calls=10)
    enough = cores_for(Level.FINALS, 10) / 0.85
    assert clock.tick(12.0, calls=10, looked_at=10, cores=enough * (1 + more)) is level


def test_a_moment_without_room_begins_the_ten_seconds_anew():
    clock = Clock(cores=0.0)
    clock.tick(calls=10)
    clock.tick(9.5, calls=10, cores=100.0)
    clock.tick(calls=10, cores=0.0)
    assert clock.tick(10.0, calls=10, cores=100.0) is Level.CUSTOMER
    assert clock.tick(calls=10) is Level.FINALS


# Narrowing by what is late


def test_a_step_narrower_after_two_seconds_of_late_finals_and_one_more_every_two():
    clock = Clock(cores=100.0)
    levels = [clock.tick(2.0, wait_s=0.41) for _ in range(6)]
    assert clock.governor.level is Level.CUSTOMER
    assert levels == [Level.THOROUGH, *LEVELS[1:], Level.CUSTOMER]


@pytest.mark.parametrize(
    ("wait_s", "level"), [(0.39, Level.THOROUGH), (0.4, Level.THOROUGH), (0.41, Level.QUICK)]
)
def test_finals_are_late_from_so_long_a_wait_on(wait_s, level):
    assert Clock(cores=100.0).tick(2.5, wait_s=wait_s) is level


def test_one_final_in_time_begins_the_two_seconds_anew():
    clock = Clock(cores=100.0)
    clock.tick(2.0, wait_s=1.0)
    clock.tick(wait_s=0.2)
    assert clock.tick(2.0, wait_s=1.0) is Level.THOROUGH
    assert clock.tick(wait_s=1.0) is Level.QUICK


def test_the_first_step_is_narrower_than_what_costs_already_ask_for():
    clock = Clock(cores=cores_for(Level.FINALS, 10) * 1.01)
    assert clock.tick(calls=10, looked_at=1) is Level.FINALS
    assert clock.tick(2.5, calls=10, looked_at=1, wait_s=1.0) is Level.CUSTOMER


def press(clock, steps=1):
    """Finals are late until service is so many steps narrower."""
    clock.tick(TICK_S + 2.0 * steps, wait_s=1.0)


@pytest.mark.parametrize(("wait_s", "falls"), [(0.14, True), (0.15, True), (0.16, False)])
def test_after_ten_seconds_of_finals_in_time_the_pressure_falls_and_ten_later_service_widens(
    wait_s, falls
):
    clock = Clock(cores=100.0)
    press(clock)
    assert clock.tick(20.0, wait_s=wait_s) is Level.QUICK
    assert clock.tick(1.0, wait_s=wait_s) is (Level.THOROUGH if falls else Level.QUICK)


def seconds_narrowed(clock):
    """How long it takes until service is whole again, finals being in time."""
    began_s = clock.now_s
    while clock.tick() is not Level.THOROUGH:
        pass
    return clock.now_s - began_s - TICK_S


def test_who_is_pressed_again_within_a_minute_waits_twice_as_long_and_at_most_160_s():
    """Ten seconds of it are those of widening, as ever."""
    clock = Clock(cores=100.0)
    narrowed_s = []
    for _ in range(6):
        press(clock)
        narrowed_s.append(seconds_narrowed(clock))
    assert narrowed_s == [20.0, 30.0, 50.0, 90.0, 170.0, 170.0]


@pytest.mark.parametrize(("since_s", "again_s"), [(59.5, 30.0), (60.0, 30.0), (60.5, 20.0)])
def test_who_is_pressed_more_than_a_minute_after_the_pressure_fell_waits_as_at_first(
    since_s, again_s
):
    clock = Clock(cores=100.0)
    press(clock)
    clock.tick(10.5)  # the pressure falls
    clock.tick(since_s - 2.5)
    press(clock)
    assert seconds_narrowed(clock) == again_s


# Who is let in


@pytest.mark.parametrize(("more", "admits"), [(-EDGE, False), (EDGE, True)])
def test_a_call_is_let_in_where_it_fits_at_the_narrowest_service(more, admits):
    cores = 11 * ASSUMED[Level.CUSTOMER] / 0.7 * (1 + more)
    assert Clock(cores=cores).governor.admits(10) is admits


def test_no_call_is_let_in_where_others_have_taken_the_machine():
    clock = Clock()
    clock.tick(cores=0.0)
    assert not clock.governor.admits(0)


@pytest.mark.parametrize(("calls", "admits"), [(131, True), (132, True), (133, False)])
def test_no_more_calls_are_let_in_than_one_thread_carries(calls, admits):
    """0.8 of a core at 0.006 a call are 133 calls."""
    assert Clock(cores=1_000.0).governor.admits(calls) is admits


def test_no_call_is_let_in_while_finals_are_late_at_the_narrowest_service():
    clock = Clock(cores=100.0)
    press(clock, steps=4)
    assert clock.governor.level is Level.CUSTOMER
    assert clock.governor.admits(1)
    clock.tick(2.0, wait_s=1.0)
    assert not clock.governor.admits(1)
    clock.tick(11.0)
    assert clock.governor.admits(1)


def test_who_is_refused_is_told_when_to_try_again():
    assert Clock().governor.retry_after_s == 15


# How much is taken


def test_use_is_the_share_of_the_budget_at_the_present_level():
    clock = Clock(cores=cores_for(Level.QUICK, 10))
    clock.tick(calls=10, cores=cores_for(Level.QUICK, 10) * 1.25)
    assert clock.governor.level is Level.QUICK
    assert clock.governor.use_ratio(10) == pytest.approx(0.8)


def test_use_counts_partials_of_those_calls_only_that_are_looked_at():
    clock = Clock(cores=cores_for(Level.SUSPECTED, 10) * 1.01)
    clock.tick(calls=10, looked_at=0)
    assert clock.governor.level is Level.SUSPECTED
    assert clock.governor.use_ratio(10) == pytest.approx(1 / 1.01)


def test_where_others_have_taken_the_machine_use_is_infinite():
    clock = Clock()
    clock.tick(cores=0.0)
    assert clock.governor.use_ratio(1) == float("inf")


# Over minutes


def levels_under(calls, *, speed, minutes=10):
    """Levels of a node of two cores, ``speed`` times as slow as assumed, under a constant load."""
    real = {Cost.THOROUGH: 0.3, Cost.QUICK: 0.05, Cost.LIVE: 0.12, Cost.REREAD: 0.01}
    costs = model()
    clock = Clock(costs=costs)
    levels = []
    for _ in range(round(minutes * 60 / TICK_S)):
        level = clock.governor.level
        for channel in (Channel.CUSTOMER, Channel.AGENT):
            audio_s = 0.25 * calls * TICK_S
            costs.heard(channel, audio_s)
            if level < Level.CUSTOMER or channel is Channel.CUSTOMER:
                cost = Cost.QUICK if level else Cost.THOROUGH
                costs.worked(cost, speed * real[cost] * audio_s, audio_s)
            if channel is Channel.CUSTOMER:
                costs.worked(Cost.REREAD, speed * real[Cost.REREAD] * audio_s, 0.0)
            if level <= Level.QUICK:
                costs.worked(Cost.LIVE, speed * real[Cost.LIVE] * audio_s, audio_s)
        costs.passed(TICK_S, calls, 0.006 * calls * TICK_S)
        levels.append(clock.tick(calls=calls))
    return levels


@pytest.mark.parametrize("speed", [0.5, 1.0, 2.0, 3.0])
@pytest.mark.parametrize("calls", [1, 2, 3, 5, 7, 10, 14, 20, 30])
def test_under_a_constant_load_service_does_not_swing(calls, speed):
    """A level that cost too much is not tried again every minute."""
    levels = levels_under(calls, speed=speed)
    changes = sum(before is not after for before, after in pairwise(levels))
    assert changes <= 3, [levels[place] for place in range(0, len(levels), 40)]


def test_under_a_load_that_costs_do_not_explain_service_swings_ever_less():
    """Finals are late wherever anything but finals alone is done, whatever the costs say."""
    clock = Clock(cores=100.0)
    levels = [
        clock.tick(wait_s=1.0 if clock.governor.level < Level.FINALS else 0.0)
        for _ in range(round(15 * 60 / TICK_S))
    ]
    half = len(levels) // 3
    swings = [
        sum(a is not b for a, b in pairwise(part)) for part in (levels[:half], levels[2 * half :])
    ]
    assert swings[1] <= swings[0] / 2
    assert swings[1] <= 6
