"""Synthetic voices on a telephone line, and the way from samples to detections."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from mamori.monitor.detectors.raised_voice import RaisedVoiceConfig, RaisedVoiceDetector
from mamori.monitor.events import (
    Channel,
    Detection,
    Event,
    Pcm,
    SpeechAudio,
    SpeechEndCause,
    SpeechEnded,
    SpeechStarted,
)

Wave = NDArray[np.float64]
MakeVoice = Callable[..., Wave]
Detect = Callable[..., list[Detection]]

_UTTERANCE_S = 4.0
_PAUSE_S = 0.8


@cache
def make_voice(
    duration_s: float,
    *,
    rise_db: float = 0.0,
    balance_db: float = 0.0,
    semitones: float = 0.0,
    f0_hz: float = 125.0,
    rate: int = 8_000,
    seed: int = 1,
) -> Wave:
    """A voice at about -28 dBFS: syllables, moving pitch and formants, breath noise.

    ``rise_db``, ``balance_db`` (1-3.4 kHz over 0.3-1 kHz) and ``semitones`` raise it. Whatever the
    balance, the level is what ``rise_db`` says. Full scale is 1.
    """
    rng = np.random.default_rng(seed)
    count = round(duration_s * rate)
    seconds = np.arange(count) / rate

    def wander(per_second: float, spread: float) -> Wave:
        knots = rng.normal(0, spread, int(duration_s * per_second) + 3)
        return np.interp(seconds * per_second, np.arange(len(knots)), knots)

    pitch = f0_hz * 2 ** ((semitones + wander(3, 1.2)) / 12)
    phase = 2 * np.pi * np.cumsum(pitch) / rate
    formants: list[tuple[Wave | float, float]] = [
        (550 + wander(5, 120), 130),
        (1_500 + wander(5, 250), 200),
        (2_500, 300),
    ]
    voiced = np.zeros(count)
    for harmonic in range(1, int(3_800 / f0_hz) + 1):
        hz = harmonic * pitch
        gain = np.full(count, 0.02)
        for at, width in formants:
            gain += 1 / (1 + ((hz - at) / width) ** 2)
        gain *= 10 ** (balance_db / 20 / (1 + np.exp(-(hz - 1_000) / 80)))
        voiced += np.where(hz < 3_800, gain / harmonic * np.sin(harmonic * phase + harmonic**2), 0)
    syllables = np.clip(0.55 + 0.45 * np.sin(2 * np.pi * 4 * seconds + wander(2, 0.6)), 0.02, 1)
    voiced *= syllables * 10 ** (wander(2, 1.2) / 20)
    spectrum = np.fft.rfft(voiced)
    bins_hz = np.fft.rfftfreq(count, 1 / rate)
    spectrum[(bins_hz < 300) | (bins_hz > 3_400)] = 0
    band = np.fft.irfft(spectrum, count)
    level = np.sqrt(np.mean(band**2))
    return np.asarray(band * 10 ** ((-28 + rise_db) / 20) / level + rng.normal(0, 3e-4, count))


def to_pcm(wave: Wave, gain_db: float = 0.0) -> Pcm:
    """16-bit samples, clipped at full scale."""
    scaled = wave * 10 ** (gain_db / 20) * 32_768
    pcm = np.clip(np.rint(scaled), -32_768, 32_767).astype(np.int16)
    pcm.setflags(write=False)
    return pcm


def utterances(pcm: Pcm, *, rate: int, channel: Channel, start_ms: int = 0) -> Iterator[Event]:
    """The samples as utterances of 4 s with pauses of 0.8 s between them, in 20 ms pieces."""
    offset = start_ms * rate // 1000
    for number, first in enumerate(range(0, len(pcm), round(_UTTERANCE_S * rate)), 1):
        spoken = pcm[first : first + round(_UTTERANCE_S * rate)]
        head = {"call_id": "call-1", "channel": channel, "utterance_id": f"{channel}-{number}"}
        yield SpeechStarted(**head, offset_ms=offset * 1000 // rate)  # type: ignore[arg-type]
        for at in range(0, len(spoken), rate // 50):
            yield SpeechAudio(
                **head,  # type: ignore[arg-type]
                offset_samples=offset + at,
                sample_rate_hz=rate,
                pcm=spoken[at : at + rate // 50],
            )
        end_ms = (offset + len(spoken)) * 1000 // rate
        yield SpeechEnded(
            **head,  # type: ignore[arg-type]
            offset_ms=offset * 1000 // rate,
            end_offset_ms=end_ms,
            cause=SpeechEndCause.SILENCE,
        )
        offset += len(spoken) + round(_PAUSE_S * rate)


def run(
    *waves: Wave,
    gain_db: float = 0.0,
    rate: int = 8_000,
    channel: Channel = Channel.CUSTOMER,
    config: RaisedVoiceConfig | None = None,
) -> list[Detection]:
    """What the detector makes of the waves, spoken one after another."""
    detector = RaisedVoiceDetector(config or RaisedVoiceConfig(), call_id="call-1")
    detections: list[Detection] = []
    pcm = to_pcm(np.concatenate(waves), gain_db)
    for event in utterances(pcm, rate=rate, channel=channel):
        detections += detector.feed(event)
    return detections + list(detector.flush(3_600_000))


@pytest.fixture(scope="session")
def voice() -> MakeVoice:
    """``voice(duration_s, rise_db=, balance_db=, semitones=, f0_hz=, rate=, seed=)``."""
    return make_voice


@pytest.fixture(scope="session")
def detect() -> Detect:
    """``detect(*waves, gain_db=, rate=, channel=, config=)``."""
    return run
