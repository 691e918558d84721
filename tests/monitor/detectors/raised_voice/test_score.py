"""The rule: level confirmed by balance or pitch, or balance and pitch together."""

from dataclasses import replace

import pytest

from mamori.errors import ConfigError
from mamori.monitor.detectors.raised_voice import RaisedVoiceConfig
from mamori.monitor.detectors.raised_voice.baseline import Reference, VoiceBaseline
from mamori.monitor.detectors.raised_voice.score import effort, is_machine
from mamori.monitor.detectors.raised_voice.windows import SpeechWindow

CONFIG = RaisedVoiceConfig()
CALLER = Reference(
    source="caller",
    level_dbfs=-30.0,
    balance_db=-9.0,
    f0_hz=120.0,
    balance_spread_db=0.0,
    f0_spread_semitones=0.0,
)


def window(
    level: float = 0.0,
    balance: float = 0.0,
    semitones: float = 0.0,
    reference: Reference = CALLER,
) -> SpeechWindow:
    """A window that rises this much over the reference."""
    return SpeechWindow(
        start_offset_ms=0,
        end_offset_ms=500,
        level_dbfs=reference.level_dbfs + level,
        balance_db=reference.balance_db + balance,
        f0_hz=reference.f0_hz * 2 ** (semitones / 12),
        level_sd_db=6.0,
        f0_spread_semitones=2.0,
        peak_ratio=0.5,
        clipped_ratio=0.0,
    )


def score(level: float = 0.0, balance: float = 0.0, semitones: float = 0.0) -> float:
    return effort(window(level, balance, semitones), CALLER, CONFIG, is_mixed=False).score


@pytest.mark.parametrize(
    ("under", "at", "over"),
    [
        ((7.9, 3, 0), (8, 3, 0), (8.1, 3.1, 0)),
        ((8, 2.9, 0), (8, 3, 0), (20, 3.1, 0)),
        ((8, 0, 4.9), (8, 0, 5), (9, 0, 5.1)),
        ((0, 2.9, 5), (0, 3, 5), (0, 3.1, 5.1)),
        ((0, 3, 4.9), (0, 3, 5), (-5, 4, 6)),
    ],
    ids=["level", "balance confirms", "pitch confirms", "balance without level", "pitch likewise"],
)
def test_a_score_of_0_6_is_reached_exactly_at_the_thresholds(
    under: tuple[float, ...], at: tuple[float, ...], over: tuple[float, ...]
) -> None:
    assert score(*under) < 0.6
    assert score(*at) == pytest.approx(0.6)
    assert score(*over) > 0.6


def test_balance_and_pitch_together_confirm_a_level_that_neither_would_alone() -> None:
    assert score(8, 2.2, 3.6) == pytest.approx(0.6)
    assert score(8, 2.0, 3.4) < 0.6


def test_a_voice_that_turns_louder_and_higher_but_duller_is_another_voice() -> None:
    assert score(12, 0, 8) > 0.6
    assert score(12, -3, 8) < 0.4


@pytest.mark.parametrize("rise_db", [8, 20, 60])
def test_a_level_without_a_change_of_voice_is_a_phone_moved_closer(rise_db: float) -> None:
    assert score(level=rise_db) < 0.05


def test_a_brighter_voice_alone_or_a_higher_one_alone_is_nothing() -> None:
    assert score(balance=15) < 0.05
    assert score(semitones=15) < 0.05


def test_calm_speech_scores_next_to_nothing_and_the_score_stays_within_0_and_1() -> None:
    assert score(1.3, 2.3, 1.3) < 0.15
    assert 0 <= score(-90, -90, -40) < score(90, 90, 40) <= 1


def test_without_a_pitch_only_level_and_balance_speak() -> None:
    unvoiced = replace(window(10, 4), f0_hz=None)
    assert effort(unvoiced, CALLER, CONFIG, is_mixed=False).score > 0.6
    assert effort(replace(unvoiced, level_dbfs=-30.0), CALLER, CONFIG, is_mixed=False).score < 0.1


def test_a_voice_that_strays_widely_when_calm_must_rise_further() -> None:
    lively = replace(CALLER, balance_spread_db=6.0, f0_spread_semitones=9.0)
    assert effort(window(0, 5.9, 8.9), lively, CONFIG, is_mixed=False).score < 0.6
    assert effort(window(0, 6.1, 9.1), lively, CONFIG, is_mixed=False).score > 0.6


