"""Frame features are those of the telephone band, at any rate."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from mamori.monitor.detectors.raised_voice.features import FeatureExtractor
from mamori.monitor.events import Pcm

Wave = NDArray[np.float64]


def pcm_of(wave: Wave) -> Pcm:
    return np.clip(np.rint(wave * 32_768), -32_768, 32_767).astype(np.int16)


def sine(hz: float, *, rate: int, amplitude: float = 0.5, seconds: float = 0.5) -> Wave:
    return np.asarray(amplitude * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate)) / rate))


def harmonics(f0_hz: float, rate: int) -> Wave:
    parts = [sine(k * f0_hz, rate=rate, amplitude=0.1) for k in range(1, int(3_400 / f0_hz) + 1)]
    return np.asarray(sum(parts))


@pytest.mark.parametrize("rate", [8_000, 16_000])
def test_the_level_is_that_of_the_band(rate: int) -> None:
    features = FeatureExtractor(sample_rate_hz=rate).extract(pcm_of(sine(700, rate=rate)))
    assert features.level_dbfs == pytest.approx(-9.03, abs=0.1)  # half amplitude, sine


@pytest.mark.parametrize("hz", [50, 200, 3_700])
def test_what_the_line_does_not_carry_does_not_count(hz: float) -> None:
    features = FeatureExtractor(sample_rate_hz=8_000).extract(pcm_of(sine(hz, rate=8_000)))
    assert max(features.level_dbfs) < -35


@pytest.mark.parametrize("rate", [8_000, 16_000])
def test_balance_is_the_power_above_1_khz_over_that_below(rate: int) -> None:
    wave = sine(500, rate=rate, amplitude=0.4) + sine(2_000, rate=rate, amplitude=0.2)
    features = FeatureExtractor(sample_rate_hz=rate).extract(pcm_of(wave))
    assert 10 * np.log10(features.high / features.low) == pytest.approx(-6.02, abs=0.1)


@pytest.mark.parametrize("rate", [8_000, 16_000])
@pytest.mark.parametrize("f0_hz", [90, 110, 150, 220, 310, 440, 590])
def test_the_harmonics_give_the_pitch_where_the_line_cuts_it(rate: int, f0_hz: float) -> None:
    features = FeatureExtractor(sample_rate_hz=rate).extract(pcm_of(harmonics(f0_hz, rate)))
    assert np.median(features.f0_hz) == pytest.approx(f0_hz, rel=0.02)
    assert min(features.voicing) > 0.6


def test_noise_has_no_voicing_and_a_tone_is_one_peak() -> None:
    noise = np.random.default_rng(1).normal(0, 0.1, 4_000)
    extractor = FeatureExtractor(sample_rate_hz=8_000)
    hiss, tone = extractor.extract(pcm_of(noise)), extractor.extract(pcm_of(sine(440, rate=8_000)))
    assert np.median(hiss.voicing) < 0.5
    assert np.median(hiss.peak_ratio) < 0.3
    assert min(tone.peak_ratio) > 0.95


def test_clipping_is_counted_from_the_codecs_largest_value() -> None:
    square = np.sign(sine(300, rate=8_000)) * 31_481
    extractor = FeatureExtractor(sample_rate_hz=8_000)
    assert extractor.extract(square.astype(np.int16)).clipped_ratio.max() == 0.0
    at_limit = (square / 31_481 * 31_482).astype(np.int16)
    assert extractor.extract(at_limit).clipped_ratio.min() > 0.9


@pytest.mark.parametrize("value", [0, 1, -32_768, 32_767])
def test_constant_samples_give_finite_numbers(value: int) -> None:
    features = FeatureExtractor(sample_rate_hz=8_000).extract(np.full(4_000, value, np.int16))
    for array in (features.level_dbfs, features.f0_hz, features.voicing, features.peak_ratio):
        assert np.isfinite(array).all()


def test_there_is_a_frame_for_every_20_ms_that_holds_40(voice: Callable[..., Wave]) -> None:
    extractor = FeatureExtractor(sample_rate_hz=8_000)
    pcm = pcm_of(voice(0.5))
    assert [len(extractor.extract(pcm[:n]).level_dbfs) for n in (320, 479, 480, 4_000)] == [
        1,
        1,
        2,
        24,
    ]
