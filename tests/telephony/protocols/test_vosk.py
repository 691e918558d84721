"""The vosk-server protocol without a socket."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mamori.monitor.events import (
    CallEnded,
    Channel,
    EndReason,
    FinalHypothesis,
    PartialHypothesis,
    SpeechStarted,
    Word,
)
from mamori.telephony.codecs import MediaFormat
from mamori.telephony.protocols.port import (
    CallRequest,
    CloseSocket,
    EndCall,
    OpenCall,
    Output,
    Send,
    TakeAudio,
)
from mamori.telephony.protocols.vosk import VoskOptions, VoskProtocol

ENDED = CallEnded(call_id="v", reason=EndReason.COMPLETED, offset_ms=0, duration_ms=0)


def protocol() -> VoskProtocol:
    return VoskProtocol(VoskOptions(call_id="v", resumable=False))


def partial(text: str, utterance: str = "u1") -> PartialHypothesis:
    return PartialHypothesis(
        call_id="v",
        channel=Channel.MIXED,
        utterance_id=utterance,
        offset_ms=0,
        text=text,
        revision=1,
        engine="e",
    )


def final(text: str, *words: Word, utterance: str = "u1") -> FinalHypothesis:
    return FinalHypothesis(
        call_id="v",
        channel=Channel.MIXED,
        utterance_id=utterance,
        offset_ms=0,
        end_offset_ms=1000,
        text=text,
        language="ja",
        engine="e",
        words=words,
    )


def reply(outputs: list[Output]) -> dict[str, Any]:
    (sent,) = [output for output in outputs if isinstance(output, Send)]
    return dict(json.loads(sent.text))


def test_the_first_audio_opens_the_call_with_the_configured_rate() -> None:
    vosk = VoskProtocol(
        VoskOptions(call_id="v", resumable=True, channel=Channel.CUSTOMER, language="ko")
    )
    assert vosk.receive_text('{"config":{"sample_rate":16000.0,"words":1,"phrase_list":[]}}') == []
    assert vosk.receive_binary(b"ab") == [
        OpenCall(
            request=CallRequest(
                call_id="v",
                resumable=True,
                dialect="vosk",
                media=MediaFormat(
                    encoding="pcm_s16le", sample_rate_hz=16000, channels=(Channel.CUSTOMER,)
                ),
                language="ko",
            )
        ),
        TakeAudio(data=b"ab"),
        Send(text='{"partial":""}'),
    ]
    assert not any(isinstance(output, OpenCall) for output in vosk.receive_binary(b"ab"))


@pytest.mark.parametrize(
    ("rate", "rate_hz"),
    [(8000, 8000), (8000.0, 8000), ("16000", 16000), ("44100.0", 44100), (None, 8000)],
)
def test_the_rate_may_be_written_in_any_way_that_clients_write_it(
    rate: object, rate_hz: int
) -> None:
    vosk = protocol()
    config = {} if rate is None else {"sample_rate": rate}
    assert vosk.receive_text(json.dumps({"config": config})) == []
    opening = vosk.receive_binary(b"")[0]
    assert isinstance(opening, OpenCall)
    assert opening.request.media.sample_rate_hz == rate_hz


@pytest.mark.parametrize("rate", [7999, 48001, "fast", None, True, [8000], float("nan"), 10**400])
def test_a_rate_that_cannot_be_is_refused(rate: object) -> None:
    outputs = protocol().receive_text(json.dumps({"config": {"sample_rate": rate}}))
    assert reply(outputs)["code"] == "bad_sample_rate"
    assert outputs[-1] == CloseSocket(code=1003, reason="bad_sample_rate")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("hello", "not_json"),
        ("[]", "bad_message"),
        ('{"x":1}', "bad_message"),
        ('{"config":1}', "bad_message"),
        ("[" * 100_000, "not_json"),
    ],
)
def test_any_other_text_is_refused(text: str, code: str) -> None:
    assert reply(protocol().receive_text(text))["code"] == code


def test_every_binary_message_gets_one_reply_the_latest_partial() -> None:
    vosk = protocol()
    assert reply(vosk.receive_binary(b"")) == {"partial": ""}
    vosk.call_event(partial("も"))
    vosk.call_event(partial("もし"))
    assert reply(vosk.receive_binary(b"")) == {"partial": "もし"}
    assert reply(vosk.receive_binary(b"")) == {"partial": "もし"}


def test_a_final_is_told_once_and_before_the_next_partial() -> None:
    vosk = protocol()
    vosk.call_event(partial("もし"))
    vosk.call_event(final("もしもし"))
    vosk.call_event(partial("は", "u2"))
    assert reply(vosk.receive_binary(b"")) == {"text": "もしもし"}
    assert reply(vosk.receive_binary(b"")) == {"partial": "は"}


def test_several_finals_are_told_oldest_first() -> None:
    vosk = protocol()
    for text in ("一", "二", "三"):
        vosk.call_event(final(text))
    assert [reply(vosk.receive_binary(b""))["text"] for _ in range(3)] == ["一", "二", "三"]
    assert reply(vosk.receive_binary(b"")) == {"partial": ""}


def test_the_partial_of_an_utterance_without_words_does_not_stay() -> None:
    vosk = protocol()
    vosk.call_event(partial("えー"))
    vosk.call_event(
        SpeechStarted(call_id="v", channel=Channel.MIXED, utterance_id="u2", offset_ms=0)
    )
    assert reply(vosk.receive_binary(b"")) == {"partial": ""}


def test_word_times_are_told_in_seconds_when_they_were_asked_for() -> None:
    words = (
        Word(text="はい", start_ms=1240, end_ms=1500, confidence=0.9),
        Word(text="どうぞ", start_ms=1500, end_ms=2000),
    )
    asking = protocol()
    asking.receive_text('{"config":{"words":true}}')
    asking.call_event(final("はい どうぞ", *words))
    assert reply(asking.receive_binary(b"")) == {
        "result": [
            {"conf": 0.9, "end": 1.5, "start": 1.24, "word": "はい"},
            {"conf": 1.0, "end": 2.0, "start": 1.5, "word": "どうぞ"},
        ],
        "text": "はい どうぞ",
    }
    silent = protocol()
    silent.call_event(final("はい どうぞ", *words))
    assert reply(silent.receive_binary(b"")) == {"text": "はい どうぞ"}


@pytest.mark.parametrize("eof", ['{"eof" : 1}', '{"eof":1}', '{ "eof": 1 }'])
def test_eof_ends_the_call_and_tells_all_that_is_left_as_one_final(eof: str) -> None:
    vosk = protocol()
    vosk.receive_binary(b"")
    vosk.call_event(final("一"))
    assert vosk.receive_text(eof) == [EndCall()]
    vosk.call_event(final("二"))
    outputs = vosk.call_ended(ENDED, odd_bytes=0)
    assert reply(outputs) == {"text": "一 二"}
    assert outputs[-1] == CloseSocket(code=1000, reason="eof")


def test_eof_without_audio_is_an_empty_final_and_no_call() -> None:
    assert protocol().receive_text('{"eof":1}') == [
        Send(text='{"text":""}'),
        CloseSocket(code=1000, reason="eof"),
    ]


def test_reset_tells_what_is_waiting_and_forgets_the_partial() -> None:
    vosk = protocol()
    vosk.call_event(final("一"))
    vosk.call_event(partial("に"))
    assert reply(vosk.receive_text('{"reset":1}')) == {"text": "一"}
    assert reply(vosk.receive_binary(b"")) == {"partial": ""}


def test_finals_that_nobody_fetches_grow_together_and_none_is_lost() -> None:
    vosk = protocol()
    for number in range(200):
        vosk.call_event(final(str(number)))
    texts = [reply(vosk.receive_binary(b""))["text"] for _ in range(64)]
    assert " ".join(texts).split() == [str(number) for number in range(200)]
    assert reply(vosk.receive_binary(b"")) == {"partial": ""}


@given(
    st.lists(
        st.one_of(
            st.binary(max_size=10),
            st.text(),
            st.sampled_from(
                ['{"config":{}}', '{"reset":1}', '{"eof":1}', '{"config":{"words":1}}']
            ),
            st.builds(final, st.text(max_size=5)),
            st.builds(partial, st.text(max_size=5)),
        ),
        max_size=12,
    )
)
def test_whatever_comes_each_binary_message_has_one_reply_until_the_end(
    inputs: list[bytes | str | FinalHypothesis | PartialHypothesis],
) -> None:
    vosk = protocol()
    done = False
    for given_input in inputs:
        if isinstance(given_input, FinalHypothesis | PartialHypothesis):
            assert vosk.call_event(given_input) == []
            continue
        if isinstance(given_input, str):
            outputs = vosk.receive_text(given_input)
        else:
            outputs = vosk.receive_binary(given_input)
            assert sum(isinstance(output, Send) for output in outputs) == (0 if done else 1)
        assert not (done and outputs)
        done = done or any(isinstance(output, CloseSocket | EndCall) for output in outputs)


def test_an_engine_without_word_times_fills_the_result_with_the_whole_utterance() -> None:
    vosk = protocol()
    vosk.receive_text('{"config":{"words":true}}')
    vosk.call_event(final("はい どうぞ"))

    assert reply(vosk.receive_binary(b"")) == {
        "result": [{"conf": 1.0, "end": 1.0, "start": 0.0, "word": "はい どうぞ"}],
        "text": "はい どうぞ",
    }
