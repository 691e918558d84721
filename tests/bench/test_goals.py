"""What the rows come to."""

import pytest
from bench.goals import carried, goals, kept_up, twice_admitted, verdicts, went_well


@pytest.mark.parametrize(("p95", "well"), [(0.99, True), (1.0, False), (1.01, False)])
def test_a_row_went_well_with_finals_below_a_second(make_row, p95, well):
    assert went_well(make_row("auto", 4, p95=p95)) is well


def test_a_row_without_finals_did_not_go_well(make_row):
    assert not went_well(make_row("auto", 4, p95=None))


@pytest.mark.parametrize(
    "trouble", [{"grew": True}, {"failed": ["gone"]}, {"shed": 0.01}, {"gap": 0.01}]
)
def test_a_backlog_a_broken_call_and_a_second_that_was_not_read_are_no_going_well(
    make_row, trouble
):
    assert not went_well(make_row("auto", 4, **trouble))


def test_live_words_may_give_way_and_too_short_a_row_shows_no_backlog(make_row):
    assert went_well(make_row("auto", 4, live_shed=9.0, grew=None))


def test_refused_calls_are_no_trouble_of_those_that_were_taken(make_row):
    rows = [make_row("auto", 16), make_row("auto", 32, taken=21), make_row("peer", 2)]
    assert carried(rows, "auto") == 21
    assert carried(rows, "whisper") is None


@pytest.mark.parametrize(
    ("reply_p95", "is_well"), [(0.99, True), (1.0, False), (1.01, False), (None, False)]
)
def test_a_server_keeps_up_while_it_answers_within_a_second(make_row, reply_p95, is_well):
    # However late its finals are: its endpointer waits longer than that by itself.
    assert kept_up(make_row("peer", 4, p95=1.6, reply_p95=reply_p95)) is is_well


@pytest.mark.parametrize("trouble", [{"grew": True}, {"failed": ["gone"]}])
def test_a_server_with_a_backlog_or_a_broken_call_does_not_keep_up(make_row, trouble):
    assert not kept_up(make_row("peer", 4, reply_p95=0.1, **trouble))


def test_a_verdict_compares_each_engine_with_what_the_peer_kept_up_with(make_row):
    rows = [
        make_row("peer", 1, p95=1.6, reply_p95=0.1),
        make_row("peer", 2, p95=1.6, reply_p95=0.9),
        make_row("peer", 4, p95=3.0, reply_p95=2.0),
        make_row("whisper", 16),
        make_row("none", 100, p95=None),
    ]
    peer, whisper = verdicts(rows)
    assert peer.startswith("peer: carried 0 calls")
    assert peer.endswith("within 1 s (p95) with 2")
    assert whisper.startswith("whisper: carried 16 calls")
    assert whisper.endswith("8.0 times the 2 that the peer kept up with")


@pytest.mark.parametrize("peers", [[], [("peer", 1)]])
def test_without_a_peer_that_keeps_up_there_is_nothing_to_compare_with(make_row, peers):
    rows = [make_row(engine, calls, reply_p95=3.0) for engine, calls in peers]
    assert verdicts([*rows, make_row("auto", 1)])[-1].endswith("nothing given up)")


def _goals(rows):
    return {goal.what: goal for goal in goals(rows)}


def test_goals_without_rows_are_neither_met_nor_missed():
    assert {goal.is_met for goal in goals([])} == {None}


@pytest.mark.parametrize(
    ("engine", "taken", "is_met"),
    [
        ("whisper", 39, False),
        ("whisper", 40, True),
        ("whisper", 41, True),
        ("auto", 19, False),
        ("auto", 20, True),
        ("auto", 21, True),
    ],
)
def test_the_number_of_calls_is_met_from_the_goal_on(make_row, engine, taken, is_met):
    found = _goals([make_row(engine, 64, taken=taken)])
    assert found[f"{engine}: calls carried"].is_met is is_met


@pytest.mark.parametrize(("cpu", "is_met"), [(0.029, True), (0.03, True), (0.0301, False)])
def test_the_cost_is_that_of_the_row_with_the_most_calls_carried(make_row, cpu, is_met):
    rows = [
        make_row("whisper", 1, cpu=9.0),
        make_row("whisper", 40, cpu=cpu),
        make_row("whisper", 48, cpu=9.0, p95=2.0),
    ]
    goal = _goals(rows)["whisper: CPU s/call-s with the most calls carried"]
    assert goal.is_met is is_met


@pytest.mark.parametrize(("p95", "is_met"), [(0.79, True), (0.8, True), (0.81, False)])
def test_finals_are_judged_at_the_admitted_load_and_at_twice_of_it(make_row, p95, is_met):
    rows = [
        make_row("auto", 16, p95=0.1),
        make_row("auto", 24, taken=20, p95=p95),
        make_row("auto", 40, taken=20, p95=p95),
    ]
    found = _goals(rows)
    once = found["auto: final p95, s, with as many calls as are admitted"]
    twice = found["auto: the same with twice as many offered"]
    assert (once.is_met, twice.is_met) == (is_met, is_met)
    assert once.measured.endswith("(20 of 24 taken)")
    assert twice.measured.endswith("(20 of 40 taken)")


def test_twice_as_many_calls_as_were_ever_taken_are_still_to_be_offered(make_row):
    rows = [make_row("auto", 24), make_row("auto", 32, taken=25), make_row("whisper", 48)]
    assert twice_admitted(rows, "auto") == 50
    assert twice_admitted([*rows, make_row("auto", 49, taken=25)], "auto") == 50
    assert twice_admitted([*rows, make_row("auto", 50, taken=25)], "auto") is None
    # It took more than ever before: twice as many is more again.
    assert twice_admitted([*rows, make_row("auto", 50, taken=30)], "auto") == 60


def test_where_no_call_was_taken_there_is_no_twice(make_row):
    assert twice_admitted([], "auto") is None
    assert twice_admitted([make_row("auto", 2, taken=0, p95=None)], "auto") is None
