"""What the bench prints."""

import pytest
from bench.report import add_ratios, baseline, number, pair, report, table, verdicts


def _row(engine, calls, *, cpu=0.2, p95=0.5, grew=False):
    spread = {"p50": 0.1, "p95": p95}
    return {
        "engine": engine,
        "calls": calls,
        "speech": {"customer_ratio": 0.4, "agent_ratio": 0.0},
        "cost": {
            "node_cpu_s_per_call_s": cpu,
            "store_cpu_s_per_call_s": 0.001,
            "node_cores": 0.5,
            "client_cores": 0.1,
            "others_cores": 1.25,
            "stolen_cores": 0.0,
            "load_average": 3.0,
            "rss_before_mib": 500.0,
            "rss_peak_mib": 700.0,
            "rss_after_mib": 650.0,
            "rss_per_call_mib": 50.0,
        },
        "latency": {
            "finals": 9,
            "speech_end_to_final_s": spread,
            "endpoint_to_final_s": spread,
            "endpoint_to_event_s": spread,
            "first_third_p50_s": None,
            "last_third_p50_s": None,
            "backlog_grew": grew,
            "alerts": 4,
            "word_end_to_stream_s": spread,
            "final_to_stream_s": {"p50": None, "p95": None},
            "ping_s": spread,
            "ping_floor_s": spread,
        },
        "account": {
            "sent_s": 120.0,
            "processed_s": 119.0,
            "shed_s": 0.75,
            "gap_s": 0.25,
            "balanced": False,
            "events_dropped": 3,
            "failed_calls": ["gone"],
            "stage_failures": 0,
            "worst_send_lateness_s": 0.01,
        },
    }


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


def test_ratios_compare_with_detectors_only_at_the_most_calls():
    rows = [
        _row("auto", 1, cpu=0.3),
        _row("none", 100, cpu=0.01),
        _row("none", 50, cpu=0.02),
    ]
    add_ratios(rows)
    assert baseline(rows) == 0.01
    assert [row["cost"]["times_none"] for row in rows] == pytest.approx([30, 1, 2])


def test_without_detectors_only_there_is_no_ratio():
    rows = [_row("auto", 1)]
    add_ratios(rows)
    assert rows[0]["cost"]["times_none"] is None


def test_a_verdict_names_the_largest_number_of_calls_below_a_second_for_each_engine():
    rows = [
        _row("auto", 1, p95=0.6),
        _row("auto", 2, p95=0.999),
        _row("auto", 4, p95=1.0),
        _row("vosk", 1, p95=2.0),
        _row("none", 50, p95=0.1),
    ]
    lines = verdicts(rows)
    assert [line.rpartition(": ")[2] for line in lines] == [
        "2",
        "2",
        "none of those played",
        "none of those played",
    ]


def test_the_report_states_losses_a_growing_backlog_and_who_else_was_at_work():
    rows = [_row("auto", 2, grew=True), _row("none", 50)]
    add_ratios(rows)
    text = report(rows, "a machine", ["a note"])
    assert "machine: a machine" in text
    assert "a note" in text
    cost, latency, account = (
        next(line for line in part.splitlines() if line.startswith("auto x 2"))
        for part in text.split("\n\n")[1:4]
    )
    assert "1.25" in cost
    assert "500>700>650" in cost
    assert "YES" in latency
    sent, processed, shed, gap, exact, dropped, failed, stages, late = account.split()[3:]
    assert (sent, processed, shed, gap, exact) == ("120", "119.00", "0.75", "0.25", "NO")
    assert (dropped, failed, stages, late) == ("3", "1", "0", "0.010")
