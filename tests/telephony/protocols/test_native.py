"""The native protocol without a socket."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mamori.monitor.events import (
    CallEnded,
    CallStarted,
    Channel,
    Direction,
    EndReason,
    GapCause,
    Party,
    SpeechStarted,
)
from mamori.telephony.codecs import MediaFormat
from mamori.telephony.protocols.errors import ERRORS
from mamori.telephony.protocols.native import NativeProtocol
from mamori.telephony.protocols.port import (
    CallRequest,
    CloseSocket,
    EndCall,
    OpenCall,
    OpenedCall,
    Output,
    Send,
    SendEvent,
    TakeAudio,
    TakeGap,
    TakeUpdate,
)

MEDIA = {"encoding": "alaw", "sample_rate_hz": 16000, "channels": ["agent", "customer"]}
START = {"type": "start", "version": 1, "call_id": "c1", "media": MEDIA}
STARTED = CallStarted(
    call_id="c1~2",
    tenant="t",
    dialect="native",
    channels=(Channel.MIXED,),
    encoding="mulaw",
    sample_rate_hz=8000,
    language="ja",
    linked_call_id="c1",
)
ENDED = CallEnded(call_id="c1", reason=EndReason.COMPLETED, offset_ms=20, duration_ms=20)


def started(**more: Any) -> NativeProtocol:
    protocol = NativeProtocol()
    protocol.receive_text(json.dumps({**START, **more}))
    return protocol


def told(output: Output) -> dict[str, Any]:
    assert isinstance(output, Send | SendEvent)
    return dict(json.loads(output.text))


def test_a_start_with_everything_asks_for_exactly_that_call() -> None:
    text = json.dumps(
        {
            **START,
            "language": "ja-JP",
            "direction": "inbound",
            "customer": {"number": "0312345678", "name": "山田"},
            "agent": {"name": "佐藤"},
            "agent_id": "a7",
            "events": True,
            "position_ms": 1500,
        }
    )
    protocol = NativeProtocol()
    assert protocol.receive_text(text) == [
        OpenCall(
            request=CallRequest(
                call_id="c1",
                dialect="native",
                media=MediaFormat(
                    encoding="alaw",
                    sample_rate_hz=16000,
                    channels=(Channel.AGENT, Channel.CUSTOMER),
                ),
                language="ja",
                direction=Direction.INBOUND,
                customer=Party(number="0312345678", name="山田"),
                agent=Party(name="佐藤"),
                agent_id="a7",
                position_ms=1500,
            )
        )
    ]
    assert protocol.wants_events


def test_a_start_needs_only_id_and_media() -> None:
    (output,) = NativeProtocol().receive_text(json.dumps(START))
    assert isinstance(output, OpenCall)
    assert output.request.direction is Direction.UNKNOWN
    assert output.request.language is None


def test_the_answer_to_a_start_names_the_call_and_where_its_timeline_stands() -> None:
    opened = OpenedCall(started=STARTED, resumed=False, position_ms=0)
    (output,) = started().call_opened(opened)
    assert told(output) == {
        "type": "started",
        "version": 1,
        "call_id": "c1~2",
        "linked_call_id": "c1",
        "resumed": False,
        "position_ms": 0,
        "sample_rate_hz": 8000,
        "language": "ja",
    }


def test_audio_update_gap_and_stop_follow_a_start() -> None:
    protocol = started()
    assert protocol.receive_binary(b"abc") == [TakeAudio(data=b"abc")]
    update = {"type": "update", "agent_id": "a9", "agent": {"name": "鈴木"}}
    assert protocol.receive_text(json.dumps(update)) == [
        TakeUpdate(agent_id="a9", agent=Party(name="鈴木"))
    ]
    gap = {"type": "gap", "duration_ms": 3_600_000, "cause": "paused"}
    assert protocol.receive_text(json.dumps(gap)) == [
        TakeGap(duration_ms=3_600_000, cause=GapCause.PAUSED)
    ]
    assert protocol.receive_text('{"type":"stop"}') == [EndCall()]


@pytest.mark.parametrize("duration_ms", [0, 3_600_001, 1.5, "20"])
def test_a_gap_outside_an_hour_is_refused(duration_ms: object) -> None:
    gap = {"type": "gap", "duration_ms": duration_ms, "cause": "loss"}
    outputs = started().receive_text(json.dumps(gap))
    assert told(outputs[0])["code"] == "bad_message"
    assert "duration_ms" in told(outputs[0])["message"]


@pytest.mark.parametrize("language", ["en", "ja", None, 1])
def test_an_update_of_the_language_is_refused_with_the_reason(language: object) -> None:
    update = {"type": "update", "language": language, "agent_id": "a9"}
    outputs = started(language="ja").receive_text(json.dumps(update))
    assert told(outputs[0])["code"] == "bad_message"
    assert told(outputs[0])["message"].startswith("language: it is fixed at the start")
    assert outputs[1] == CloseSocket(code=1008, reason="bad_message")


# What turns the direction of writing, isolates, joins, shows nothing or breaks the line.
@pytest.mark.parametrize("char", "\u202e\u2066\u200f\u200d\u200b\u2028\u2029\x85\ufeff")
def test_what_would_show_a_name_as_another_is_replaced(char: str) -> None:
    for key in ("name", "number"):
        text = json.dumps({**START, "customer": {key: f"山{char}田"}, "agent_id": f"a{char}7"})
        (output,) = NativeProtocol().receive_text(text)
        assert isinstance(output, OpenCall)
        assert getattr(output.request.customer, key) == "山�田"
        assert output.request.agent_id == "a�7"


@pytest.mark.parametrize("name", ["山田 花子", "ﾔﾏﾀﾞ・髙橋", "김민수", "O’Brien", "שרה", "👩"])
def test_names_in_any_script_stay_as_they_are(name: str) -> None:
    (output,) = NativeProtocol().receive_text(json.dumps({**START, "customer": {"name": name}}))
    assert isinstance(output, OpenCall)
    assert output.request.customer.name == name


def test_events_go_out_only_where_they_were_asked_for() -> None:
    event = SpeechStarted(call_id="c1", channel=Channel.AGENT, utterance_id="u1", offset_ms=40)
    assert started().call_event(event) == []
    (output,) = started(events=True).call_event(event)
    assert isinstance(output, SendEvent)
    assert told(output) == {
        "type": "speech_started",
        "call_id": "c1",
        "channel": "agent",
        "utterance_id": "u1",
        "offset_ms": 40,
    }


def test_the_end_gives_the_account_and_closes_normally() -> None:
    outputs = started().call_ended(ENDED, odd_bytes=0)
    assert told(outputs[0]) == {
        "type": "stopped",
        "call_id": "c1",
        "reason": "completed",
        "offset_ms": 20,
        "duration_ms": 20,
        "ledger": [],
    }
    assert outputs[1:] == [CloseSocket(code=1000, reason="stopped")]


def test_bytes_left_over_are_a_warning_before_the_account() -> None:
    outputs = started().call_ended(ENDED, odd_bytes=1)
    assert [told(output)["type"] for output in outputs[:2]] == ["warning", "stopped"]


def test_after_an_error_nothing_is_answered_any_more() -> None:
    protocol = NativeProtocol()
    assert protocol.receive_text("x")
    assert protocol.receive_text(json.dumps(START)) == []
    assert protocol.receive_binary(b"x") == []


def test_a_name_of_the_greatest_length_is_taken_and_a_longer_one_is_not() -> None:
    fits = NativeProtocol().receive_text(json.dumps({**START, "customer": {"name": "あ" * 256}}))
    assert isinstance(fits[0], OpenCall)
    outputs = NativeProtocol().receive_text(json.dumps({**START, "customer": {"name": "あ" * 257}}))
    assert told(outputs[0])["code"] == "bad_message"


def test_a_lone_surrogate_is_not_text() -> None:
    text = json.dumps({**START, "customer": {"name": "\ud800"}})
    assert told(NativeProtocol().receive_text(text)[0])["code"] == "not_json"


def test_numbers_and_names_stay_out_of_the_repr_of_what_was_parsed() -> None:
    (output,) = NativeProtocol().receive_text(
        json.dumps({**START, "customer": {"number": "0312345678", "name": "山田"}})
    )
    assert "0312345678" not in repr(output)
    assert "山田" not in repr(output)


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
MESSAGES = st.one_of(
    st.text(),
    ANY_JSON.map(json.dumps),
    st.builds(
        lambda key, value, base: json.dumps({**base, key: value}),
        st.sampled_from([*START, "language", "customer", "events", "duration_ms", "cause", "x"]),
        ANY_JSON,
        st.sampled_from(
            [START, {"type": "gap"}, {"type": "update"}, {"type": "stop"}, {**START, "media": {}}]
        ),
    ),
    st.just(json.dumps(START)),
    st.binary(max_size=20),
)


@given(st.lists(MESSAGES, max_size=6))
def test_whatever_comes_is_answered_by_the_rules(messages: list[str | bytes]) -> None:
    protocol = NativeProtocol()
    closed = False
    opened = 0
    for message in messages:
        if isinstance(message, str):
            outputs = protocol.receive_text(message)
        else:
            outputs = protocol.receive_binary(message)
        assert not (closed and outputs)
        opened += sum(isinstance(output, OpenCall) for output in outputs)
        closes = [output for output in outputs if isinstance(output, CloseSocket)]
        if closes:
            assert outputs[-1:] == closes
            error = told(outputs[0])
            assert ERRORS[error["code"]].close_code == closes[0].code
            closed = True
        closed = closed or EndCall() in outputs
    assert opened <= 1
