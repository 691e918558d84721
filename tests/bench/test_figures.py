"""The arithmetic of the bench."""

import pytest
from bench.figures import (
    Carried,
    FinalLatency,
    SendTimes,
    alert_latencies,
    endpoint_latencies,
    final_latencies,
    first_partial_latencies,
    largest_carried,
    last_voiced_end_ms,
    ledger,
    percentile,
    scope_seconds,
    speech_end_near_ms,
    speech_start_ms,
    trend,
    word_latencies,
    worst_lateness_s,
)


def test_a_percentile_of_nothing_is_nothing():
    assert percentile([], 50) is None


@pytest.mark.parametrize(
    ("percent", "expected"), [(0, 1.0), (50, 3.0), (95, 4.8), (100, 5.0), (25, 2.0)]
)
def test_a_percentile_lies_between_its_neighbours_in_proportion(percent, expected):
    assert percentile([5.0, 1.0, 4.0, 2.0, 3.0], percent) == pytest.approx(expected)


def test_every_percentile_of_one_value_is_that_value():
    assert [percentile([7.0], p) for p in (0, 50, 95, 99, 100)] == [7.0] * 5


@pytest.mark.parametrize(
    ("end_offset_ms", "chunk"),
    [(1, 0), (19, 0), (20, 0), (21, 1), (40, 1), (41, 2), (1000, 49)],
)
def test_a_stretch_was_sent_when_the_chunk_with_its_last_sample_left(
    sent_every_20_ms, end_offset_ms, chunk
):
    assert sent_every_20_ms.sent_at(end_offset_ms) == sent_every_20_ms.sent_s[chunk]


def test_an_offset_past_the_end_counts_from_the_last_chunk(sent_every_20_ms):
    assert sent_every_20_ms.sent_at(5_000) == sent_every_20_ms.sent_s[-1]


def test_a_part_of_a_millisecond_belongs_to_the_chunk_that_completes_it():
    # 11025 Hz: 2 ms end within sample 23, the first of the second chunk of 22.
    times = SendTimes(chunk_samples=22, sample_rate_hz=11_025, sent_s=[1.0, 2.0])
    assert times.sent_at(2) == 2.0


@pytest.mark.parametrize(
    ("not_after_ms", "expected"), [(9, None), (19, None), (20, 20), (40, 30), (49, 30), (60, 60)]
)
def test_speech_ended_with_the_last_voiced_frame_that_is_whole_by_then(not_after_ms, expected):
    voiced = [False, True, True, False, False, True]
    assert last_voiced_end_ms(voiced, 10, not_after_ms) == expected


def _event(kind, arrived_s, **fields):
    return {"type": kind, "channel": "customer", "arrived_s": arrived_s} | fields


def test_a_final_is_timed_from_the_end_of_speech_and_of_its_utterance(sent_every_20_ms):
    voiced = {"customer": [10 <= frame < 30 for frame in range(100)]}
    events = [
        _event("speech_ended", 100.9, utterance_id="u1", end_offset_ms=900, cause="silence"),
        # The final names a shorter stretch; the utterance is what counts.
        _event("final_hypothesis", 102.0, utterance_id="u1", end_offset_ms=500),
        _event("partial_hypothesis", 100.5, utterance_id="u1", end_offset_ms=400),
    ]
    (latency,) = final_latencies(events, sent_every_20_ms, voiced, 10)
    assert latency.end_offset_ms == 900
    assert latency.from_endpoint_s == pytest.approx(102.0 - 100.88)
    assert latency.from_speech_s == pytest.approx(102.0 - 100.28)
    assert latency.spoken_at_s == pytest.approx(100.28)


def test_a_final_without_a_known_end_of_its_utterance_counts_from_its_own(sent_every_20_ms):
    events = [_event("final_hypothesis", 101.0, utterance_id="u9", end_offset_ms=500)]
    (latency,) = final_latencies(events, sent_every_20_ms, {"customer": [False] * 100}, 10)
    assert latency.from_endpoint_s == latency.from_speech_s == pytest.approx(101.0 - 100.48)


def test_what_the_end_of_the_call_closes_is_no_endpoint(sent_every_20_ms):
    events = [
        _event("speech_ended", 100.5, utterance_id="u1", end_offset_ms=400, cause="silence"),
        _event("speech_ended", 101.5, utterance_id="u2", end_offset_ms=1000, cause="call_end"),
        _event("final_hypothesis", 101.5, utterance_id="u2", end_offset_ms=1000),
    ]
    assert endpoint_latencies(events, sent_every_20_ms) == [pytest.approx(100.5 - 100.38)]


