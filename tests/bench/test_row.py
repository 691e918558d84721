"""The figures of one row, from what client and probes noted."""

import pytest
from bench.machine import MachineUse
from bench.row import Load, Moment, Watched, row
from bench.tree import Usage

SECOND = 50  # messages


def _load(calls, duration_s=2.0):
    return Load(
        calls=calls,
        duration_s=duration_s,
        is_speech=True,
        customer_speech_ratio=0.4,
        agent_speech_ratio=0.0,
        seed=1,
    )


def _call(call_id, *, began_s=100.0, seconds=2.0, events=(), **fields):
    messages = int(seconds * SECOND)
    samples = messages * 160
    account = {"received_samples": samples, "processed_samples": samples}
    account |= {"shed_samples": 0, "gap_samples": 0, "live_shed_samples": 0}
    return {
        "call_id": call_id,
        "sent_s": [began_s + n / SECOND for n in range(messages)],
        "sent_samples": samples,
        "speech": {"customer_ratio": 0.4, "agent_ratio": 0.0, "sentences": 3},
        "voiced": {"customer": [frame < 50 for frame in range(messages * 2)], "agent": [False]},
        "events": list(events),
        "partials": 2,
        "dropped_events": 0,
        "ledger": [account],
        "refusal": None,
        "failure": None,
        "reply_lags_s": [],
    } | fields


def _refused(call_id, code, retry_after_s):
    return _call(
        call_id,
        seconds=0,
        ledger=[],
        refusal={"code": code, "retry_after_s": retry_after_s},
    )


def _moment(at_s, *, node=0.0, store=0.0, bench=0.0, busy=0.0, rss=0, own=None):
    return Moment(
        at_s=at_s,
        usage=Usage(
            node_cpu_s=node,
            store_cpu_s=store,
            node_rss_bytes=rss,
            store_rss_bytes=0,
            node_processes=1,
        ),
        recognition_cpu_s=own,
        bench_cpu_s=bench,
        machine=MachineUse(busy_s=busy, steal_s=0.0, load_average=1.0),
    )


def _watched(before=None, after=None, alerts=()):
    return Watched(
        before=before or _moment(0.0),
        after=after or _moment(10.0),
        peak_rss_bytes=3 * 2**20,
        peak_pss_bytes=2 * 2**20,
        peak_processes=4,
        round_trips_s=[0.01],
        overshoots_s=[0.0],
        alerts=alerts,
        other_alerts=0,
        probe_failures=[],
    )


def _ended(utterance_id, end_ms, final_after_s, *, began_s=100.0):
    """An utterance of the customer whose final comes so long after the speech ended at 500 ms."""
    place = {"channel": "customer", "utterance_id": utterance_id, "offset_ms": 0}
    arrived_s = began_s + 24 / SECOND + final_after_s
    return [
        place
        | {
            "type": "speech_ended",
            "end_offset_ms": end_ms,
            "cause": "silence",
            "arrived_s": arrived_s,
        },
        place
        | {
            "type": "final_hypothesis",
            "end_offset_ms": end_ms,
            "engine": "whisper",
            "arrived_s": arrived_s,
        },
    ]


@pytest.mark.parametrize(
    ("calls", "duration_s", "expected_s"), [(8, 60, 2), (48, 60, 12), (48, 20, 10)]
)
def test_calls_ring_four_a_second_and_all_of_them_overlap_for_half_of_their_length(
    calls, duration_s, expected_s
):
    assert _load(calls, duration_s).stagger_s == expected_s


def test_refused_calls_are_counted_with_their_answer_and_left_out_of_everything_else():
    calls = [
        _call("a", events=_ended("u1", 900, 0.6)),
        _refused("b", "busy", 5),
        _refused("c", "busy", 5),
        _refused("d", "http_503", None),
    ]
    found = row(_load(4), {"calls": calls, "cpu_s": 0.0}, _watched(), "native")
    assert found["admission"] == {
        "offered": 4,
        "taken": 1,
        "refused": 3,
        "refused_by_code": {"busy": 2, "http_503": 1},
        "refused_without_retry_time": 1,
        "retry_after_s": [5],
    }
    assert found["account"]["balanced"] is True
    assert found["account"]["failed_calls"] == []
    assert found["cost"]["call_seconds"] == 2.0
    assert found["latency"]["speech_end_to_final_s"]["p50"] == pytest.approx(0.6)


