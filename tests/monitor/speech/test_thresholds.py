"""Each threshold to the sample, on a line whose frames are speech exactly where the test says."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from mamori.monitor.events import Pcm, SpeechAudio, SpeechEndCause
from mamori.monitor.speech import SpeechConfig

Decided = Callable[..., Any]  # of conftest's Line

pytestmark = pytest.mark.parametrize("rate", [8_000, 16_000])
AROUND = [-1, 0, 1]
"""Samples: just under, at and just over a threshold."""


def level(samples: int, amplitude: int = 1_000) -> Pcm:
    return np.full(samples, amplitude, np.int16)


def quiet(samples: int) -> Pcm:
    return level(samples, 0)


def first_sample(line):
    return line.pieces(1)[0].offset_samples


@pytest.mark.parametrize("more", AROUND)
def test_120_ms_of_speech_open_an_utterance(decided: Decided, rate: int, more: int) -> None:
    line = decided(rate=rate)
    line.hear(level(120 * rate // 1000 + more))
    assert len(line.starts) == (more >= 0)


@pytest.mark.parametrize("more", AROUND)
def test_they_count_within_200_ms(decided: Decided, rate: int, more: int) -> None:
    line = decided(rate=rate)
    line.hear(level(100 * rate // 1000))
    line.hear(quiet(80 * rate // 1000 + more))
    line.hear(level(20 * rate // 1000))
    assert len(line.starts) == (more <= 0)


@pytest.mark.parametrize("more", AROUND)
def test_an_utterance_reaches_back_500_ms_from_its_onset(
    decided: Decided, rate: int, more: int
) -> None:
    line = decided(rate=rate)
    line.hear(quiet(380 * rate // 1000 + more))
    line.hear(level(120 * rate // 1000))
    assert first_sample(line) == max(more, 0)


def test_without_pre_roll_it_reaches_back_over_the_onset_window(
    decided: Decided, rate: int
) -> None:
    line = decided(SpeechConfig(pre_roll_ms=0), rate=rate)
    line.hear(quiet(rate))
    line.hear(level(120 * rate // 1000))
    assert first_sample(line) == 920 * rate // 1000


@pytest.mark.parametrize("more", AROUND)
def test_400_ms_without_speech_end_an_utterance(decided: Decided, rate: int, more: int) -> None:
    line = decided(rate=rate)
    line.hear(level(rate))
    line.hear(quiet(400 * rate // 1000 + more))
    assert line.causes == [SpeechEndCause.SILENCE] * (more >= 0)
    heard = sum(len(piece.pcm) for piece in line.pieces(1))
    assert heard == 1_400 * rate // 1000 + min(more, 0)


@pytest.mark.parametrize("more", AROUND)
@pytest.mark.parametrize(
    ("length_ms", "pause_ms"),
    [(4_999, 400), (5_000, 400), (6_000, 300), (7_000, 200), (7_500, 200)],
)
def test_the_pause_falls_evenly_from_400_ms_at_5_s_to_200_ms_at_7_s(
    decided: Decided, rate: int, length_ms: int, pause_ms: int, more: int
) -> None:
    line = decided(rate=rate)
    line.hear(level((length_ms - pause_ms) * rate // 1000))
    line.hear(quiet(pause_ms * rate // 1000 + more))
    assert line.causes == [SpeechEndCause.SILENCE] * (more >= 0)


@pytest.mark.parametrize("more", AROUND)
def test_an_utterance_has_at_most_8_s(decided: Decided, rate: int, more: int) -> None:
    line = decided(rate=rate)
    line.hear(level(8 * rate + more))
    assert line.causes == [SpeechEndCause.LONGEST] * (more > 0)
    line.hang_up()
    assert [span.stop for span in line.spans()] == [8 * rate + min(more, 0), 8 * rate + 1][
        : 1 + (more > 0)
    ]


@pytest.mark.parametrize(
    ("soft_at_ms", "cut_at_ms"),
    [
        (6_980, 8_000),  # before the search begins
        (7_000, 7_020),
        (7_500, 7_520),
        (7_980, 8_000),
        (8_000, 8_000),  # too late: the cut is before the frame that is too much
    ],
)
def test_it_is_cut_after_its_quietest_frame_of_the_last_second(
    decided: Decided, rate: int, soft_at_ms: int, cut_at_ms: int
) -> None:
    pcm = level(8_020 * rate // 1000)
    pcm[soft_at_ms * rate // 1000 :][: 20 * rate // 1000] = 100
    line = decided(rate=rate)
    line.hear(pcm)
    assert line.spans()[0].stop == line.spans()[1].start == cut_at_ms * rate // 1000


@pytest.mark.parametrize(("later", "cut_at_ms"), [(101, 7_220), (100, 7_720), (99, 7_720)])
def test_of_two_quiet_frames_the_quieter_one_counts_and_of_equal_ones_the_later(
    decided: Decided, rate: int, later: int, cut_at_ms: int
) -> None:
    pcm = level(8_020 * rate // 1000)
    for at_ms, amplitude in ((7_200, 100), (7_700, later)):
        pcm[at_ms * rate // 1000 :][: 20 * rate // 1000] = amplitude
    line = decided(rate=rate)
    line.hear(pcm)
    assert line.spans()[0].stop == line.spans()[1].start == cut_at_ms * rate // 1000


def test_after_a_cut_the_next_utterance_has_8_s_of_its_own(decided: Decided, rate: int) -> None:
    pcm = level(15_100 * rate // 1000)
    pcm[7_080 * rate // 1000 :][: 20 * rate // 1000] = 100
    line = decided(rate=rate)
    line.hear(pcm)
    assert line.causes == [SpeechEndCause.LONGEST]
    line.hear(level(1))
    assert [span.stop for span in line.spans()[:2]] == [7_100 * rate // 1000, 15_100 * rate // 1000]


@pytest.mark.parametrize("more", AROUND)
@pytest.mark.parametrize("is_told", [True, False])
def test_a_hole_of_300_ms_ends_an_utterance(
    decided: Decided, rate: int, is_told: bool, more: int
) -> None:
    line = decided(rate=rate)
    line.hear(level(rate))
    (line.miss if is_told else line.miss_untold)(300 * rate // 1000 + more)
    line.hear(level(rate))
    assert line.causes == [SpeechEndCause.GAP] * (more >= 0)
    assert sum(len(e.pcm) for e in line.events if isinstance(e, SpeechAudio)) == 2 * rate


@pytest.mark.parametrize("more", AROUND)
def test_a_hole_in_a_pause_counts_to_the_pause(decided: Decided, rate: int, more: int) -> None:
    line = decided(rate=rate)
    line.hear(level(rate))
    line.hear(quiet(200 * rate // 1000))
    line.miss(200 * rate // 1000 + more)
    assert line.causes == [SpeechEndCause.GAP] * (more >= 0)
    line.hear(quiet(1 - min(more, 0)))
    assert line.causes == [SpeechEndCause.GAP if more >= 0 else SpeechEndCause.SILENCE]


@pytest.mark.parametrize("more", AROUND)
def test_a_hole_counts_to_the_8_s(decided: Decided, rate: int, more: int) -> None:
    line = decided(rate=rate)
    line.hear(level(7_900 * rate // 1000))
    line.miss(100 * rate // 1000 + more)
    assert line.causes == [SpeechEndCause.GAP] * (more > 0)
    assert line.spans() == [slice(0, 7_900 * rate // 1000)]


def test_a_hole_is_the_quietest_place(decided: Decided, rate: int) -> None:
    pcm = level(7_400 * rate // 1000)
    pcm[-40 * rate // 1000 : -20 * rate // 1000] = 1
    line = decided(rate=rate)
    line.hear(pcm)
    line.miss(50 * rate // 1000)
    line.hear(level(600 * rate // 1000))
    first, second = line.spans()
    assert first.stop == 7_400 * rate // 1000
    assert second.start == 7_450 * rate // 1000


def test_where_the_pre_roll_would_begin_in_a_hole_the_length_counts_from_the_first_sample(
    decided: Decided, rate: int
) -> None:
    line = decided(rate=rate)
    line.hear(quiet(rate))
    line.miss(200 * rate // 1000)
    line.hear(quiet(200 * rate // 1000))
    line.hear(level(120 * rate // 1000))  # 500 ms before its end lies in the hole
    assert first_sample(line) == 1_200 * rate // 1000
    line.hear(level(7_680 * rate // 1000))
    assert line.causes == []
    line.hear(level(1))
    assert line.causes == [SpeechEndCause.LONGEST]


def test_quiet_before_a_hole_in_the_pre_roll_is_quiet(decided: Decided, rate: int) -> None:
    line = decided(rate=rate)
    line.hear(quiet(rate))
    line.miss(200 * rate // 1000)
    line.hear(quiet(170 * rate // 1000))
    line.hear(level(120 * rate // 1000))
    before, after = line.pieces(1)
    assert before.quiet_samples == len(before.pcm) == 10 * rate // 1000
    assert after.quiet_samples == 0


def test_the_next_utterance_reaches_back_over_what_a_cut_left_quiet(
    decided: Decided, rate: int
) -> None:
    line = decided(rate=rate)
    line.hear(level(7_900 * rate // 1000))
    line.hear(quiet(120 * rate // 1000))
    assert line.causes == [SpeechEndCause.LONGEST]
    line.hear(level(120 * rate // 1000))
    first, second = line.spans()
    assert first.stop == second.start == 8 * rate


def test_many_short_holes_with_audio_between_them_are_not_a_long_one(
    decided: Decided, rate: int
) -> None:
    line = decided(rate=rate)
    for _ in range(4):
        line.hear(level(rate))
        line.miss(299 * rate // 1000)
    assert line.causes == []


def test_a_call_that_ends_before_the_onset_has_no_utterance(decided: Decided, rate: int) -> None:
    line = decided(rate=rate)
    line.hear(level(120 * rate // 1000 - 1))
    assert line.hang_up() == []


@pytest.mark.parametrize(
    ("speech_ms", "pause_ms"), [(120, 0), (1_000, 399), (7_900, 0), (8_000, 0)]
)
def test_a_call_that_ends_in_an_utterance_ends_it_at_its_last_sample(
    decided: Decided, rate: int, speech_ms: int, pause_ms: int
) -> None:
    pcm = level(speech_ms * rate // 1000)
    pcm[7_100 * rate // 1000 :][: 20 * rate // 1000] = 1  # what follows is held back
    line = decided(rate=rate)
    line.hear(pcm)
    line.hear(quiet(pause_ms * rate // 1000))
    line.hang_up()
    assert line.causes == [SpeechEndCause.CALL_END]
    assert line.ends[0].end_offset_ms == speech_ms + pause_ms
    heard = np.concatenate([piece.pcm for piece in line.pieces(1)])
    assert np.array_equal(heard, line.timeline)


def test_a_call_that_ends_after_a_hole_ends_its_utterance_before_it(
    decided: Decided, rate: int
) -> None:
    line = decided(rate=rate)
    line.hear(level(rate))
    line.miss(299 * rate // 1000)
    line.hang_up()
    assert [end.end_offset_ms for end in line.ends] == [1_000]
    assert line.causes == [SpeechEndCause.CALL_END]
