"""The bounded queue of undecoded audio."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mamori.monitor.events import SpeechAudio
from mamori.monitor.recognition.backlog import Backlog

MAX_MS = 1000
MAX_SAMPLES = MAX_MS * 8


@pytest.fixture
def backlog():
    return Backlog(max_samples=MAX_SAMPLES)


def offer_all(backlog, events):
    return [span for event in events for span in backlog.offer(event)]


def samples(events):
    return sum(len(event.pcm) for event in events if isinstance(event, SpeechAudio))


def test_events_come_out_in_the_order_they_went_in(backlog, speech):
    events = [*speech.utterance("u1", 0, 200), *speech.utterance("u2", 500, 700)]
    assert not offer_all(backlog, events)
    assert backlog.take() == events
    assert not len(backlog)


@pytest.mark.parametrize(("duration_ms", "lost"), [(980, 0), (1000, 0), (1020, 8160)])
def test_as_much_audio_as_the_bound_is_held_and_no_more(backlog, speech, duration_ms, lost):
    spans = offer_all(backlog, speech.utterance("u1", 0, duration_ms))
    assert sum(span.samples for span in spans) == lost
    assert samples(backlog.take()) == (0 if lost else duration_ms * 8)


def test_an_utterance_that_does_not_fit_is_given_up_whole(backlog, speech):
    first = speech.utterance("u1", 0, 600)
    spans = offer_all(backlog, [*first, *speech.utterance("u2", 1000, 1600)])
    assert [(span.first.utterance_id, span.samples, span.code) for span in spans] == [
        ("u2", 4800, "overload")
    ]
    assert backlog.take() == first


def test_the_next_utterance_is_taken_again_when_there_is_room(backlog, speech):
    offer_all(backlog, speech.utterance("u1", 0, 1200))
    following = speech.utterance("u2", 2000, 2500)
    assert not offer_all(backlog, following)
    assert backlog.take() == following


def test_what_the_decoder_has_of_an_utterance_is_ended_and_only_the_rest_is_lost(backlog, speech):
    start, *audio, end = speech.utterance("u1", 0, 1500)
    offer_all(backlog, [start, *audio[:30]])
    assert samples(backlog.take()) == 600 * 8
    spans = offer_all(backlog, [*audio[30:], end])
    assert [(span.first.offset_ms, span.samples) for span in spans] == [(600, 900 * 8)]
    assert backlog.take() == [end]


def test_audio_taken_counts_until_it_is_decoded(backlog, speech):
    offer_all(backlog, speech.utterance("u1", 0, 600))
    backlog.take()
    assert backlog.undecoded_samples == 4800
    backlog.decoded()
    assert backlog.undecoded_samples == 0


def test_an_utterance_that_never_ends_is_settled(backlog, speech):
    offer_all(backlog, speech.utterance("u1", 0, 1200)[:-1])
    assert [span.samples for span in backlog.settle()] == [9600]
    assert not backlog.settle()


def test_a_start_after_an_unended_lost_utterance_settles_that_one(backlog, speech):
    offer_all(backlog, speech.utterance("u1", 0, 1200)[:-1])
    (span,) = backlog.offer(speech.started("u2", 2000))
    assert span.samples == 9600
    assert len(backlog) == 1


@given(st.lists(st.tuples(st.integers(1, 80), st.booleans()), min_size=1, max_size=30))
def test_every_sample_is_either_handed_out_once_or_lost_once(speech, steps):
    backlog = Backlog(max_samples=MAX_SAMPLES)
    offered = handed = lost = at_ms = 0
    for n, (chunks, takes) in enumerate(steps):
        end_ms = at_ms + chunks * 20
        for event in speech.utterance(f"u{n}", at_ms, end_ms):
            lost += sum(span.samples for span in backlog.offer(event))
            offered += samples([event])
            assert backlog.undecoded_samples <= MAX_SAMPLES
            if takes and event.offset_ms % 300 == 0:
                backlog.decoded()
                handed += samples(backlog.take())
        at_ms = end_ms + 500
    handed += samples(backlog.take())
    assert offered == handed + lost
