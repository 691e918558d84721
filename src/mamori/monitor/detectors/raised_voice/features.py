"""What vocal effort leaves on telephone audio: level, balance, pitch, clipping, per 20 ms frame.

Everything is measured within 300-3400 Hz whatever the sample rate, so that 8 kHz, 16 kHz and
upsampled 8 kHz audio give the same figures.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mamori.monitor.events import Pcm

Floats = NDArray[np.float64]

FRAME_STEP_MS: Final = 20
_FRAME_MS: Final = (
    40  # two periods of the lowest voice (70 Hz is 14 ms), short enough for syllables
)
_BAND_HZ: Final = (300.0, 3_400.0)  # what G.711 lines carry
_SPLIT_HZ: Final = 1_000.0  # balance: 1-3.4 kHz over 0.3-1 kHz
_F0_HZ: Final = (70.0, 600.0)  # from a low male voice to a woman's shout
# At 8 kHz a lag of 13 or 14 samples is all there is for 600 Hz, and the peak between them is
# missed; the correlation is read at this rate instead.
_LAG_RATE_HZ: Final = 16_000
# A shorter lag wins unless a longer one is clearly better: keeps the period from doubling.
_SHORT_LAG_RATIO: Final = 0.9
_CLIP_RATIO: Final = 0.98  # of mu-law's largest value, 32124 of 32768
_MU_LAW_MAX: Final = 32_124.0
_FLOOR: Final = 1e-12  # of full-scale power, -120 dBFS: keeps the logarithm finite


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameFeatures:
    """Features of consecutive frames, one value per frame in each array (all float64).

    ``level_dbfs``: power within the band, 0 dBFS = a full-scale square wave's;
    ``low``/``high``: power of 0.3-1 kHz and 1-3.4 kHz (full scale = 1);
    ``f0_hz``: fundamental frequency candidate, always finite; ``voicing``: its autocorrelation in
    [0, 1]; ``clipped_ratio``: share of samples at the codec's limit; ``peak_ratio``: share of the
    band's power in its strongest 100 Hz (near 1 for a tone).
    """

    level_dbfs: Floats
    low: Floats
    high: Floats
    f0_hz: Floats
    voicing: Floats
    clipped_ratio: Floats
    peak_ratio: Floats


class FeatureExtractor:
    """Turns blocks of audio into frame features; frames overlap by half and run on over blocks."""

    def __init__(self, *, sample_rate_hz: int) -> None:
        self.sample_rate_hz = sample_rate_hz
        self.step_samples = sample_rate_hz * FRAME_STEP_MS // 1000
        self.frame_samples = sample_rate_hz * _FRAME_MS // 1000
        longest_lag = int(np.ceil(sample_rate_hz / _F0_HZ[0]))
        # Twice the frame would be exact for all lags; frame + longest lag is enough for ours.
        self._fft_samples = 1 << int(np.ceil(np.log2(self.frame_samples + longest_lag)))
        self._window = np.hanning(self.frame_samples + 2)[1:-1]
        frequencies_hz = np.fft.rfftfreq(self._fft_samples, 1 / sample_rate_hz)
        band = np.flatnonzero((frequencies_hz >= _BAND_HZ[0]) & (frequencies_hz <= _BAND_HZ[1]))
        self._band = slice(int(band[0]), int(band[-1]) + 1)
        self._split = int(np.searchsorted(frequencies_hz[self._band], _SPLIT_HZ))
        self._peak_bins = max(1, round(100 / float(frequencies_hz[1])))
        # Parseval: one-sided power of a windowed frame, full scale = 1.
        self._power_scale = 2 / (self._fft_samples * float(np.sum(self._window**2)))
        self._oversampling = max(1, _LAG_RATE_HZ // sample_rate_hz)
        self._lag_rate_hz = sample_rate_hz * self._oversampling
        shortest, longest = (self._lag_rate_hz / f0_hz for f0_hz in reversed(_F0_HZ))
        self._lags = slice(int(shortest) - 1, int(np.ceil(longest)) + 2)
        own = self._correlate(np.abs(np.fft.rfft(self._window, self._fft_samples)) ** 2)
        self._window_correlation = (own / own[0])[self._lags]

    def extract(self, pcm: Pcm) -> FrameFeatures:
        """Features of every whole frame in ``pcm``: (samples - frame) // step + 1 of them."""
        frames = np.lib.stride_tricks.sliding_window_view(pcm, self.frame_samples)
        frames = frames[:: self.step_samples]
        signal = frames * (self._window / 32_768.0)
        spectrum = np.fft.rfft(signal, self._fft_samples, axis=1)[:, self._band]
        power = spectrum.real**2 + spectrum.imag**2
        low = power[:, : self._split].sum(axis=1) * self._power_scale
        high = power[:, self._split :].sum(axis=1) * self._power_scale
        total = low + high
        f0_hz, voicing = self._pitch(power)
        return FrameFeatures(
            level_dbfs=10 * np.log10(np.maximum(total, _FLOOR)),
            low=low,
            high=high,
            f0_hz=f0_hz,
            voicing=voicing,
            clipped_ratio=np.mean(np.abs(frames.astype(np.int32)) >= _CLIP_RATIO * _MU_LAW_MAX, 1),
            peak_ratio=self._peak_ratio(power),
        )

    def _peak_ratio(self, power: Floats) -> Floats:
        cumulated = np.cumsum(power, axis=1)
        strongest = (cumulated[:, self._peak_bins :] - cumulated[:, : -self._peak_bins]).max(axis=1)
        return np.asarray(strongest / np.maximum(cumulated[:, -1], _FLOOR))

    def _correlate(self, spectrum: Floats) -> Floats:
        """Autocorrelation from a spectrum's squares, at the rate of the lags."""
        samples = self._fft_samples * self._oversampling
        return np.asarray(np.fft.irfft(spectrum, samples, axis=-1))

    def _pitch(self, power: Floats) -> tuple[Floats, Floats]:
        """Period by autocorrelation of the band: the harmonics give it where the line cuts F0.

        The spectrum's magnitude is used instead of its power, which flattens formants and so
        keeps a strong harmonic from being taken for the fundamental.
        """
        magnitude = np.zeros((len(power), self._fft_samples // 2 + 1))
        magnitude[:, self._band] = np.sqrt(power)
        correlation = self._correlate(magnitude)
        zero = np.maximum(correlation[:, :1], _FLOOR)
        normalised = correlation[:, self._lags] / zero / self._window_correlation
        inner = normalised[:, 1:-1]
        is_peak = (inner >= normalised[:, :-2]) & (inner > normalised[:, 2:])
        peaks = np.where(is_peak, inner, 0.0)
        best = peaks.max(axis=1)
        lag = np.argmax(peaks >= _SHORT_LAG_RATIO * best[:, None], axis=1)
        rows = np.arange(len(power))
        before, here, after = (normalised[rows, lag + shift] for shift in (0, 1, 2))
        curve = before - 2 * here + after
        flat = np.abs(curve) < _FLOOR
        shift = np.where(flat, 0.0, 0.5 * (before - after) / np.where(flat, 1.0, curve))
        period = self._lags.start + 1 + lag + np.clip(shift, -0.5, 0.5)
        return self._lag_rate_hz / period, np.clip(best, 0.0, 1.0)
