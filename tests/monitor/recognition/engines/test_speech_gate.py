"""Real silero on silence, tones, speech of our own and recordings; its thresholds by arithmetic."""

import numpy as np
import pytest
import soundfile
import soxr

from mamori.monitor.recognition.engines.speech_gate import (
    MIN_SPEECH_SHARE,
    SpeechGate,
    SpeechPresence,
)
from mamori.monitor.recognition.workers.engines import warm_up_speech


@pytest.fixture(scope="module", params=[8000, 16_000])
def rate_hz(request):
    return request.param


@pytest.fixture(scope="module")
def gate(rate_hz):
    return SpeechGate(rate_hz)


@pytest.mark.parametrize(("peak", "is_silent"), [(0.109, True), (0.11, False), (0.111, False)])
def test_below_the_lowest_peak_there_is_no_voice(peak, is_silent):
    assert SpeechPresence(share=0.0, peak=peak).is_silent == is_silent


def test_speech_has_a_high_peak_and_share(gate, rate_hz):
    found = gate.presence_in(warm_up_speech(rate_hz))
    assert found.peak > 0.9
    assert found.share > MIN_SPEECH_SHARE


def test_silence_noise_and_a_dial_tone_hold_no_voice(gate, rate_hz):
    times = np.arange(2 * rate_hz) / rate_hz
    noise = np.random.default_rng(1).normal(0, 300, 2 * rate_hz)
    for audio in (0 * times, 8000 * np.sin(2 * np.pi * 400 * times), noise):
        assert gate.presence_in(np.rint(audio).astype(np.int16)).is_silent


def test_nothing_is_silent_and_so_is_less_than_a_window(gate):
    for samples in (0, 1, 255):
        assert gate.presence_in(np.zeros(samples, np.int16)).is_silent


def test_it_says_the_same_however_the_audio_was_cut(gate, rate_hz):
    speech = warm_up_speech(rate_hz)[: 2 * rate_hz]
    whole = gate.presence_in(speech)
    for length in (1, 160, 1601):
        gate.reset()
        for start in range(0, len(speech), length):
            gate.hear(speech[start : start + length])
        assert gate.presence.peak == pytest.approx(whole.peak, abs=1e-6)


def test_what_came_before_a_reset_does_not_count(gate, rate_hz):
    gate.presence_in(warm_up_speech(rate_hz))
    gate.reset()
    assert gate.presence == SpeechPresence(share=0.0, peak=0.0)


def test_floats_are_heard_as_the_same_integers_are(gate, rate_hz):
    speech = warm_up_speech(rate_hz)
    assert gate.presence_in((speech / 32_768).astype(np.float32)) == gate.presence_in(speech)


@pytest.mark.parametrize(
    ("folder", "pattern", "least_share", "most_share"),
    [("ko_emotion", "em*", 0.3, 1.0), ("noise", "*", 0.0, 0.3)],
)
def test_recordings_of_speech_and_of_none_lie_apart(
    shared_data, folder, pattern, least_share, most_share
):
    gate = SpeechGate(8000)
    paths = sorted((shared_data / folder).glob(f"{pattern}.wav"))
    assert len(paths) >= 10
    for path in paths:
        audio, rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
        eight = soxr.resample(audio[: 8 * rate_hz, 0], rate_hz, 8000)
        share = gate.presence_in(eight.astype(np.float32)).share
        assert least_share <= share < most_share, path.name
