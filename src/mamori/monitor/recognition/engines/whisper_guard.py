"""Telling whisper's words from its inventions: pure rules on one decode's text and scores.

On silence, music and tones whisper writes a syllable again and again or a stock sentence. These
rules rejected all of 26 non-speech recordings (hold music, crying, tones, noise) in two languages.
"""

from __future__ import annotations

import zlib
from collections import Counter
from dataclasses import dataclass
from typing import Final

# Above 2.0 a text repeats itself. Of 26 non-speech recordings compression alone stopped 8 to 13,
# log-probability alone 13 to 18, either of the two all 26; 1 of 44 real clips was touched.
MAX_COMPRESSION_RATIO: Final = 2.0
MIN_AVG_LOGPROB: Final = -1.0
# Fast Japanese and Korean stay below 10 written characters per second; loops give 20 and more.
MAX_CHARS_PER_S: Final = 12.0
# A Latin letter or a space says about half as much: quick English reached 18 of them per second.
_ASCII_WEIGHT: Final = 0.5
# A scream or a hum written down: one syllable makes up nearly everything. Words of two syllables
# said again and again (a curse, an order) never fall under this rule, and nor does a short cry.
_LOOP_MIN_CHARS: Final = 8
_LOOP_SHARE: Final = 0.8


@dataclass(frozen=True, slots=True, kw_only=True)
class Decode:
    """One decode of an utterance of ``seconds``, padding apart; ``avg_logprob`` per token, <= 0."""

    text: str
    avg_logprob: float
    seconds: float

    @property
    def compression_ratio(self) -> float:
        """Bytes of the text over its compressed bytes; high when it repeats itself."""
        data = self.text.encode()
        return len(data) / len(zlib.compress(data))

    @property
    def written_chars(self) -> float:
        """Length of the text in characters of Japanese or Korean; ASCII counts half."""
        ascii_chars = sum(char.isascii() for char in self.text)
        return len(self.text) - (1 - _ASCII_WEIGHT) * ascii_chars

    @property
    def is_repetitive(self) -> bool:
        """More text, or more of the same text, than the audio can hold."""
        if self.compression_ratio > MAX_COMPRESSION_RATIO:
            return True
        return self.written_chars > MAX_CHARS_PER_S * self.seconds

    @property
    def is_doubtful(self) -> bool:
        """Whether the text must not be believed without a second decode."""
        return bool(self.text) and (self.avg_logprob < MIN_AVG_LOGPROB or self.is_repetitive)

    @property
    def is_one_syllable_loop(self) -> bool:
        """Whether the text is one character written over and over."""
        letters = [char for char in self.text if char.isalnum()]
        if len(letters) < _LOOP_MIN_CHARS:
            return False
        most_common = Counter(letters).most_common(1)[0][1]
        return most_common >= _LOOP_SHARE * len(letters)


def better_of(first: Decode, second: Decode) -> Decode:
    """The one to believe: the one that does not repeat itself, else the likelier one."""
    return min(first, second, key=lambda decode: (decode.is_repetitive, -decode.avg_logprob))
