"""What a call notes of the server's answers, in each protocol."""

import json

import pytest
from bench.talk import NativeTalk, VoskTalk, make_talk

# Three audio messages left at 10.02, 10.04 and 10.06 s.
SENT_S = [10.02, 10.04, 10.06]


def _hear(talk, *messages, arrived_s=11.0, sent_s=SENT_S):
    for message in messages:
        text = message if isinstance(message, str) else json.dumps(message)
        talk.take(text, arrived_s, list(sent_s))
    return talk.notes


def test_a_native_call_speaks_once_it_is_taken():
    talk = NativeTalk("call-1")
    start = json.loads(talk.opening)
    assert (start["call_id"], start["media"]["channels"]) == ("call-1", ["customer", "agent"])
    assert not talk.may_speak
    _hear(talk, {"type": "started", "version": 1})
    assert talk.may_speak


def test_a_native_call_keeps_times_and_places_but_no_words():
    talk = NativeTalk("call-1")
    notes = _hear(
        talk,
        {
            "type": "final_hypothesis",
            "channel": "customer",
            "utterance_id": "u1",
            "offset_ms": 10,
            "end_offset_ms": 900,
            "text": "secret",
            "engine": "whisper",
            "words": [{"text": "secret"}],
        },
    )
    (event,) = notes.events
    assert event["end_offset_ms"] == 900
    assert event["arrived_s"] == 11.0
    assert "secret" not in str(event)


def test_a_native_call_counts_partials_and_keeps_the_first_of_each_utterance():
    def partial(number, utterance_id):
        return {
            "type": "partial_hypothesis",
            "channel": "customer",
            "utterance_id": utterance_id,
            "revision": number,
            "offset_ms": 5,
        }

    notes = _hear(NativeTalk("c"), partial(1, "u1"), partial(2, "u1"), partial(1, "u2"))
    assert notes.partials == 3
    assert [(e["type"], e["utterance_id"]) for e in notes.events] == [
        ("first_partial", "u1"),
        ("first_partial", "u2"),
    ]


def test_a_native_call_ends_with_its_account():
    account = [{"channel": "customer", "received_samples": 1}]
    notes = _hear(
        NativeTalk("c"),
        {"type": "events_dropped", "count": 4},
        {"type": "detection", "call_id": "c"},
        {"type": "stopped", "ledger": account},
    )
    assert (notes.ledger, notes.dropped_events, notes.is_finished) == (account, 4, True)
    assert notes.events == []


BUSY = {"type": "error", "code": "busy", "recoverable": True, "retry_after_s": 7, "message": ""}


@pytest.mark.parametrize("talk", [NativeTalk("c"), VoskTalk()])
def test_an_error_in_place_of_an_answer_to_the_opening_is_a_refusal_and_no_failure(talk):
    notes = _hear(talk, BUSY)
    talk.closed(1013)
    assert notes.refusal == {"code": "busy", "retry_after_s": 7}
    assert notes.failure is None


@pytest.mark.parametrize(
    ("talk", "taken"),
    [(NativeTalk("c"), {"type": "started"}), (VoskTalk(), {"partial": ""})],
)
def test_an_error_in_a_call_that_was_taken_is_a_failure(talk, taken):
    notes = _hear(talk, taken, BUSY)
    assert (notes.refusal, notes.failure) == (None, "busy")


@pytest.mark.parametrize("talk", [NativeTalk("c"), VoskTalk()])
def test_an_error_that_trying_again_does_not_mend_is_a_failure(talk):
    notes = _hear(talk, BUSY | {"code": "bad_message", "recoverable": False})
    assert (notes.refusal, notes.failure) == (None, "bad_message")


@pytest.mark.parametrize("talk", [NativeTalk("c"), VoskTalk()])
def test_a_close_with_try_again_later_is_a_refusal_too(talk):
    talk.closed(1013)
    assert talk.notes.refusal == {"code": "1013", "retry_after_s": None}


@pytest.mark.parametrize("close_code", [1006, 1011, 1013, None])
def test_a_connection_lost_in_the_middle_of_a_call_is_a_failure(close_code):
    talk = NativeTalk("c")
    _hear(talk, {"type": "started"})
    talk.closed(close_code)
    assert talk.notes.failure == f"closed with {close_code}"


@pytest.mark.parametrize(
    ("talk", "last"),
    [(NativeTalk("c"), {"type": "stopped", "ledger": []}), (VoskTalk(), {"text": ""})],
)
def test_a_connection_closed_after_the_last_answer_is_neither(talk, last):
    notes = _hear(talk, last, sent_s=[])
    talk.closed(1000)
    assert (notes.refusal, notes.failure) == (None, None)


def test_a_final_of_the_vosk_protocol_says_which_message_it_answers_and_where_words_end():
    final = {"text": "a b", "result": [{"end": 0.015, "word": "a"}, {"end": 0.035, "word": "b"}]}
    notes = _hear(VoskTalk(), {"partial": ""}, final)
    (event,) = notes.events
    assert event["replied_ms"] == 40
    assert event["word_ends_ms"] == [15, 35]
    assert (event["cause"], event["utterance_id"]) == ("endpoint", "r1")
    assert not notes.is_finished


def test_what_eof_brings_out_is_the_last_answer_of_the_vosk_protocol():
    notes = _hear(VoskTalk(), *[{"partial": ""}] * 3, {"text": "rest", "result": []})
    (event,) = notes.events
    assert (event["cause"], event["word_ends_ms"]) == ("call_end", [80])
    assert notes.is_finished


def test_an_empty_final_is_none():
    assert _hear(VoskTalk(), {"text": ""}).events == []


def test_partials_of_the_vosk_protocol_count_when_they_change():
    talk = VoskTalk()
    notes = _hear(talk, '{"partial" : ""}', '{"partial" : "a"}', '{"partial" : "a"}')
    assert notes.partials == 1
    (event,) = notes.events
    assert (event["type"], event["replied_ms"]) == ("first_partial", 40)
    _hear(talk, {"text": "a"}, '{"partial" : "b"}', sent_s=SENT_S * 3)
    assert [e["utterance_id"] for e in notes.events] == ["r1", "r1", "r2"]


def test_every_25th_answer_of_the_vosk_protocol_tells_how_far_the_server_is_behind():
    talk = VoskTalk()
    sent_s = [10 + n * 0.02 for n in range(60)]
    for number in range(60):
        talk.take('{"partial" : ""}', sent_s[number] + 0.5, sent_s)
    assert [(at, round(lag_s, 3)) for at, lag_s in talk.notes.reply_lags_s] == [
        (500, 0.5),
        (1000, 0.5),
    ]


def test_a_protocol_that_is_not_known_is_refused_with_those_that_are():
    with pytest.raises(ValueError, match="'sip' is not known; allowed are native, vosk"):
        make_talk("sip", "c")
