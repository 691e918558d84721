"""What a worker does when engines fail: exact accounts, three strikes."""

import pytest

from mamori.monitor.events import Channel, FinalHypothesis, MediaDropped, StageFailed
from mamori.monitor.recognition.channel import ChannelRecogniser
from mamori.monitor.recognition.decoding import LaneDecoder
from mamori.monitor.recognition.port import RecognitionError, Transcript


def decoder(reader):
    return LaneDecoder(
        ChannelRecogniser(
            call_id="call-1",
            channel=Channel.CUSTOMER,
            language="ko",
            sample_rate_hz=8000,
            stream=None,
            utterance=reader,
        )
    )


def failing_on(*utterances, recoverable=True):
    def answer(n):
        if n in utterances:
            raise RecognitionError("broken", "it failed", recoverable=recoverable)
        return Transcript(text="read words")

    return answer


def run_utterances(lane_decoder, speech, count):
    return [
        lane_decoder.run(speech.utterance(f"u{n}", n * 2000, n * 2000 + 1000)) for n in range(count)
    ]


def kinds(outcome):
    return [type(event) for event in outcome.events]


def test_a_decoded_utterance_sheds_nothing(speech, make_reader):
    (outcome,) = run_utterances(decoder(make_reader()), speech, 1)
    assert kinds(outcome) == [FinalHypothesis]
    assert outcome.shed_samples == 0


def test_a_failed_utterance_is_reported_and_its_audio_counted_and_the_next_is_decoded(
    speech, make_reader
):
    first, second = run_utterances(decoder(make_reader(answer=failing_on(0))), speech, 2)
    failure, dropped = first.events
    assert isinstance(failure, StageFailed)
    assert (failure.code, failure.recoverable, failure.offset_ms) == ("broken", True, 1000)
    assert isinstance(dropped, MediaDropped)
    assert (dropped.code, dropped.offset_ms, dropped.duration_samples) == ("broken", 0, 8000)
    assert first.shed_samples == 8000
    assert kinds(second) == [FinalHypothesis]


def test_an_utterance_that_spans_two_jobs_is_counted_whole(speech, make_reader):
    lane_decoder = decoder(make_reader(answer=failing_on(0)))
    events = speech.utterance("u1", 0, 1000)
    assert lane_decoder.run(events[:20]).shed_samples == 0
    assert lane_decoder.run(events[20:]).shed_samples == 8000


def test_a_stream_that_fails_early_loses_the_whole_utterance_once(speech, make_stream):
    def explode():
        raise RuntimeError

    lane_decoder = LaneDecoder(
        ChannelRecogniser(
            call_id="call-1",
            channel=Channel.CUSTOMER,
            language="ko",
            sample_rate_hz=8000,
            stream=make_stream(on_accept=explode),
            utterance=None,
        )
    )
    (outcome,) = run_utterances(lane_decoder, speech, 1)
    assert kinds(outcome) == [StageFailed, MediaDropped]
    assert outcome.shed_samples == 8000


@pytest.mark.parametrize(("failing", "is_off"), [((0, 1), False), ((0, 1, 2), True)])
def test_three_failures_in_a_row_stop_decoding(speech, make_reader, failing, is_off):
    lane_decoder = decoder(make_reader(answer=failing_on(*failing)))
    outcomes = run_utterances(lane_decoder, speech, 4)
    assert lane_decoder.is_off is is_off
    assert kinds(outcomes[-1]) == ([MediaDropped] if is_off else [FinalHypothesis])


def test_failures_that_do_not_follow_one_another_never_stop_decoding(speech, make_reader):
    lane_decoder = decoder(make_reader(answer=failing_on(0, 1, 3, 4, 6, 7)))
    outcomes = run_utterances(lane_decoder, speech, 9)
    assert not lane_decoder.is_off
    assert sum(outcome.shed_samples for outcome in outcomes) == 6 * 8000


def test_the_third_failure_says_that_recognition_does_not_come_back(speech, make_reader):
    outcomes = run_utterances(decoder(make_reader(answer=failing_on(0, 1, 2))), speech, 3)
    assert [outcome.events[0].recoverable for outcome in outcomes] == [True, True, False]


def test_a_failure_that_cannot_recover_stops_decoding_at_once(speech, make_reader):
    reader = make_reader(answer=failing_on(0, recoverable=False))
    first, second = run_utterances(decoder(reader), speech, 2)
    assert first.events[0].recoverable is False
    assert [event.code for event in second.events] == ["recognition_off"]
    assert second.shed_samples == 8000
    assert len(reader.heard) == 1


def test_an_utterance_open_at_the_close_is_lost(speech, make_reader):
    lane_decoder = decoder(make_reader())
    lane_decoder.run(speech.utterance("u1", 0, 1000)[:-1])
    outcome = lane_decoder.close()
    assert [(event.code, event.duration_samples) for event in outcome.events] == [
        ("unfinished", 8000)
    ]
    assert outcome.shed_samples == 8000