def test_an_alert_is_timed_from_its_last_word_and_from_its_final(sent_every_20_ms):
    alerts = [
        {"call_id": "a", "utterance_id": "u1", "end_offset_ms": 200, "arrived_s": 101.0},
        {"call_id": "a", "utterance_id": "u2", "end_offset_ms": 200, "arrived_s": 101.0},
        {"call_id": "stranger", "utterance_id": "u1", "end_offset_ms": 200, "arrived_s": 101.0},
    ]
    known, unheard = alert_latencies(alerts, {"a": sent_every_20_ms}, {("a", "u1"): 100.9})
    assert known.from_word_s == pytest.approx(101.0 - 100.18)
    assert known.from_final_s == pytest.approx(0.1)
    assert unheard.from_final_s is None


def _final(end_offset_ms, from_speech_s):
    return FinalLatency(
        end_offset_ms=end_offset_ms,
        spoken_at_s=0.0,
        from_speech_s=from_speech_s,
        from_endpoint_s=None,
    )


@pytest.mark.parametrize(("last_s", "grew"), [(0.9, False), (1.0, False), (1.01, True)])
def test_a_backlog_grew_when_the_last_third_is_more_than_half_a_second_later(last_s, grew):
    found = trend([_final(30_000, 0.5), _final(45_000, 99.0), _final(60_001, last_s)], 90_000)
    assert (found.first_s, found.last_s) == (0.5, last_s)
    assert found.grew is grew


def test_a_trend_needs_finals_in_both_thirds():
    assert trend([_final(1_000, 0.5)], 90_000).grew is None


@pytest.mark.parametrize(
    ("last_voiced_frame", "word_end_ms", "not_after_ms", "expected"),
    [
        # The recogniser's word ends where the speech ends, or before, or behind it.
        (29, 300, 1000, 300),
        (29, 250, 1000, 300),
        (29, 380, 1000, 300),
        # What had not been said yet when the final came cannot belong to it.
        (29, 250, 270, 270),
        (99, 300, 1000, 1000),
    ],
)
def test_a_word_belongs_to_the_speech_around_its_end(
    last_voiced_frame, word_end_ms, not_after_ms, expected
):
    voiced = [10 <= frame <= last_voiced_frame for frame in range(100)]
    assert speech_end_near_ms(voiced, 10, word_end_ms, not_after_ms) == expected


@pytest.mark.parametrize(("pause_frames", "expected"), [(19, 600), (20, 300), (21, 300)])
def test_speech_goes_on_over_a_pause_that_is_shorter_than_the_slack(pause_frames, expected):
    begins = 30 + pause_frames
    voiced = [frame < 30 or begins <= frame < 60 for frame in range(100)]
    assert speech_end_near_ms(voiced, 10, 300, 1000) == expected


def test_where_nobody_spoke_there_is_no_end_of_speech():
    assert speech_end_near_ms([False] * 100, 10, 300, 1000) is None


@pytest.mark.parametrize(
    ("pause_frames", "expected"), [(99, 100), (100, 1100 + 100), (101, 1110 + 100)]
)
def test_a_sentence_begins_behind_a_pause_of_a_second(pause_frames, expected):
    begins = 20 + pause_frames
    voiced = [10 <= frame < 20 or begins <= frame < 150 for frame in range(200)]
    assert speech_start_ms(voiced, 10, 1800) == expected


def test_before_the_first_word_no_sentence_has_begun():
    voiced = [frame >= 50 for frame in range(100)]
    assert speech_start_ms(voiced, 10, 500) is None
    assert speech_start_ms(voiced, 10, 510) == 500


def _reply(kind, arrived_s, **fields):
    return _event(kind, arrived_s, utterance_id="r1", **fields)


def test_a_final_without_an_utterance_is_timed_from_the_speech_of_its_last_word(sent_every_20_ms):
    voiced = {"customer": [10 <= frame < 30 for frame in range(100)]}
    events = [
        _reply("final_hypothesis", 101.5, replied_ms=800, word_ends_ms=[150, 280], cause="endpoint")
    ]
    (latency,) = final_latencies(events, sent_every_20_ms, voiced, 10)
    assert latency.from_speech_s == pytest.approx(101.5 - 100.28)
    assert latency.from_endpoint_s is None
    assert word_latencies(events, sent_every_20_ms) == pytest.approx(
        [101.5 - 100.14, 101.5 - 100.26]
    )


