"""Settings of the raised-voice detector, each with its reason."""

from __future__ import annotations

from dataclasses import dataclass

from mamori.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class RaisedVoiceConfig:
    """When a voice counts as raised; ConfigError names every value out of range."""

    # Rises over the caller's own baseline. Ninety per cent of calm speech stays under +1.3 dB of
    # level, +2.3 dB of balance and +1.3 semitones; acted shouting has +23 dB, +5 dB and +11.
    rise_db: float = 8.0
    balance_rise_db: float = 3.0
    f0_rise_semitones: float = 5.0
    # A score of 0.6 is exactly the rises above; it falls to 0.4 at four fifths of them.
    on_score: float = 0.6
    off_score: float = 0.4

    # Who shouts from the first second is measured against the population until the caller's own
    # baseline is there: balance and pitch of calm speech at telephone band (median -9 dB; 110 Hz
    # men, 200-230 Hz women), set so that a rise over them is out of reach of a calm woman's voice.
    prior_balance_db: float = -8.0
    prior_f0_hz: float = 190.0
    # Higher than this a crying child is as likely as a shout; then only the caller's own baseline
    # decides. Measured medians: crying 320-430 Hz, women's shouts 270-400 (one 570),
    # men's 200-350.
    prior_highest_f0_hz: float = 370.0
    # The nominal active level of telephone speech (ITU-T P.830); shown, never compared with.
    prior_level_dbfs: float = -26.0

    # A few sentences give the caller's own baseline; it grows until `full`, then follows slowly.
    baseline_ready_ms: int = 4_000
    baseline_full_ms: int = 12_000
    # A caller who warms up over minutes stays detectable; one who calms down is followed sooner,
    # since a calmer voice is the better baseline.
    baseline_rise_time_ms: int = 60_000
    baseline_fall_time_ms: int = 20_000
    # Where two people share a channel, one is brighter, higher or louder than the other: rises are
    # measured from this quantile of the windows instead of their median, and over twice the speech.
    mixed_quantile: float = 0.8

    # Two seconds of raised speech, so that a laugh, a cough or one loud word is nothing.
    attention_ms: int = 2_000
    # Twice that (or `attention_ms` if longer) as long as only the population is there to compare
    # with: a lively woman's voice on a real call kept above the population's for 2 s.
    prior_attention_ms: int = 4_000
    warning_ms: int = 5_000
    warning_episodes: int = 3
    episode_window_ms: int = 60_000
    # An episode survives pauses up to this long, in the call's time.
    episode_gap_ms: int = 3_000
    # A person needs time to act on one report before the next of the same severity.
    cooldown_ms: int = 15_000

    def __post_init__(self) -> None:
        limits: list[tuple[str, float, float, float]] = [
            ("rise_db", self.rise_db, 3, 40),
            ("balance_rise_db", self.balance_rise_db, 1, 20),
            ("f0_rise_semitones", self.f0_rise_semitones, 1, 24),
            ("on_score", self.on_score, 0.5, 0.95),
            ("off_score", self.off_score, 0.05, self.on_score),
            ("prior_balance_db", self.prior_balance_db, -30, 10),
            ("prior_f0_hz", self.prior_f0_hz, 100, 500),
            ("prior_highest_f0_hz", self.prior_highest_f0_hz, 250, 600),
            ("prior_level_dbfs", self.prior_level_dbfs, -60, 0),
            ("baseline_ready_ms", self.baseline_ready_ms, 1_000, self.baseline_full_ms),
            ("baseline_full_ms", self.baseline_full_ms, 1_000, 60_000),
            ("baseline_rise_time_ms", self.baseline_rise_time_ms, 5_000, 600_000),
            ("baseline_fall_time_ms", self.baseline_fall_time_ms, 5_000, 600_000),
            ("mixed_quantile", self.mixed_quantile, 0.5, 1),
            ("attention_ms", self.attention_ms, 500, self.warning_ms),
            ("prior_attention_ms", self.prior_attention_ms, 500, 300_000),
            ("warning_ms", self.warning_ms, 500, 300_000),
            ("warning_episodes", self.warning_episodes, 2, 20),
            ("episode_window_ms", self.episode_window_ms, 5_000, 600_000),
            ("episode_gap_ms", self.episode_gap_ms, 500, 30_000),
            ("cooldown_ms", self.cooldown_ms, 0, 600_000),
        ]
        problems = [
            f"raised_voice.{name} must be from {low:g} to {high:g}, not {value}"
            for name, value, low, high in limits
            if not low <= value <= high
        ]
        if problems:
            raise ConfigError(problems)
