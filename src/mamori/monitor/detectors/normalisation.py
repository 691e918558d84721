"""One spelling for words as recognisers and people write them, with the way back to the original.

A view is a normalised text whose every character knows which characters of the original it came
from, so that an alert quotes the transcript verbatim. Pure, linear in the length of the text, and
defined for every string: lone surrogates, unassigned characters and endless combining marks too.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal

# A base character with more marks than this is not writing; the cut keeps folding linear.
_MAX_CLUSTER: Final = 16
_SENTENCE_ENDS: Final = frozenset("。．.!?…\n｡")
_LONG_MARKS: Final = frozenset("ー〜~―")
_HALFWIDTH_VOICING: Final = frozenset("ﾞﾟ")
_SMALL_VOWELS: Final = {"ぁ": "あ", "ぃ": "い", "ぅ": "う", "ぇ": "え", "ぉ": "お"}
_ROWS: Final = {
    "あ": "あかさたなはまやらわがざだばぱぁゃゎ",
    "い": "いきしちにひみりぎじぢびぴぃ",
    "う": "うくすつぬふむゆるぐずづぶぷぅゅ",
    "え": "えけせてねへめれげぜでべぺぇ",
    "お": "おこそとのほもよろをごぞどぼぽぉょ",
}
_VOWEL_OF: Final = {kana: vowel for vowel, row in _ROWS.items() for kana in row}
_TO_HIRAGANA: Final = {code: code - 0x60 for code in range(ord("ァ"), ord("ヶ") + 1)}
# Kana without small vowels and long marks, and common kanji: nothing in them is folded.
_PLAIN: Final = re.compile("[あいうえおか-んアイウエオカ-ヴ\u4e00-\u9fa5]*")
_RUN_OF_THREE: Final = re.compile(r"(.)\1\1")
_SMALL_KANA: Final = frozenset("ぁぃぅぇぉゃゅょゎ")

Form = Literal["NFKC", "NFD"]
"""The Unicode form of a view: composed, or Hangul split into jamo."""


@dataclass(frozen=True, slots=True)
class View:
    """A normalised text and, per character, the half-open span of the original it came from.

    ``boundaries`` are the positions in ``text`` where a word may begin or end (None: everywhere);
    ``breaks`` are those where a sentence ended, rising. ``starts`` and ``ends`` never fall.
    """

    text: str
    starts: tuple[int, ...]
    ends: tuple[int, ...]
    boundaries: frozenset[int] | None = None
    breaks: tuple[int, ...] = ()

    def original_span(self, start: int, end: int) -> tuple[int, int]:
        """The span of the original that ``text[start:end]`` came from; empty spans stay empty."""
        if start >= end:
            return (0, 0)
        return self.starts[start], self.ends[end - 1]

    def position_of(self, original: int) -> int:
        """The first position whose character comes from ``original`` or later."""
        return bisect_right(self.ends, original)

    def is_boundary(self, position: int) -> bool:
        """Whether a word may begin or end at this position."""
        return self.boundaries is None or position in self.boundaries

    def crosses_break(self, start: int, end: int) -> bool:
        """Whether a sentence ended strictly inside ``text[start:end]``."""
        return bisect_right(self.breaks, start) < bisect_left(self.breaks, end)


class _Writer:
    """Collects the characters of a view with their spans."""

    def __init__(self) -> None:
        self.characters: list[str] = []
        self.starts: list[int] = []
        self.ends: list[int] = []
        self.breaks: set[int] = set()
        self.folded_at = -1
        self.lengthened: set[int] = set()

    def put(self, character: str, start: int, end: int) -> None:
        self.characters.append(character)
        self.starts.append(start)
        self.ends.append(end)

    def put_run(self, character: str, start: int, end: int) -> None:
        """Put a character; the third of a run folds the run into one (so runs of two survive)."""
        characters = self.characters
        last = len(characters) - 1
        if last < 0 or characters[last] != character or character.isdigit():
            self.put(character, start, end)
        elif self.folded_at == last:
            self.ends[last] = end
        elif last >= 1 and characters[last - 1] == character:
            self.drop_last()
            self.ends[last - 1] = end
            self.folded_at = last - 1
        else:
            self.put(character, start, end)

    def drop_last(self) -> None:
        self.characters.pop()
        self.starts.pop()
        self.ends.pop()

    def view(self, boundaries: Iterable[int] | None = None) -> View:
        return View(
            "".join(self.characters),
            tuple(self.starts),
            tuple(self.ends),
            None if boundaries is None else frozenset(boundaries),
            tuple(sorted(place for place in self.breaks if place <= len(self.characters))),
        )


def _continues(character: str) -> bool:
    return (
        unicodedata.combining(character) != 0
        or character in _HALFWIDTH_VOICING
        or "\u1160" <= character <= "\u11ff"
    )


@lru_cache(maxsize=8192)
def _fold(cluster: str, form: Form) -> str:
    folded = unicodedata.normalize("NFKC", cluster).casefold()
    return unicodedata.normalize(form, folded)


def _is_noise(character: str) -> bool:
    # Separators and controls (surrogates and unassigned included).
    return unicodedata.category(character)[0] in "ZC" and character != "\n"


def is_word_character(character: str) -> bool:
    """Whether the character is a letter or a digit of any script (a mark, space or dot is not)."""
    return unicodedata.category(character)[0] in "LN"


def base_view(text: str, *, form: Form = "NFKC", keep_spaces: bool = False) -> View:
    """``text`` in one width, case and composition, without spaces and controls.

    ``form`` is the Unicode form of the result (``NFD`` splits Hangul into jamo); ``keep_spaces``
    leaves one space for each run of them.
    """
    writer = _Writer()
    start, length = 0, len(text)
    for index in range(1, length + 1):
        if index < length and index - start < _MAX_CLUSTER and _continues(text[index]):
            continue
        for character in _fold(text[start:index], form):
            if not _is_noise(character):
                writer.put(character, start, index)
            elif keep_spaces and writer.characters and writer.characters[-1] != " ":
                writer.put(" ", start, index)
        start = index
    return writer.view()


def to_hiragana(text: str) -> str:
    """Katakana letters as hiragana; everything else unchanged."""
    return text.translate(_TO_HIRAGANA)


def _lengthened(previous: str) -> str | None:
    """The letter that a long mark after ``previous`` stands for; None after no kana."""
    vowel = _VOWEL_OF.get(previous)
    return "う" if vowel == "お" else vowel


def japanese_surface(base: View, boundaries: Iterable[int] | None = None) -> View:
    """The spelling view of a Japanese base view: hiragana, one long vowel, no punctuation.

    ``boundaries`` are word boundaries as positions in ``base.text``; the view has them as its own.
    """
    writer = _Writer()
    positions: list[int] = []
    for character, start, end in zip(base.text, base.starts, base.ends, strict=True):
        positions.append(len(writer.characters))
        _put_japanese(writer, to_hiragana(character), start, end)
    _drop_final_sokuon(writer)
    positions.append(len(writer.characters))
    if boundaries is None:
        return writer.view()
    last = len(writer.characters)
    edges = {min(positions[boundary], last) for boundary in boundaries}
    # A word drawn out to its end (ぞー) may also be read without the drawl.
    edges |= {edge - 1 for edge in edges if edge - 1 in writer.lengthened}
    return writer.view(edges)


def japanese_spelling(text: str) -> str:
    """The text of ``japanese_surface(base_view(text))``; quick for plain kana and kanji."""
    if _PLAIN.fullmatch(text) and not _RUN_OF_THREE.search(text):
        return text.translate(_TO_HIRAGANA).removesuffix("っ")
    return japanese_surface(base_view(text)).text


def _put_japanese(writer: _Writer, character: str, start: int, end: int) -> None:
    previous = writer.characters[-1] if writer.characters else ""
    vowel = _VOWEL_OF.get(previous)
    if vowel is not None and (character in _LONG_MARKS or _SMALL_VOWELS.get(character) == vowel):
        # "せーー" and "せえー" are one long vowel, written as its letter.
        letter = _lengthened(previous)
        if previous in "あいうえお" or letter is None:
            writer.ends[-1] = end
        else:
            writer.lengthened.add(len(writer.characters))
            writer.put(letter, start, end)
    elif character == "々" and previous and not _VOWEL_OF.get(previous):
        writer.put(previous, start, end)
    elif is_word_character(character):
        writer.put_run(character, start, end)
    elif character in _SENTENCE_ENDS:
        _drop_final_sokuon(writer)
        writer.breaks.add(len(writer.characters))


def _drop_final_sokuon(writer: _Writer) -> None:
    if writer.characters and writer.characters[-1] == "っ":
        writer.drop_last()


def korean_view(text: str) -> View:
    """Hangul as jamo without spaces; a boundary is where a word of the original begins or ends."""
    return _words_view(base_view(text, form="NFD", keep_spaces=True), joiner="")


def english_view(text: str) -> View:
    """Case-folded words, one space between, no apostrophes; every word's edge is a boundary."""
    return _words_view(base_view(text, keep_spaces=True), joiner=" ")


