"""Which phrases were said: made from true transcripts, and judged by nothing that is measured."""

from __future__ import annotations

import unicodedata
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, lru_cache
from math import ceil
from typing import Final

from rapidfuzz import fuzz
from rapidfuzz.distance import Levenshtein
from tools.measure.numerals import spell_out

from mamori.monitor.detectors.readings import JapaneseReader, create_reader

# Variants of one sentence (스무 명, 이십 명) reach it, look-alikes with another ending do not.
_HELD_PERCENT: Final = 85.0
# An order and a question differ in the ending: it has to be heard as well.
_ENDING_SHARE: Final = 0.4
_LEAST_WORDS: Final = 3
_MOST_WORDS: Final = 6
_ALTERED_LETTERS: Final = 3
# In place of the last three letters: of another mood than what stood there.
_OTHER_ENDINGS: Final = {
    "ko": ("을까요", "던가요", "는데도", "자면서", "니까요", "더라도"),
    "ja": ("ましたか", "てみたい", "なくても", "るそうで", "たのかな"),
}


@lru_cache(maxsize=4096)
def sounds(text: str, language: str) -> str:
    """``text`` as it sounds: jamo (ko), kana of the reading (ja), small letters otherwise."""
    spelled = in_words(text, language)
    if language == "ja":
        spelled = _reader().read(spelled)
    if language == "ko":
        spelled = unicodedata.normalize("NFD", spelled)
    return "".join(letter for letter in spelled.lower() if letter.isalnum())


def in_words(text: str, language: str) -> str:
    """``text`` without digits and full-width letters, as transcripts are written."""
    spelled = spell_out(unicodedata.normalize("NFKC", text), language)
    # The decimal point as it is spoken, and as it is written.
    return spelled.replace("쩜", "점") if language == "ko" else spelled


def written(text: str, language: str) -> str:
    """``text`` as its errors are counted: syllables (ko), kana (ja), small letters otherwise."""
    return unicodedata.normalize("NFC", sounds(text, language))


@cache
def _reader() -> JapaneseReader:
    return create_reader()


def similarity(phrase: str, text: str) -> float:
    """How much of ``phrase`` is in ``text``, both as sounds, in [0, 100]."""
    if not phrase or not text:
        return 0.0
    # A partial ratio would call any fragment of the phrase a full match.
    compare = fuzz.ratio if len(text) < len(phrase) else fuzz.partial_ratio
    return float(compare(phrase, text))


def holds(text: str, phrase: str) -> bool:
    """Whether ``text`` holds ``phrase`` and its ending, both as sounds."""
    ending = phrase[-ceil(len(phrase) * _ENDING_SHARE) :]
    return min(similarity(phrase, text), similarity(ending, text)) >= _HELD_PERCENT


@dataclass(frozen=True, slots=True)
class PhraseList:
    """What is listened for: ``spoken`` in some recording, and ``altered``, spoken in none.

    ``inseparable`` altered ones were left out: a true transcript as good as holds them.
    """

    language: str
    spoken: tuple[str, ...]
    altered: tuple[str, ...]
    inseparable: int = 0

    @property
    def all(self) -> tuple[str, ...]:
        """Both kinds."""
        return self.spoken + self.altered

    def said_in(self, transcript: str) -> tuple[str, ...]:
        """The phrases that a recording with this true transcript holds.

        Nearly is enough: some transcripts are variants of one sentence.
        """
        said = sounds(transcript, self.language)
        return tuple(each for each in self.spoken if holds(said, sounds(each, self.language)))


def phrase_list(phrases: Iterable[str], transcripts: Iterable[str], language: str) -> PhraseList:
    """Each phrase once, and each with another ending."""
    spoken = tuple(dict.fromkeys(phrases))
    told = [sounds(transcript, language) for transcript in sorted(set(transcripts))]
    altered = tuple(dict.fromkeys(with_other_ending(phrase, language) for phrase in spoken))
    kept = tuple(
        each for each in altered if not any(holds(text, sounds(each, language)) for text in told)
    )
    return PhraseList(language, spoken, kept, inseparable=len(altered) - len(kept))


def stretch(transcript: str) -> str | None:
    """Three to six words that end a sentence of ``transcript``; None where there are fewer.

    How many words and of which sentence follows from the transcript itself.
    """
    sentences = [words for words in _sentences(transcript) if len(words) >= _LEAST_WORDS]
    if not sentences:
        return None
    draw = zlib.crc32(transcript.encode())
    words = sentences[draw % len(sentences)]
    length = _LEAST_WORDS + draw // len(sentences) % (_MOST_WORDS - _LEAST_WORDS + 1)
    return " ".join(words[-length:])


def _sentences(transcript: str) -> list[list[str]]:
    ends = str.maketrans(dict.fromkeys("!?。", "."))
    return [
        sentence.replace(",", " ").split() for sentence in transcript.translate(ends).split(".")
    ]


def with_other_ending(phrase: str, language: str) -> str:
    """``phrase`` with its last three letters replaced by the least similar of a few endings."""
    ending = phrase[-_ALTERED_LETTERS:]

    def likeness(other: str) -> float:
        return Levenshtein.normalized_similarity(sounds(ending, language), sounds(other, language))

    return phrase[:-_ALTERED_LETTERS] + min(_OTHER_ENDINGS[language], key=likeness)
