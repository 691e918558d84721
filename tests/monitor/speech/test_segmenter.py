"""Utterances carry their audio exactly, whatever comes."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mamori.monitor.events import (
    Pcm,
    SpeechAudio,
    SpeechEndCause,
    SpeechEnded,
    SpeechEvent,
    SpeechStarted,
)

MakeVoice = Callable[..., Pcm]
NewLine = Callable[..., Any]  # of conftest's Line


def silence(duration_ms: int, rate: int = 8_000) -> Pcm:
    return np.zeros(duration_ms * rate // 1000, np.int16)


def causes(events: list[SpeechEvent]) -> list[SpeechEndCause]:
    return [event.cause for event in events if isinstance(event, SpeechEnded)]


def test_an_utterance_starts_with_pre_roll_and_ends_with_its_hangover(
    voice: MakeVoice, new_line: NewLine
) -> None:
    line = new_line()
    line.hear(np.concatenate((silence(1_000), voice(2_000), silence(2_000))))

    started, ended = line.events[0], line.events[-1]
    assert isinstance(started, SpeechStarted)
    assert isinstance(ended, SpeechEnded)
    assert started.utterance_id == ended.utterance_id == "customer-1"
    assert 600 <= started.offset_ms <= 700  # voice at 1000, onset 6 frames, window 200, roll 300
    assert ended.offset_ms == started.offset_ms
    assert 3_400 <= ended.end_offset_ms <= 3_520
    assert ended.cause is SpeechEndCause.SILENCE
    first = line.events[1]
    assert isinstance(first, SpeechAudio)
    assert len(first.pcm) == 500 * 8
    assert not first.pcm.flags.writeable


def test_silence_gives_nothing(new_line: NewLine) -> None:
    line = new_line()
    line.hear(silence(10_000))
    line.hang_up()
    assert line.events == []


def test_at_16_khz_the_times_are_the_same(voice: MakeVoice, new_line: NewLine) -> None:
    line = new_line(rate=16_000)
    line.hear(voice(1_000, rate=16_000))
    started = line.events[0]
    assert isinstance(started, SpeechStarted)
    assert started.offset_ms == 0


@pytest.mark.parametrize("frame_ms", [10, 20, 30])
@pytest.mark.parametrize("rate", [8_000, 16_000])
def test_every_piece_says_how_much_of_the_end_is_silence(
    voice: MakeVoice, rate: int, frame_ms: int, new_line: NewLine
) -> None:
    line = new_line(rate=rate)
    line.hear(np.concatenate((voice(1_020, rate=rate), silence(365, rate))), frame_ms)
    quiet_ms = [piece.quiet_samples * 1000 / rate for piece in line.pieces(1)]
    assert quiet_ms[-360 // frame_ms - 2 :] == [*range(0, 361, frame_ms), 365]


def test_silence_before_the_utterance_is_not_at_its_end(
    voice: MakeVoice, new_line: NewLine
) -> None:
    line = new_line()
    line.hear(np.concatenate((silence(1_000), voice(1_000))))
    assert {piece.quiet_samples for piece in line.pieces(1)} == {0}


def test_endless_speech_is_cut_at_its_quietest_frame_between_7_and_8_s(
    voice: MakeVoice, new_line: NewLine
) -> None:
    pcm = voice(16_000)
    pcm[7_400 * 8 : 7_420 * 8] //= 8  # too short for a pause
    line = new_line()
    line.hear(pcm)
    line.hang_up()

    first, *others, last = line.ends
    assert (first.offset_ms, first.end_offset_ms) == (0, 7_420)
    assert all(7_000 < end.end_offset_ms - end.offset_ms <= 8_000 for end in (first, *others))
    assert set(causes([first, *others])) == {SpeechEndCause.LONGEST}
    assert last.cause is SpeechEndCause.CALL_END
    pieces = [piece for number in range(1, len(line.ends) + 1) for piece in line.pieces(number)]
    assert np.array_equal(np.concatenate([piece.pcm for piece in pieces]), pcm)


def test_audio_comes_at_once_until_the_cut_is_near_and_then_at_most_a_second_late(
    voice: MakeVoice, new_line: NewLine
) -> None:
    line = new_line()
    pcm = voice(8_000)
    pcm[7_100 * 8 : 7_120 * 8] //= 8
    line.hear(pcm[: 7_000 * 8])
    assert sum(len(piece.pcm) for piece in line.pieces(1)) == 7_000 * 8
    line.hear(pcm[7_000 * 8 :])
    assert sum(len(piece.pcm) for piece in line.pieces(1)) == 7_120 * 8
    line.hang_up()
    assert sum(len(piece.pcm) for piece in line.pieces(1)) == 8_000 * 8
    assert causes(line.events) == [SpeechEndCause.CALL_END]


def test_a_pause_that_reaches_the_longest_utterance_does_not_begin_another(
    voice: MakeVoice, new_line: NewLine
) -> None:
    line = new_line()
    line.hear(np.concatenate((voice(7_900), silence(3_000))))
    assert causes(line.events) == [SpeechEndCause.LONGEST]
    line.hear(voice(500))
    assert line.pieces(2)[0].offset_samples == 10_900 * 8 - 380 * 8


@pytest.mark.parametrize(("missing_ms", "utterances"), [(299, 1), (300, 2), (301, 2)])
def test_a_hole_of_300_ms_ends_the_utterance_and_a_shorter_one_does_not(
    voice: MakeVoice, missing_ms: int, utterances: int, new_line: NewLine
) -> None:
    line = new_line()
    line.hear(voice(1_000))
    ended = line.miss(missing_ms * 8)
    line.hear(voice(1_000))
    line.hang_up()

    assert len(line.ends) == utterances
    assert causes(ended) == [SpeechEndCause.GAP] * (utterances - 1)
    assert line.ends[-1].end_offset_ms == 2_000 + missing_ms
    after = line.pieces(utterances)[-50 if utterances == 1 else 0]
    assert after.offset_samples == (1_000 + missing_ms) * 8


def test_nothing_reaches_over_a_long_hole(voice: MakeVoice, new_line: NewLine) -> None:
    line = new_line()
    line.hear(silence(1_000))
    assert line.miss(2_400) == []
    line.hear(voice(500))
    assert line.pieces(1)[0].offset_samples == 8_000 + 2_400


def test_pre_roll_reaches_over_a_short_hole(voice: MakeVoice, new_line: NewLine) -> None:
    line = new_line()
    line.hear(np.concatenate((silence(1_000), voice(60))))
    line.miss(160)
    line.hear(voice(60))
    before, after = line.pieces(1)
    assert after.offset_samples - (before.offset_samples + len(before.pcm)) == 160
    assert len(before.pcm) + 160 + len(after.pcm) == 500 * 8


def test_one_hole_after_another_is_one_hole(voice: MakeVoice, new_line: NewLine) -> None:
    line = new_line()
    line.hear(voice(1_000))
    assert line.miss(1_200) == []
    assert causes(line.miss(1_200)) == [SpeechEndCause.GAP]


def test_a_hole_is_silence_at_the_end_of_an_utterance(voice: MakeVoice, new_line: NewLine) -> None:
    line = new_line()
    line.hear(np.concatenate((voice(1_000), silence(200))))
    line.miss(100 * 8)
    line.hear(silence(20))
    assert line.pieces(1)[-1].quiet_samples == 320 * 8
    [ended] = line.miss(80 * 8)
    assert isinstance(ended, SpeechEnded)
    assert (ended.cause, ended.end_offset_ms) == (SpeechEndCause.GAP, 1_320)


def test_a_missing_millisecond_every_300_ms_makes_no_utterances_of_its_own(
    voice: MakeVoice, new_line: NewLine
) -> None:
    whole, torn = new_line(), new_line()
    pcm = np.concatenate((voice(3_000), silence(1_000)) * 15)
    whole.hear(pcm)
    for at in range(0, len(pcm), 301 * 8):
        torn.hear(pcm[at : at + 300 * 8])
        torn.miss(8)
    assert len(whole.ends) == 15
    assert len(torn.ends) == 15


def test_a_frame_that_does_not_follow_leaves_a_hole(voice: MakeVoice, new_line: NewLine) -> None:
    line = new_line()
    line.hear(voice(1_000))
    line.miss_untold(299 * 8)
    assert causes(line.hear(voice(200))) == []
    line.miss_untold(300 * 8)
    assert causes(line.hear(voice(200))) == [SpeechEndCause.GAP]


def test_a_frame_that_goes_back_in_time_ends_the_utterance(
    voice: MakeVoice, new_line: NewLine
) -> None:
    line = new_line()
    line.hear(voice(1_000))
    line.timeline = line.timeline[:7_999]
    assert causes(line.hear(voice(200))) == [SpeechEndCause.GAP]


STRETCHES = st.lists(
    st.tuples(
        st.sampled_from(["voice", "voice", "silence", "hiss", "hole", "untold hole"]),
        st.integers(min_value=1, max_value=10_000),
        st.sampled_from([10, 20, 30]),
    ),
    min_size=1,
    max_size=10,
)


@settings(max_examples=50, deadline=None)
@given(stretches=STRETCHES, tail_samples=st.integers(0, 159), rate=st.sampled_from([8_000, 16_000]))
def test_every_sample_of_an_utterance_comes_once_and_in_order(
    voice: MakeVoice,
    stretches: list[tuple[str, int, int]],
    tail_samples: int,
    rate: int,
    new_line: NewLine,
) -> None:
    rng = np.random.default_rng(len(stretches))
    line = new_line(rate=rate)
    for kind, duration_ms, frame_ms in stretches:
        if kind == "hole":
            line.miss(duration_ms)  # as few samples as milliseconds: most of them are bridged
        elif kind == "untold hole":
            line.miss_untold(duration_ms)
        else:
            pcm = {
                "voice": voice(duration_ms, rate=rate),
                "silence": silence(duration_ms, rate),
                "hiss": rng.normal(0, 300, duration_ms * rate // 1000).astype(np.int16),
            }[kind]
            line.hear(np.concatenate((pcm, np.zeros(tail_samples, np.int16))), frame_ms)
    line.hang_up()
    assert line.hang_up() == []

    starts = [event for event in line.events if isinstance(event, SpeechStarted)]
    assert [each.utterance_id for each in starts] == [each.utterance_id for each in line.ends]
    earlier_end = 0
    for number, (start, end) in enumerate(zip(starts, line.ends, strict=True), start=1):
        pieces = line.pieces(number)
        first, last = pieces[0], pieces[-1]
        last_end = last.offset_samples + len(last.pcm)
        assert first.offset_samples >= earlier_end
        for piece in pieces:
            span = slice(piece.offset_samples, piece.offset_samples + len(piece.pcm))
            assert np.array_equal(piece.pcm, line.timeline[span])
            assert line.received[span].all()
            assert 0 <= piece.quiet_samples <= span.stop - first.offset_samples
        for before, after in pairwise(pieces):
            between = line.received[before.offset_samples + len(before.pcm) : after.offset_samples]
            assert before.offset_samples + len(before.pcm) <= after.offset_samples
            assert len(between) < 0.3 * rate
            assert not between.any()
        assert last_end - first.offset_samples <= 8 * rate
        assert start.offset_ms == end.offset_ms == first.offset_samples * 1000 // rate
        assert end.end_offset_ms == last_end * 1000 // rate
        earlier_end = last_end


def test_most_of_a_real_call_that_is_speech_is_heard(
    shared_data: object, new_line: NewLine
) -> None:
    import soundfile

    path = f"{shared_data}/phone/lca_Auto_Repairs_40_caller.wav"
    pcm, rate = soundfile.read(path, dtype="int16")
    line = new_line(rate=rate)
    line.hear(pcm)
    line.hang_up()
    heard_samples = sum(len(e.pcm) for e in line.events if isinstance(e, SpeechAudio))
    # Two people share 245 s; each listens more than half of the time.
    assert 0.2 < heard_samples / len(pcm) < 0.6
    assert 20 < len(line.ends) < 80
    assert max(end.end_offset_ms - end.offset_ms for end in line.ends) <= 8_000
