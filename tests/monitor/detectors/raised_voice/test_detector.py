"""A raised voice is reported with its evidence; what is none is not."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from mamori.monitor.detectors.raised_voice import RaisedVoiceConfig, RaisedVoiceDetector
from mamori.monitor.events import (
    Category,
    Channel,
    Detection,
    GapCause,
    LoudnessEvidence,
    MediaGap,
    Severity,
    SpeechAudio,
)

Wave = NDArray[np.float64]
MakeVoice = Callable[..., Wave]
Detect = Callable[..., list[Detection]]

RAISED = {"rise_db": 12.0, "balance_db": 6.0, "semitones": 5.0}
RATE = 8_000


def severities(detections: list[Detection]) -> list[Severity]:
    return [detection.severity for detection in detections]


def evidence_of(detection: Detection) -> LoudnessEvidence:
    assert isinstance(detection.evidence, LoudnessEvidence)
    return detection.evidence


def test_a_voice_raised_after_calm_speech_is_attention_at_2_s_and_warning_at_5_s(
    voice: MakeVoice, detect: Detect
) -> None:
    attention, warning = detect(voice(16), voice(8, seed=2, **RAISED))

    assert (attention.detector, attention.rule) == ("raised_voice", "raised_voice")
    assert attention.category == Category.RAISED_VOICE
    assert attention.channel is Channel.CUSTOMER
    assert severities([attention, warning]) == [Severity.ATTENTION, Severity.WARNING]
    # Calm speech with its pauses ends at 19.2 s.
    assert 19_200 <= attention.offset_ms <= 20_000
    assert attention.end_offset_ms - attention.offset_ms <= 2_600
    assert attention.score >= 0.6
    first, second = evidence_of(attention), evidence_of(warning)
    assert (first.raised_speech_ms, second.raised_speech_ms) == (2_000, 5_000)
    assert first.baseline_source == "caller"
    assert first.baseline_level_dbfs == pytest.approx(-28, abs=1.5)
    assert first.rise_db == pytest.approx(12, abs=1.5)
    assert first.threshold_db == 8.0
    assert first.rise_db == pytest.approx(first.level_dbfs - first.baseline_level_dbfs, abs=0.11)
    assert first.balance_rise_db == pytest.approx(6, abs=1.5)
    assert first.baseline_f0_hz == pytest.approx(125, rel=0.1)
    assert first.f0_hz == pytest.approx(125 * 2 ** (5 / 12), rel=0.1)


@pytest.mark.parametrize(
    "rises",
    [
        {"rise_db": 10.0, "balance_db": 4.0, "semitones": 4.0},
        {"rise_db": 12.0, "semitones": 6.5},
        {"rise_db": 12.0, "balance_db": 5.0},
        {"balance_db": 6.0, "semitones": 7.0},
        {"rise_db": -3.0, "balance_db": 6.0, "semitones": 7.0},
    ],
    ids=["the demo's", "level and pitch", "level and balance", "gain control", "and turned down"],
)
def test_these_are_raised_voices(voice: MakeVoice, detect: Detect, rises: dict[str, float]) -> None:
    assert severities(detect(voice(16), voice(8, seed=2, **rises)))[0] is Severity.ATTENTION


@pytest.mark.parametrize(
    "rises",
    [
        {},
        {"rise_db": 6.0, "balance_db": 2.0, "semitones": 2.0},
        {"rise_db": 12.0},
        {"rise_db": 20.0},
        {"balance_db": 6.0},
        {"semitones": 7.0},
        {"rise_db": -20.0},
    ],
    ids=["calm", "firm", "phone closer", "much closer", "brighter", "higher", "phone away"],
)
def test_these_are_not(voice: MakeVoice, detect: Detect, rises: dict[str, float]) -> None:
    assert detect(voice(16), voice(20, seed=2, **rises)) == []


@pytest.mark.parametrize("gain_db", [-36.0, 4.0])
def test_twenty_decibels_of_gain_either_way_change_neither_alerts_nor_scores(
    voice: MakeVoice, detect: Detect, gain_db: float
) -> None:
    waves = (voice(16), voice(8, seed=2, **RAISED))
    plain, other = detect(*waves, gain_db=-16.0), detect(*waves, gain_db=gain_db)
    assert [(d.offset_ms, d.end_offset_ms, d.severity) for d in other] == [
        (d.offset_ms, d.end_offset_ms, d.severity) for d in plain
    ]
    assert len(plain) == 2
    assert [d.score for d in other] == pytest.approx([d.score for d in plain], rel=0.05)


def test_a_line_that_clips_the_shout_does_not_hide_it(voice: MakeVoice, detect: Detect) -> None:
    detections = detect(voice(16), voice(8, seed=2, **RAISED), gain_db=20)
    assert severities(detections) == [Severity.ATTENTION, Severity.WARNING]


def test_16_khz_audio_gives_what_8_khz_audio_gives(voice: MakeVoice, detect: Detect) -> None:
    at_8, at_16 = (
        detect(voice(16, rate=rate), voice(8, seed=2, rate=rate, **RAISED), rate=rate)
        for rate in (8_000, 16_000)
    )
    assert severities(at_16) == severities(at_8) == [Severity.ATTENTION, Severity.WARNING]
    assert [d.score for d in at_16] == pytest.approx([d.score for d in at_8], rel=0.05)


def test_the_same_events_give_the_same_detections(voice: MakeVoice, detect: Detect) -> None:
    waves = (voice(16), voice(8, seed=2, **RAISED))
    assert detect(*waves) == detect(*waves)


def test_who_shouts_from_the_first_second_is_measured_against_the_population(
    voice: MakeVoice, detect: Detect
) -> None:
    first, *_ = detect(voice(12, rise_db=12, balance_db=8, semitones=14))
    evidence = evidence_of(first)
    assert evidence.baseline_source == "prior"
    assert evidence.raised_speech_ms == 4_000
    assert first.severity is Severity.ATTENTION


@pytest.mark.parametrize("f0_hz", [95, 125, 220, 240])
def test_calm_men_and_women_are_not_raised_from_the_start(
    voice: MakeVoice, detect: Detect, f0_hz: float
) -> None:
    assert detect(voice(24, f0_hz=f0_hz), gain_db=15) == []


def test_the_agent_is_never_measured(voice: MakeVoice, detect: Detect) -> None:
    waves = (voice(16), voice(8, seed=2, **RAISED))
    assert detect(*waves, channel=Channel.AGENT) == []


def test_two_people_in_turn_on_a_mixed_channel_are_no_raised_voice_but_a_shout_is(
    voice: MakeVoice, detect: Detect
) -> None:
    turns = [
        voice(4, seed=turn, f0_hz=f0_hz, rise_db=rise_db, balance_db=rise_db / 2)
        for turn in range(14)
        for f0_hz, rise_db in [((120, 0.0), (220, 6.0))[turn % 2]]
    ]
    assert detect(*turns, channel=Channel.MIXED) == []
    shout = voice(8, seed=99, f0_hz=220, rise_db=18, balance_db=9, semitones=6)
    first, *_ = detect(*turns, shout, channel=Channel.MIXED)
    assert first.channel is Channel.MIXED


def test_one_shout_of_a_second_and_a_half_is_nothing(voice: MakeVoice, detect: Detect) -> None:
    assert detect(voice(16), voice(1.5, seed=2, **RAISED), voice(10.5, seed=3)) == []


def test_within_the_cooldown_only_a_higher_severity_is_reported(
    voice: MakeVoice, detect: Detect
) -> None:
    def shout(seed: int) -> Wave:
        return voice(3.5, seed=seed, **RAISED)

    def calm(seed: int) -> Wave:
        return voice(4.5, seed=seed)

    waves = [voice(16), *(make for i in range(4) for make in (shout(2 + i), calm(20 + i)))]
    reported = detect(*waves)
    # Four episodes about 9 s apart: the first is attention, the second falls into the cooldown,
    # the third within a minute is a warning, the fourth again falls into the cooldown.
    assert severities(reported) == [Severity.ATTENTION, Severity.WARNING]
    assert reported[1].offset_ms - reported[0].offset_ms > 15_000
    without = detect(*waves, config=RaisedVoiceConfig(cooldown_ms=0))
    assert severities(without) == [
        Severity.ATTENTION,
        Severity.ATTENTION,
        Severity.WARNING,
        Severity.WARNING,
    ]


def _tones() -> dict[str, Wave]:
    t = np.arange(8 * RATE) / RATE
    rng = np.random.default_rng(7)
    keys = [rng.choice([697, 770, 852, 941]) for _ in range(16)]
    low = np.repeat(keys, RATE // 2)[: len(t)]
    dtmf = np.sin(2 * np.pi * low * t) + np.sin(2 * np.pi * 1_336 * t)
    return {
        "digital silence": np.zeros_like(t),
        "full-scale square": np.sign(np.sin(2 * np.pi * 200 * t)),
        "square off the grid": np.sign(np.sin(2 * np.pi * 437.3 * t)),
        "dial tone": 0.5 * np.sin(2 * np.pi * 400 * t),
        "ringback": 0.3
        * np.sin(2 * np.pi * 400 * t)
        * (1 + np.sin(2 * np.pi * 16 * t))
        * (t % 3 < 1),
        "busy": 0.5 * np.sin(2 * np.pi * 400 * t) * (t % 1 < 0.5),
        "DTMF": 0.4 * dtmf * (t * 5 % 1 < 0.5),
        "white noise": rng.normal(0, 0.3, len(t)),
        "full-scale noise": rng.uniform(-1, 1, len(t)),
        "constant": np.full_like(t, 0.9),
        "hum": 0.2 * np.sin(2 * np.pi * 50 * t),
        "half the rate": np.where(np.arange(len(t)) % 2, 1.0, -1.0),
        "one click": np.where(np.arange(len(t)) == 4_000, 1.0, 0.0),
    }


@pytest.mark.parametrize("name", sorted(_tones()))
def test_what_is_no_voice_gives_no_alert_and_no_warning(
    voice: MakeVoice, detect: Detect, name: str
) -> None:
    tone = _tones()[name]
    with np.errstate(all="raise"):
        assert detect(tone) == []
        assert detect(voice(16), tone) == []


def test_speech_after_a_gap_is_measured_as_before(voice: MakeVoice) -> None:
    detector = RaisedVoiceDetector(RaisedVoiceConfig(), call_id="call-1")
    detections: list[Detection] = []
    for start_s, wave in ((0, voice(16)), (30, voice(8, seed=2, **RAISED))):
        pcm = np.rint(wave * 32_768).astype(np.int16)
        for at in range(0, len(pcm), 160):
            detections += detector.feed(
                SpeechAudio(
                    call_id="call-1",
                    channel=Channel.CUSTOMER,
                    utterance_id="customer-1",
                    offset_samples=start_s * RATE + at,
                    sample_rate_hz=RATE,
                    pcm=pcm[at : at + 160],
                )
            )
        detections += detector.feed(
            MediaGap.at(
                call_id="call-1",
                channel=Channel.CUSTOMER,
                cause=GapCause.LOSS,
                offset_samples=start_s * RATE + len(pcm),
                duration_samples=RATE,
                sample_rate_hz=RATE,
            )
        )
    assert severities(detections) == [Severity.ATTENTION, Severity.WARNING]
    assert detections[0].offset_ms >= 30_000


def test_utterances_too_short_to_measure_are_harmless(voice: MakeVoice, detect: Detect) -> None:
    for duration_s in (0.001, 0.02, 0.039, 0.041, 0.5):
        assert detect(voice(duration_s)) == []
    assert list(RaisedVoiceDetector(RaisedVoiceConfig(), call_id="c").flush(0)) == []