def test_against_the_prior_the_level_does_not_count() -> None:
    prior = VoiceBaseline(CONFIG, is_mixed=False).reference
    loud = window(30, 3, 0, reference=prior)
    assert effort(loud, prior, CONFIG, is_mixed=False).score < 0.1
    raised = window(-10, 3, 5, reference=prior)
    assert effort(raised, prior, CONFIG, is_mixed=False).score == pytest.approx(0.6)


def test_on_a_mixed_channel_another_talker_is_no_raised_voice_without_level() -> None:
    assert effort(window(0, 9, 15), CALLER, CONFIG, is_mixed=True).score < 0.1
    assert effort(window(9, 9, 15), CALLER, CONFIG, is_mixed=True).score > 0.6


@pytest.mark.parametrize(
    ("field", "machine", "voice"),
    [
        ("level_sd_db", 1.49, 1.5),
        ("peak_ratio", 0.951, 0.95),
        ("f0_spread_semitones", 0.09, 0.1),
    ],
)
def test_what_is_too_steady_or_too_pure_is_a_machine(
    field: str, machine: float, voice: float
) -> None:
    raised = window(20, 6, 9)
    tone = replace(raised, **{field: machine})  # type: ignore[arg-type]
    assert is_machine(tone)
    assert effort(tone, CALLER, CONFIG, is_mixed=False).score == 0.0
    assert not is_machine(replace(raised, **{field: voice}))  # type: ignore[arg-type]


def test_every_value_out_of_range_is_named() -> None:
    with pytest.raises(ConfigError) as caught:
        RaisedVoiceConfig(rise_db=2.9, attention_ms=6_000, prior_f0_hz=99)
    assert [problem.split()[0] for problem in caught.value.problems] == [
        "raised_voice.rise_db",
        "raised_voice.prior_f0_hz",
        "raised_voice.attention_ms",
    ]


def learn(
    baseline: VoiceBaseline,
    windows: int,
    *,
    level: float = 0.0,
    balance: float = 0.0,
    semitones: float = 0.0,
) -> None:
    for _ in range(windows):
        baseline.learn(window(level, balance, semitones))


def test_the_prior_stands_until_4_s_of_the_callers_calm_speech() -> None:
    baseline = VoiceBaseline(CONFIG, is_mixed=False)
    learn(baseline, 7)
    assert baseline.reference.source == "prior"
    learn(baseline, 1)
    assert baseline.reference == CALLER


def test_the_first_12_s_give_the_median_and_one_odd_window_does_not_move_it() -> None:
    baseline = VoiceBaseline(CONFIG, is_mixed=False)
    learn(baseline, 23)
    learn(baseline, 1, level=30, balance=20, semitones=20)
    assert baseline.reference.level_dbfs == CALLER.level_dbfs
    assert baseline.reference.f0_hz == CALLER.f0_hz


def test_after_that_it_follows_slowly_and_downwards_three_times_as_fast() -> None:
    louder, softer = (VoiceBaseline(CONFIG, is_mixed=False) for _ in range(2))
    for baseline, level in ((louder, 6.0), (softer, -6.0)):
        learn(baseline, 24)
        learn(baseline, 20, level=level)
    rise = louder.reference.level_dbfs - CALLER.level_dbfs
    fall = CALLER.level_dbfs - softer.reference.level_dbfs
    assert rise == pytest.approx(6 * (1 - (1 - 0.5 / 60) ** 20))
    assert fall == pytest.approx(6 * (1 - (1 - 0.5 / 20) ** 20))


def test_windows_without_a_pitch_teach_nothing() -> None:
    baseline = VoiceBaseline(CONFIG, is_mixed=False)
    for _ in range(50):
        baseline.learn(replace(window(), f0_hz=None))
    assert baseline.reference.source == "prior"


def test_two_people_on_a_channel_are_measured_from_the_upper_of_them() -> None:
    baseline = VoiceBaseline(CONFIG, is_mixed=True)
    for _ in range(12):
        learn(baseline, 1)
        learn(baseline, 1, level=6, balance=4, semitones=10)
    assert baseline.reference.level_dbfs == CALLER.level_dbfs + 6
    assert baseline.reference.balance_db == CALLER.balance_db + 4