def test_a_row_in_which_every_call_was_refused_still_has_figures():
    calls = [_refused("a", "busy", 5)]
    found = row(_load(1), {"calls": calls, "cpu_s": 0.0}, _watched(), "native")
    assert found["admission"]["taken"] == 0
    assert found["cost"]["node_cpu_s_per_call_s"] is None
    assert found["latency"]["speech_end_to_final_s"] == {"p50": None, "p95": None}
    assert found["speech"]["customer_ratio"] is None


def test_cost_is_the_difference_between_before_and_after_for_each_second_of_a_call():
    watched = _watched(
        _moment(0.0, node=5.0, store=1.0, bench=0.5, busy=100.0, rss=2**20, own=3.0),
        _moment(10.0, node=5.4, store=1.02, bench=0.6, busy=102.0, rss=2**20, own=3.2),
    )
    calls = [_call("a"), _call("b")]
    cost = row(_load(2), {"calls": calls, "cpu_s": 0.3}, watched, "native")["cost"]
    assert cost["node_cpu_s_per_call_s"] == pytest.approx(0.4 / 4)
    assert cost["recognition_cpu_s_per_call_s"] == pytest.approx(0.2 / 4)
    assert cost["store_cpu_s_per_call_s"] == pytest.approx(0.02 / 4)
    # Two core-seconds were spent, and 0.82 of them by what was measured and by the bench.
    assert cost["others_cores"] == pytest.approx((2.0 - 0.4 - 0.02 - 0.1 - 0.3) / 10)
    assert cost["client_cores"] == pytest.approx(0.03)
    assert cost["rss_per_call_mib"] == pytest.approx(1.0)
    assert cost["pss_peak_mib"] == pytest.approx(2.0)


def test_latency_is_judged_while_every_call_is_on_the_line():
    # The second call begins a second after the first: speech that ended before counts apart.
    early = _call("a", events=_ended("u1", 900, 9.0))
    late = _call("b", began_s=101.0, events=_ended("u1", 900, 0.5, began_s=101.0))
    found = row(_load(2), {"calls": [early, late], "cpu_s": 0.0}, _watched(), "native")["latency"]
    assert found["speech_end_to_final_s"]["p95"] == pytest.approx(0.5)
    assert found["speech_end_to_final_with_ramps_s"]["p50"] == pytest.approx((9.0 + 0.5) / 2)
    assert found["finals"] == 2


def test_the_words_of_alerts_are_timed_to_their_final_and_to_the_stream():
    calls = [_call("a", events=_ended("u1", 900, 0.6))]
    final_s = 100.48 + 0.6
    alert = {
        "call_id": "a",
        "utterance_id": "u1",
        "end_offset_ms": 400,
        "arrived_s": final_s + 0.02,
    }
    found = row(_load(1), {"calls": calls, "cpu_s": 0.0}, _watched(alerts=[alert]), "native")
    latency = found["latency"]
    assert latency["alerts"] == 1
    assert latency["final_to_stream_s"]["p50"] == pytest.approx(0.02)
    assert latency["word_end_to_final_s"]["p50"] == pytest.approx(final_s - 100.38)
    assert latency["word_end_to_stream_s"]["p50"] == pytest.approx(final_s + 0.02 - 100.38)


def test_what_was_given_up_is_summed_by_stage_and_reason_and_scopes_by_their_time():
    events = [
        {
            "type": "media_dropped",
            "stage": "live_words",
            "code": "busy",
            "duration_ms": 700,
            "offset_ms": 0,
        },
        {"type": "recognition_scope_changed", "scope": "finals", "offset_ms": 500},
        {"type": "stage_failed", "code": "crashed", "offset_ms": 0},
    ]
    calls = [_call("a", events=events), _call("b")]
    found = row(_load(2), {"calls": calls, "cpu_s": 0.0}, _watched(), "native")["account"]
    assert found["given_up_s"] == {"live_words/busy": 0.7}
    assert found["scope_s"] == {"full": 2.5, "finals": 1.5}
    assert found["stage_failures"] == {"crashed": 1}


def test_a_protocol_without_account_and_alerts_says_so():
    calls = [_call("a", ledger=[], reply_lags_s=[(500, 0.1), (1000, 0.3)])]
    found = row(_load(1), {"calls": calls, "cpu_s": 0.0}, _watched(alerts=None), "vosk")
    assert found["account"]["balanced"] is None
    assert found["account"]["scope_s"] == {}
    assert found["latency"]["alerts"] is None
    assert found["latency"]["reply_lag_s"]["p50"] == pytest.approx(0.2)