@pytest.mark.parametrize("kind", ["native", "vosk"])
def test_a_final_that_the_end_of_the_call_brought_out_waited_for_nothing(sent_every_20_ms, kind):
    if kind == "vosk":
        events = [
            _reply("final_hypothesis", 101.5, replied_ms=800, word_ends_ms=[9], cause="call_end")
        ]
    else:
        events = [
            _event("speech_ended", 101.0, utterance_id="u1", end_offset_ms=900, cause="call_end"),
            _event("final_hypothesis", 101.5, utterance_id="u1", end_offset_ms=900),
        ]
    assert final_latencies(events, sent_every_20_ms, {"customer": [True] * 100}, 10) == []
    assert word_latencies(events, sent_every_20_ms) == []


def test_the_first_partial_is_timed_from_the_first_voiced_frame_of_its_utterance(sent_every_20_ms):
    voiced = {"customer": [frame >= 20 for frame in range(100)]}
    events = [
        # The utterance begins with its pre-roll.
        _event("speech_started", 100.3, utterance_id="u1", offset_ms=100),
        _event("first_partial", 100.9, utterance_id="u1", offset_ms=100),
    ]
    replied = [_reply("first_partial", 100.9, replied_ms=600)]
    for each in (events, replied):
        found = first_partial_latencies(each, sent_every_20_ms, voiced, 10)
        # Frame 20 ends at 210 ms, in the chunk that left at 100.20.
        assert found == [pytest.approx(100.9 - 100.20)]


def _scope(offset_ms, scope):
    return {"type": "recognition_scope_changed", "offset_ms": offset_ms, "scope": scope}


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([], {"full": 10.0}),
        ([_scope(2_000, "finals"), _scope(5_000, "full")], {"full": 7.0, "finals": 3.0}),
        ([_scope(0, "customer")], {"customer": 10.0}),
        # The end of the call may lie a moment behind the last sample that was sent.
        ([_scope(10_020, "none")], {"full": 10.0}),
    ],
)
def test_a_call_is_read_in_full_until_it_says_otherwise(events, expected):
    assert scope_seconds(events, 10_000) == expected


def _call(sent, **account):
    return {"sent_samples": sent, "ledger": [{f"{k}_samples": v for k, v in account.items()}]}


def test_a_ledger_sums_the_accounts_and_is_exact_when_each_adds_up_to_what_was_sent():
    first = _call(100, received=100, processed=90, shed=4, gap=6)
    second = _call(50, received=50, processed=50, shed=0, gap=0)
    total = ledger([first, second])
    assert (total.sent, total.received, total.processed) == (150, 150, 140)
    assert (total.shed, total.gap, total.live_shed) == (4, 6, 0)
    assert total.balanced


def test_live_words_that_were_given_up_are_summed_beside_the_account():
    total = ledger([_call(100, received=100, processed=100, shed=0, gap=0, live_shed=30)])
    assert total.live_shed == 30
    assert total.balanced


def test_a_protocol_without_accounts_has_neither_an_exact_one_nor_a_wrong_one():
    total = ledger([{"sent_samples": 100, "ledger": []}], is_given=False)
    assert (total.sent, total.balanced) == (100, None)


@pytest.mark.parametrize(
    "call",
    [
        _call(100, received=100, processed=99, shed=0, gap=0),
        _call(100, received=101, processed=101, shed=0, gap=0),
        {"sent_samples": 100, "ledger": []},
    ],
)
def test_a_ledger_is_not_exact_when_one_sample_or_one_account_is_missing(call):
    assert not ledger([_call(50, received=50, processed=50, shed=0, gap=0), call]).balanced


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([], 0),
        ([(1, 1, True)], 1),
        ([(1, 1, False)], 0),
        ([(1, 1, True), (2, 2, True), (4, 4, False), (8, 8, True)], 2),
        ([(4, 4, True), (1, 1, True), (2, 2, False)], 1),
        # A server that is offered more than it takes carries what it took.
        ([(32, 32, True), (48, 36, True), (96, 35, True)], 36),
    ],
)
def test_the_largest_number_carried_is_taken_before_the_first_row_that_went_badly(rows, expected):
    found = [Carried(offered=offered, taken=taken, is_well=well) for offered, taken, well in rows]
    assert largest_carried(found) == expected


def test_the_worst_lateness_counts_from_the_first_chunk():
    assert worst_lateness_s([10.0, 10.02, 10.09, 10.06], 0.02) == pytest.approx(0.05)
