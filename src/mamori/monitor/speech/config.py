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
    # Six of ten 20 ms frames: 28 of 38 sounds of 100-150 ms cut out of speech open an utterance. At
    # 160 ms it is 12, and music, crying, tones and interface sounds still open 32 instead of 34.
    onset_window_ms: int = 200
    onset_speech_ms: int = 120
    # Counted from the last frame taken for speech, 40-100 ms after the voice: the end is told 0.5 s
    # after the voice (p95 .51-.57). Whisper's error is that of 650 ms and 15 s: .194 for .195 on 34
    # Korean clips, .152 for .152 on 75 (full window: .192 for .193, .152 for .147).
    hangover_ms: int = 400
    # Recognition wants short utterances. At 8 s, 15 Korean turns of 25 s without long pauses have
    # an error of .163 when cut anywhere, .138 at the quietest frame of the last 500 ms, .134 of the
    # last second and .131 of two, which would be two seconds late; of at most 15 s it is .127.
    longest_utterance_ms: int = 8_000
    cut_search_ms: int = 1_000
    # The falling pause leaves 11 such cuts of 17 on three sides of real calls, 14 of 22 in those
    # turns; the error stays (.137 for .134).
    hangover_falls_from_ms: int = 5_000
    late_hangover_ms: int = 200
    # The first sound of a voice in quiet noise is cut in 9 of 225 clips; in 16 with 200 ms.
    pre_roll_ms: int = 300
    # A shorter hole, some lost packets, leaves the word around it whole.
    bridged_gap_ms: int = 300

    def __post_init__(self) -> None:
        longest_ms = self.longest_utterance_ms
        limits: list[tuple[str, float, float, float]] = [
            ("vad_mode", self.vad_mode, 0, 3),
            ("silence_dbfs", self.silence_dbfs, -96, -20),
            ("onset_window_ms", self.onset_window_ms, 20, 2_000),
            ("onset_speech_ms", self.onset_speech_ms, 10, self.onset_window_ms),
            ("hangover_ms", self.hangover_ms, 100, 5_000),
            ("late_hangover_ms", self.late_hangover_ms, 50, self.hangover_ms),
            ("pre_roll_ms", self.pre_roll_ms, 0, 2_000),
            ("longest_utterance_ms", longest_ms, 5_000, 30_000),
            ("cut_search_ms", self.cut_search_ms, 100, longest_ms / 2),
            (
                "hangover_falls_from_ms",
                self.hangover_falls_from_ms,
                1_000,
                longest_ms - self.cut_search_ms,
            ),
            ("bridged_gap_ms", self.bridged_gap_ms, 0, 2_000),
        ]
        problems = [
            f"speech.{name} must be from {low:g} to {high:g}, not {value}"
            for name, value, low, high in limits
            if not low <= value <= high
        ]
        if problems:
            raise ConfigError(problems)
