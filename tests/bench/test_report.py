"""What the bench prints."""

import pytest
from bench.report import (
    add_ratios,
    baseline,
    goal_table,
    number,
    pair,
    report,
    shares,
    table,
)


def test_a_figure_that_does_not_exist_is_a_dash():
    assert number(None) == "-"
    assert pair({"p50": None, "p95": 1.234}) == "- / 1.23"


def test_columns_are_as_wide_as_their_widest_cell():
    assert table(["a", "long"], [["wide", "1"], ["b", "12345"]]).splitlines() == [
        "a      long",
        "-----------",
        "wide      1",
        "b     12345",
    ]


def test_ratios_compare_with_detectors_only_at_the_most_calls(make_row):
    rows = [
        make_row("auto", 1, cpu=0.3),
        make_row("none", 100, cpu=0.01),
        make_row("none", 50, cpu=0.02),
    ]
    add_ratios(rows)
    assert baseline(rows) == 0.01
    assert [row["cost"]["times_none"] for row in rows] == pytest.approx([30, 1, 2])


def test_without_detectors_only_there_is_no_ratio(make_row):
    rows = [make_row("auto", 1)]
    add_ratios(rows)
    assert rows[0]["cost"]["times_none"] is None


def test_shares_name_the_largest_part_first():
    assert shares({"finals": 25.0, "full": 75.0}) == "full 75 %, finals 25 %"
    assert shares({}) == "-"


def test_the_goal_table_says_met_missed_and_not_played(make_row):
    text = goal_table([make_row("whisper", 48, taken=40, cpu=0.04)])
    (calls,) = (line for line in text.splitlines() if line.startswith("whisper: calls"))
    (cost,) = (line for line in text.splitlines() if line.startswith("whisper: CPU"))
    (auto,) = (line for line in text.splitlines() if line.startswith("auto: calls"))
    assert calls.split()[-3:] == ["40", "40", "met"]
    assert cost.endswith("NOT MET")
    assert auto.endswith("not played")


def test_the_report_states_losses_refusals_a_backlog_and_who_else_was_at_work(make_row):
    rows = [
        make_row("auto", 3, taken=2, grew=True, failed=["gone"], shed=0.75, live_shed=4, gap=0.25),
        make_row("none", 50),
    ]
    add_ratios(rows)
    text = report(rows, "a machine", ["a note"])
    assert "machine: a machine" in text
    assert "a note" in text
    cost, latency, stages, account = (
        next(line for line in part.splitlines() if line.startswith("auto x 3"))
        for part in text.split("\n\n")[1:5]
    )
    assert "1.25" in cost
    assert "500>700>650" in cost
    assert "321" in cost
    assert "2/3" in latency
    assert "YES" in latency
    assert "0.100 / 0.500" in stages
    refused, failed, sent, shed, live_shed, gap, exact, *scope = account.split()[3:]
    assert (refused, failed) == ("1", "1")
    assert (sent, shed, live_shed, gap, exact) == ("120", "0.75", "4.00", "0.25", "NO")
    assert " ".join(scope) == "full 75 %, finals 25 % 3 2 0.010"
