"""An utterance keeps its audio in place, holes included, and knows what is lost with it."""

from __future__ import annotations

import numpy as np
import pytest

from mamori.monitor.events import Channel, SpeechAudio, SpeechStarted
from mamori.monitor.recognition.leases import Lease
from mamori.monitor.recognition.utterance import LONGEST_UTTERANCE_MS, Utterance

RATE_HZ = 8_000
BLOCK = 1_600


@pytest.fixture
def utterance():
    """One that begins a second into the call."""
    return Utterance(
        start=SpeechStarted(
            call_id="c1", channel=Channel.CUSTOMER, utterance_id="u1", offset_ms=1_000
        ),
        sample_rate_hz=RATE_HZ,
        by_stream=False,
        live_wanted=True,
        live_shed=False,
    )


def piece(at, pcm, *, quiet=0):
    """Audio ``at`` so many samples from the utterance's beginning."""
    return SpeechAudio(
        call_id="c1",
        channel=Channel.CUSTOMER,
        utterance_id="u1",
        offset_samples=RATE_HZ + at,
        sample_rate_hz=RATE_HZ,
        pcm=np.asarray(pcm, np.int16),
        quiet_samples=quiet,
    )


def test_audio_is_given_back_as_it_came(utterance):
    utterance.add(piece(0, [1, 2, 3]))
    utterance.add(piece(3, [4, 5]))

    assert utterance.audio().tolist() == [1, 2, 3, 4, 5]
    assert utterance.audio(1, 4).tolist() == [2, 3, 4]


def test_a_hole_is_filled_with_zeros_and_not_counted_as_heard(utterance):
    utterance.add(piece(0, [1, 2]))
    utterance.add(piece(4, [5]))

    assert utterance.audio().tolist() == [1, 2, 0, 0, 5]
    assert (utterance.heard_samples, utterance.span_samples) == (3, 5)


def test_audio_that_was_given_out_does_not_change_any_more(utterance):
    utterance.add(piece(0, [1, 2]))
    given = utterance.audio()
    given[:] = 9
    utterance.add(piece(2, [3]))

    assert given.tolist() == [9, 9]
    assert utterance.audio().tolist() == [1, 2, 3]


@pytest.mark.parametrize("at", [-1, 0, 1])
def test_audio_that_goes_back_is_refused_and_changes_nothing(utterance, at):
    utterance.add(piece(0, [1, 2]))

    with pytest.raises(ValueError, match="goes back"):
        utterance.add(piece(at, [9]))

    assert utterance.audio().tolist() == [1, 2]
    assert utterance.heard_samples == 2


def test_silence_at_its_end_is_not_voiced(utterance):
    utterance.add(piece(0, [1] * 10))
    utterance.add(piece(10, [0] * 10, quiet=8))
    assert utterance.voiced_samples == 12


def test_audio_of_many_small_pieces_is_whole(utterance):
    for place in range(500):
        utterance.add(piece(place * 160, [place] * 160))

    audio = utterance.audio()

    assert len(audio) == 80_000
    assert audio[::160].tolist() == list(range(500))


@pytest.mark.parametrize(("more", "is_too_long"), [(-1, False), (0, False), (1, True)])
def test_longer_than_an_engine_takes_is_too_long(utterance, more, is_too_long):
    utterance.add(piece(0, np.ones(LONGEST_UTTERANCE_MS * 8 + more)))
    assert utterance.is_too_long is is_too_long


def test_audio_of_one_that_is_too_long_is_no_longer_kept_but_counted(utterance):
    utterance.add(piece(0, np.ones(LONGEST_UTTERANCE_MS * 8 + 1)))
    utterance.add(piece(LONGEST_UTTERANCE_MS * 8 + 1, [1, 2]))

    assert len(utterance.audio()) == 0
    assert utterance.heard_samples == LONGEST_UTTERANCE_MS * 8 + 3


def test_what_is_lost_with_it_is_its_span_on_the_clock_and_its_samples_without_holes(utterance):
    utterance.add(piece(0, [1] * 800))
    utterance.add(piece(1_600, [1] * 800))

    dropped = utterance.dropped("overload")

    assert (dropped.offset_ms, dropped.duration_ms, dropped.duration_samples) == (1_000, 300, 1_600)
    assert (dropped.stage, dropped.code) == ("recognition", "overload")
    assert utterance.dropped("load", "live_words").stage == "live_words"


def test_nothing_is_lost_with_one_that_has_no_audio(utterance):
    assert utterance.dropped("overload") is None


@pytest.mark.parametrize(
    ("samples", "missed"), [(2 * BLOCK - 1, False), (2 * BLOCK, True), (2 * BLOCK + 1, True)]
)
def test_who_was_never_heard_live_missed_partials_from_two_blocks_on(utterance, samples, missed):
    utterance.add(piece(0, np.ones(samples)))
    assert utterance.got_no_partials(BLOCK) is missed


def test_who_was_heard_live_or_wants_no_partials_missed_none(utterance):
    utterance.add(piece(0, np.ones(10 * BLOCK)))
    utterance.had_live = True
    assert not utterance.got_no_partials(BLOCK)
    utterance.had_live, utterance.live_wanted = False, False
    assert not utterance.got_no_partials(BLOCK)


def test_partials_that_were_cut_short_were_missed(utterance):
    utterance.add(piece(0, np.ones(BLOCK)))
    utterance.had_live, utterance.live_shed = True, True
    assert utterance.got_no_partials(BLOCK)


def test_without_its_recogniser_it_is_to_be_heard_from_the_start(utterance):
    utterance.add(piece(0, np.ones(BLOCK)))
    utterance.lease, utterance.fed_samples = Lease(1, 0), BLOCK
    assert utterance.unfed_samples == 0

    assert utterance.let_go() == Lease(1, 0)

    assert utterance.unfed_samples == BLOCK
    assert utterance.let_go() is None