def _words_view(base: View, joiner: str) -> View:
    writer = _Writer()
    boundaries = {0}
    pending = False
    for character, start, end in zip(base.text, base.starts, base.ends, strict=True):
        if is_word_character(character):
            if pending and writer.characters:
                boundaries.add(len(writer.characters))
                if joiner:
                    writer.put(joiner, writer.starts[-1], writer.ends[-1])
                    boundaries.add(len(writer.characters))
            pending = False
            writer.put_run(character, start, end)
        elif character not in "'’`" and unicodedata.category(character)[0] != "M":
            pending = True
            if character in _SENTENCE_ENDS:
                writer.breaks.add(len(writer.characters))
    boundaries.add(len(writer.characters))
    return writer.view(boundaries)


def count_morae(kana: str) -> int:
    """Morae of a hiragana text: small kana belong to the one before."""
    return sum(1 for character in kana if character not in _SMALL_KANA)


def squash(text: str) -> tuple[str, tuple[int, ...]]:
    """Kana without long vowels, and where each remaining character stood.

    Recognisers confuse long and short vowels, and emphasis stretches any of them; fuzzy comparison
    looks at neither.
    """
    kept: list[str] = []
    positions: list[int] = []
    for index, character in enumerate(text):
        vowel = _VOWEL_OF.get(kept[-1]) if kept else None
        if vowel is not None and (
            character == vowel
            or (vowel == "お" and character == "う")
            or (vowel == "え" and character == "い")
        ):
            continue
        kept.append(character)
        positions.append(index)
    return "".join(kept), tuple(positions)
