"""Onset, hangover and longest utterance, on decisions alone."""

import pytest

from mamori.errors import ConfigError
from mamori.monitor.speech.config import SpeechConfig
from mamori.monitor.speech.endpointer import Endpointer, Verdict

FRAME = 160  # 20 ms at 8 kHz


def run(endpointer: Endpointer, pattern: str) -> list[Verdict]:
    """Feed 20 ms frames, ``x`` for speech and ``.`` for none."""
    return [endpointer.process(mark == "x", FRAME) for mark in pattern]


def endpointer(**changes: int) -> Endpointer:
    return Endpointer(SpeechConfig(**changes), sample_rate_hz=8_000)


def test_five_of_ten_frames_are_no_speech_yet() -> None:
    assert set(run(endpointer(), "x.x.x.x.x." * 20)) == {Verdict.QUIET}


def test_six_of_ten_frames_start_an_utterance_at_the_sixth() -> None:
    assert run(endpointer(), "x.x.x.xx.x")[-2:] == [Verdict.QUIET, Verdict.STARTED]


def test_six_frames_within_eleven_do_not() -> None:
    assert set(run(endpointer(), "x....xx.xx" + "x")) == {Verdict.QUIET}


def test_an_utterance_begins_with_the_onset_window_and_300_ms_before_it() -> None:
    machine = endpointer()
    run(machine, "." * 100 + "xxxxxx")
    assert machine.utterance_samples == 25 * FRAME


def test_at_the_start_of_a_call_it_begins_with_the_call() -> None:
    machine = endpointer()
    run(machine, "..xxxxxx")
    assert machine.utterance_samples == 8 * FRAME


def test_an_utterance_never_reaches_back_into_the_one_before() -> None:
    machine = endpointer()
    assert run(machine, "x" * 10 + "." * 20)[-1] is Verdict.ENDED
    run(machine, "..xxxxxx")
    assert machine.utterance_samples == 8 * FRAME


@pytest.mark.parametrize(
    ("quiet_frames", "last"), [(19, Verdict.SPEAKING), (20, Verdict.ENDED), (21, Verdict.QUIET)]
)
def test_a_pause_of_400_ms_ends_the_utterance_exactly(quiet_frames: int, last: Verdict) -> None:
    machine = endpointer()
    assert run(machine, "x" * 10 + "." * quiet_frames)[-1] is last
    assert machine.is_open == (last is Verdict.SPEAKING)


@pytest.mark.parametrize(
    ("speech_frames", "ended_after"),
    [
        # Speech and pause together are the length: above 5 s each 100 ms of it take 10 ms off the
        # pause, until 200 ms are left at 7 s.
        (230, 20),
        (240, 20),
        (241, 19),
        (298, 14),
        (339, 11),
        (340, 10),
        (380, 10),
    ],
)
def test_the_longer_the_utterance_the_shorter_the_pause_that_ends_it(
    speech_frames: int, ended_after: int
) -> None:
    verdicts = run(endpointer(), "x" * speech_frames + "." * 20)
    assert verdicts.index(Verdict.ENDED) - speech_frames + 1 == ended_after


def test_an_even_fall_is_the_same_at_16_khz() -> None:
    wide = Endpointer(SpeechConfig(), sample_rate_hz=16_000)
    decisions = [True] * 298 + [False] * 14
    assert [wide.process(each, 2 * FRAME) for each in decisions][-1] is Verdict.ENDED


def test_the_search_for_a_place_to_cut_begins_just_after_7_s() -> None:
    machine = endpointer()
    run(machine, "x" * 350)
    assert (machine.utterance_samples, machine.is_nearly_full) == (56_000, False)
    machine.process(True, 1)
    assert machine.is_nearly_full


def test_an_utterance_of_8_s_is_not_too_long_and_one_more_sample_makes_it_so() -> None:
    machine = endpointer()
    assert run(machine, "x" * 400)[-1] is Verdict.SPEAKING
    assert machine.utterance_samples == 64_000
    assert machine.process(True, 1) is Verdict.FULL


def test_what_is_left_after_the_cut_is_the_next_utterance_if_there_is_speech_in_it() -> None:
    machine = endpointer()
    run(machine, "x" * 393 + "....xxx" + ".")  # the last frame is too much
    assert machine.cut(5 * FRAME)
    assert (machine.utterance_samples, machine.quiet_samples) == (5 * FRAME, FRAME)
    assert run(machine, "." * 19)[-2:] == [Verdict.SPEAKING, Verdict.ENDED]


@pytest.mark.parametrize(("rest_frames", "goes_on"), [(2, False), (3, False), (4, True)])
def test_what_is_left_opens_no_utterance_unless_it_reaches_back_to_speech(
    rest_frames: int, goes_on: bool
) -> None:
    machine = endpointer()
    run(machine, "x" * 398 + "...")
    assert machine.cut(rest_frames * FRAME) is goes_on
    assert machine.is_open is goes_on


def test_the_next_utterance_may_reach_back_over_what_is_left_but_not_further() -> None:
    machine = endpointer()
    run(machine, "x" * 398 + "...")
    machine.cut(3 * FRAME)
    assert run(machine, "xxxxxx")[-1] is Verdict.STARTED
    assert machine.utterance_samples == 9 * FRAME


def test_it_says_how_long_there_has_been_no_speech() -> None:
    machine = endpointer()
    run(machine, "x" * 10)
    assert machine.quiet_samples == 0
    machine.process(False, 80)
    machine.process(False, 240)
    machine.process(False, 7)
    assert machine.quiet_samples == 327
    machine.process(True, 1)
    assert machine.quiet_samples == 0


def test_frames_of_any_length_are_counted_in_samples() -> None:
    machine = endpointer()
    verdicts = [machine.process(True, 80) for _ in range(12)]
    assert verdicts.index(Verdict.STARTED) == 11
    assert machine.utterance_samples == 12 * 80


def test_after_a_reset_nothing_is_remembered() -> None:
    machine = endpointer()
    run(machine, "xxxxx")
    machine.reset()
    assert run(machine, "x") == [Verdict.QUIET]
    assert machine.quiet_samples == 0


def test_every_value_out_of_range_is_named() -> None:
    with pytest.raises(ConfigError) as caught:
        SpeechConfig(
            vad_mode=4,
            hangover_ms=99,
            late_hangover_ms=100,
            longest_utterance_ms=30_001,
            cut_search_ms=99,
            bridged_gap_ms=-1,
        )
    assert [problem.split()[0] for problem in caught.value.problems] == [
        "speech.vad_mode",
        "speech.hangover_ms",
        "speech.late_hangover_ms",
        "speech.longest_utterance_ms",
        "speech.cut_search_ms",
        "speech.bridged_gap_ms",
    ]


def test_the_hangover_has_fallen_before_the_search_for_a_place_to_cut_begins() -> None:
    SpeechConfig(hangover_falls_from_ms=7_000)
    with pytest.raises(ConfigError, match="hangover_falls_from_ms must be from 1000 to 7000"):
        SpeechConfig(hangover_falls_from_ms=7_001)
