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
    run(machine, "x" * 10 + "." * 33)
    run(machine, "..xxxxxx")
    assert machine.utterance_samples == 8 * FRAME


def test_a_pause_of_640_ms_is_within_the_utterance_and_one_of_660_ms_ends_it() -> None:
    machine = endpointer()
    assert run(machine, "x" * 10 + "." * 32)[-1] is Verdict.SPEAKING
    assert run(machine, "x" + "." * 33)[-2:] == [Verdict.SPEAKING, Verdict.ENDED]
    assert not machine.is_open


def test_the_hangover_ends_exactly_at_its_last_sample() -> None:
    machine = endpointer(hangover_ms=640)
    assert run(machine, "x" * 10 + "." * 32)[-2:] == [Verdict.SPEAKING, Verdict.ENDED]


def test_the_longest_utterance_is_full_to_the_sample_and_the_next_frame_begins_another() -> None:
    machine = endpointer(longest_utterance_ms=5_000)
    assert run(machine, "x" * 250)[-1] is Verdict.SPEAKING
    assert machine.utterance_samples == 250 * FRAME
    assert run(machine, "xx") == [Verdict.SPLIT, Verdict.SPEAKING]
    assert machine.utterance_samples == 2 * FRAME


def test_a_full_utterance_that_falls_silent_ends_without_beginning_another() -> None:
    machine = endpointer(longest_utterance_ms=5_000)
    run(machine, "x" * 250)
    assert run(machine, ".") == [Verdict.FULL]
    assert run(machine, "xxxxxx")[-1] is Verdict.STARTED
    assert machine.utterance_samples == 7 * FRAME


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


def test_every_value_out_of_range_is_named() -> None:
    with pytest.raises(ConfigError) as caught:
        SpeechConfig(vad_mode=4, hangover_ms=99, longest_utterance_ms=30_001)
    assert [problem.split()[0] for problem in caught.value.problems] == [
        "speech.vad_mode",
        "speech.hangover_ms",
        "speech.longest_utterance_ms",
    ]
