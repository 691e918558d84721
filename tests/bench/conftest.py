"""Lets the tests import ``bench``, which is run from the checkout and never installed."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))


@pytest.fixture
def sent_every_20_ms():
    """One second of 8 kHz audio in chunks of 20 ms, the first of which left at 100 s."""
    from bench.figures import SendTimes

    return SendTimes(
        chunk_samples=160, sample_rate_hz=8000, sent_s=[100 + n * 0.02 for n in range(50)]
    )


@pytest.fixture
def make_row():
    """A row as the bench notes it; what is not named went well."""
    return _row


def _row(
    engine,
    calls,
    *,
    taken=None,
    cpu=0.2,
    p95=0.5,
    grew=False,
    failed=(),
    shed=0.0,
    live_shed=0.0,
    gap=0.0,
    reply_p95=None,
):
    spread = {"p50": 0.1, "p95": p95}
    taken = calls if taken is None else taken
    return {
        "engine": engine,
        "calls": calls,
        "admission": {"offered": calls, "taken": taken, "refused": calls - taken},
        "speech": {"customer_ratio": 0.4, "agent_ratio": 0.0},
        "cost": {
            "node_cpu_s_per_call_s": cpu,
            "recognition_cpu_s_per_call_s": None,
            "store_cpu_s_per_call_s": 0.001,
            "node_cores": 0.5,
            "client_cores": 0.1,
            "bench_cores": 0.02,
            "others_cores": 1.25,
            "stolen_cores": 0.0,
            "load_average": 3.0,
            "processes": 4,
            "rss_before_mib": 500.0,
            "rss_peak_mib": 700.0,
            "rss_after_mib": 650.0,
            "rss_per_call_mib": 50.0,
            "pss_peak_mib": 321.0,
        },
        "latency": {
            "finals": 9,
            "speech_start_to_partial_s": spread,
            "speech_end_to_final_s": spread,
            "endpoint_to_final_s": spread,
            "endpoint_to_event_s": spread,
            "first_third_p50_s": None,
            "last_third_p50_s": None,
            "backlog_grew": grew,
            "reply_lag_s": {"p50": reply_p95, "p95": reply_p95},
            "alerts": 4,
            "word_end_to_stream_s": spread,
            "word_end_to_final_s": spread,
            "final_to_stream_s": {"p50": None, "p95": None},
            "ping_s": spread,
            "ping_floor_s": spread,
        },
        "account": {
            "sent_s": 120.0,
            "processed_s": 119.0,
            "shed_s": shed,
            "live_shed_s": live_shed,
            "gap_s": gap,
            "balanced": False,
            "scope_s": {"full": 75.0, "finals": 25.0},
            "events_dropped": 3,
            "failed_calls": list(failed),
            "stage_failures": {"crashed": 2},
            "worst_send_lateness_s": 0.01,
        },
    }
