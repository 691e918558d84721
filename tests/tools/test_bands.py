"""Recordings as three lines carry them, and the calculated sounds."""

import numpy as np
import pytest
import soundfile
from tools.measure.bands import Band, at_speech_peak, carried
from tools.measure.sounds import MADE


@pytest.fixture
def tones(tmp_path):
    """One second of 100, 1000 and 5000 Hz at 16 kHz, one as loud as the other."""
    t = np.arange(16_000) / 16_000
    path = tmp_path / "tones.wav"
    soundfile.write(
        path, sum(0.02 * np.sin(2 * np.pi * hz * t) for hz in (100, 1_000, 5_000)), 16_000
    )
    return path


def level_at(pcm, rate_hz, hz):
    middle = pcm[rate_hz // 4 : rate_hz * 3 // 4].astype(float)
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(len(middle))))
    return float(spectrum[round(hz * len(middle) / rate_hz)])


@pytest.mark.parametrize(
    ("line", "rate_hz", "has_low", "has_high"),
    [
        (Band.WIDE, 16_000, True, True),
        (Band.MULAW, 8_000, True, False),
        (Band.TELEPHONE, 8_000, False, False),
    ],
)
def test_each_line_passes_its_band(tones, line, rate_hz, has_low, has_high):
    pcm = carried(tones, line)
    assert line.rate_hz == rate_hz
    assert len(pcm) == rate_hz
    middle = level_at(pcm, rate_hz, 1_000)
    assert (level_at(pcm, rate_hz, 100) > middle / 2) is has_low
    if rate_hz == 16_000:
        assert (level_at(pcm, rate_hz, 5_000) > middle / 2) is has_high


def test_a_levelled_recording_peaks_at_a_third_and_another_as_it_was(tones):
    levelled = carried(tones, Band.WIDE)
    as_it_was = carried(tones, Band.WIDE, levelled=False)
    assert np.max(np.abs(levelled)) == pytest.approx(0.35 * 32_768, abs=2)
    assert np.max(np.abs(as_it_was)) < 0.07 * 32_768


def test_silence_stays_silence():
    assert not at_speech_peak(np.zeros(10)).any()


@pytest.mark.parametrize("name", MADE)
@pytest.mark.parametrize("rate_hz", [8_000, 16_000])
def test_made_sounds_last_ten_seconds_and_are_the_same_every_time(name, rate_hz):
    wave = MADE[name](rate_hz)
    assert wave.shape == (10 * rate_hz,)
    assert np.array_equal(wave, MADE[name](rate_hz))
    assert np.max(np.abs(wave)) <= 1


@pytest.mark.parametrize("dbfs", [-65, -50, -35])
def test_noise_has_the_level_in_its_name(dbfs):
    wave = MADE[f"white noise, {dbfs} dBFS"](8_000)
    assert 10 * np.log10(np.mean(wave * wave)) == pytest.approx(dbfs, abs=0.1)
