"""Settings of voice activity and endpointing."""

from __future__ import annotations

from dataclasses import dataclass

from mamori.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechConfig:
    """When speech starts and ends on one channel; ConfigError names every value out of range."""

    # Measured on real clips: mode 2 hits .97-1.00 of the speech frames at .03-.13 false ones;
    # mode 3 loses up to .62 of clean speech, modes 0 and 1 take hum and white noise for speech.
    vad_mode: int = 2
    # Frames below this level are not asked about: 16-bit idle noise and mu-law's lowest steps lie
    # under -70 dBFS, the weak sounds of a faint talker (-40 dBFS active) above -60.
    silence_dbfs: float = -60.0
    # Six of ten 20 ms frames: a click or a cough's first burst is no speech, a short "hai" is.
    onset_window_ms: int = 200
    onset_speech_ms: int = 120
    # A pause in a sentence is seldom above 600 ms; 700 ms would only delay the final text.
    hangover_ms: int = 650
    # Weak first consonants lie before the onset; 200-500 ms is in general use.
    pre_roll_ms: int = 300
    # Half of what an utterance engine takes at once (30 s), so that text is never late by more.
    longest_utterance_ms: int = 15_000

    def __post_init__(self) -> None:
        limits: list[tuple[str, float, float, float]] = [
            ("vad_mode", self.vad_mode, 0, 3),
            ("silence_dbfs", self.silence_dbfs, -96, -20),
            ("onset_window_ms", self.onset_window_ms, 20, 2_000),
            ("onset_speech_ms", self.onset_speech_ms, 10, self.onset_window_ms),
            ("hangover_ms", self.hangover_ms, 100, 5_000),
            ("pre_roll_ms", self.pre_roll_ms, 0, 2_000),
            ("longest_utterance_ms", self.longest_utterance_ms, 5_000, 30_000),
        ]
        problems = [
            f"speech.{name} must be from {low:g} to {high:g}, not {value}"
            for name, value, low, high in limits
            if not low <= value <= high
        ]
        if problems:
            raise ConfigError(problems)
