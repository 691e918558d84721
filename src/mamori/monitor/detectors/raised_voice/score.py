"""How raised a window sounds against a reference: a rule with soft edges, in [0, 1]."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from mamori.monitor.detectors.raised_voice.baseline import Reference, semitones
from mamori.monitor.detectors.raised_voice.config import RaisedVoiceConfig
from mamori.monitor.detectors.raised_voice.windows import SpeechWindow

# The score is a logistic of the ratio of what was measured to what counts as raised: 0.6 at the
# thresholds themselves, 0.4 at four fifths of them, 0.03 with no rise at all.
_STEEPNESS: Final = 4.0
_AT_THRESHOLD: Final = math.log(0.6 / 0.4)
# A ratio beyond this changes nothing: score 0.9998 on the one side, 0.0005 on the other.
_RATIO_LIMITS: Final = (-1.0, 3.0)

# Machines: a second of speech moves by 4-9 dB and more than a third of a semitone even through
# clipping and gain control; tones, hum and square waves do not. Strongest 100 Hz: speech 0.3-0.9.
_MACHINE_LEVEL_SD_DB: Final = 1.5
_MACHINE_F0_SPREAD_SEMITONES: Final = 0.1
_MACHINE_PEAK_RATIO: Final = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """A window against a reference: rises in dB and semitones, and the score in [0, 1]."""

    level_rise_db: float
    balance_rise_db: float
    f0_rise_semitones: float
    score: float


def is_machine(window: SpeechWindow) -> bool:
    """Whether a window is too steady or too pure to be a voice: tones, hum, square waves."""
    return (
        window.level_sd_db < _MACHINE_LEVEL_SD_DB
        or window.peak_ratio > _MACHINE_PEAK_RATIO
        or (window.f0_hz is not None and window.f0_spread_semitones < _MACHINE_F0_SPREAD_SEMITONES)
    )


def effort(
    window: SpeechWindow, reference: Reference, config: RaisedVoiceConfig, *, is_mixed: bool
) -> Effort:
    """Compare a window with the reference.

    Two branches, the higher one counts. With a steady gain: the level must rise, and balance and
    pitch together must confirm it, so that a phone moved closer is no raised voice; a duller sound
    speaks against it, as effort never makes a voice duller but another talker may. Whatever the
    gain: balance and pitch must both rise, which an automatic gain control cannot hide; not on a
    mixed channel, where the other talker's turn can do the same.
    """
    level_rise_db = window.level_dbfs - reference.level_dbfs
    balance_rise_db = window.balance_db - reference.balance_db
    f0_rise = semitones(window.f0_hz, reference.f0_hz) if window.f0_hz is not None else 0.0
    balance = balance_rise_db / max(config.balance_rise_db, reference.balance_spread_db)
    pitch = f0_rise / max(config.f0_rise_semitones, reference.f0_spread_semitones)
    ratio = 0.0 if is_mixed else min(balance, pitch)
    if reference.source == "caller":
        confirmed = math.hypot(max(balance, 0.0), max(pitch, 0.0)) + min(balance, 0.0)
        ratio = max(ratio, min(level_rise_db / config.rise_db, confirmed))
    low, high = _RATIO_LIMITS
    exponent = _STEEPNESS * (min(max(ratio, low), high) - 1) + _AT_THRESHOLD
    return Effort(
        level_rise_db=level_rise_db,
        balance_rise_db=balance_rise_db,
        f0_rise_semitones=f0_rise,
        score=0.0 if is_machine(window) else 1 / (1 + math.exp(-exponent)),
    )
