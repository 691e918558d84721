"""How one language is looked at: its spelling view and, in Japanese, its reading view."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from mamori.monitor.detectors.normalisation import (
    View,
    count_morae,
    english_view,
    japanese_spelling,
    korean_view,
    squash,
)
from mamori.monitor.detectors.readings import JapaneseReader, create_reader


@dataclass(frozen=True, slots=True)
class Looked:
    """The views of one text; ``reading`` is None where spelling already is the sound."""

    surface: View
    reading: View | None


class Language(Protocol):
    """What the matcher asks of a language.

    ``short_units`` and ``fuzzy_units`` are lengths in ``units``: a phrase of at most
    ``short_units`` is bound to word boundaries, one of at least ``fuzzy_units`` may match misheard
    (None: none may).
    """

    short_units: int
    fuzzy_units: int | None

    def look(self, text: str) -> Looked:
        """The views of any text."""
        ...

    def spell(self, piece: str) -> str:
        """A piece of a phrase as the surface view would write it."""
        ...

    def read(self, pieces: Sequence[str]) -> list[str] | None:
        """Pieces of phrases as the reading view would write them; None where there is none."""
        ...

    def units(self, pieces: Sequence[str]) -> list[int]:
        """How long each piece is to the ear."""
        ...

    def letters(self, text: str) -> tuple[str, Sequence[int]]:
        """What fuzzy comparison sees of a view's text, and where in it each letter stands."""
        ...

    def join(self, parts: Sequence[str]) -> str:
        """The parts of a phrase with nothing in its gaps, as a person writes it."""
        ...

    def admits(self, view: View, start: int, end: int, *, short: bool) -> bool:
        """Whether a phrase may stand at ``view.text[start:end]``, or is cut out of other words."""
        ...


class Japanese:
    """Spelling and reading; length in morae."""

    # Words of up to four morae hide in longer ones (バカンス, アホウドリ, くずもち).
    short_units: int = 4
    fuzzy_units: int | None = 5

    def __init__(self, reader: JapaneseReader) -> None:
        self._reader = reader
        # As many as the pieces of the books that are compiled: rules, not callers, fill it.
        self._readings: dict[str, str] = {}

    def look(self, text: str) -> Looked:
        """Spelling and reading views."""
        analysis = self._reader.analyse(text)
        return Looked(analysis.surface, analysis.reading)

    def spell(self, piece: str) -> str:
        """Hiragana for kana, one way to write long vowels."""
        return japanese_spelling(piece)

    def read(self, pieces: Sequence[str]) -> list[str] | None:
        """The pieces in hiragana."""
        return [self._readings[piece] for piece in self._known(pieces)]

    def units(self, pieces: Sequence[str]) -> list[int]:
        """Morae of the readings."""
        return [count_morae(self._readings[piece]) for piece in self._known(pieces)]

    def _known(self, pieces: Sequence[str]) -> Sequence[str]:
        new = [piece for piece in pieces if piece not in self._readings]
        self._readings.update(zip(new, self._reader.read_many(new), strict=True))
        return pieces

    def letters(self, text: str) -> tuple[str, Sequence[int]]:
        """Without long vowels."""
        return squash(text)

    def join(self, parts: Sequence[str]) -> str:
        """End to end."""
        return "".join(parts)

    def admits(self, view: View, start: int, end: int, *, short: bool) -> bool:
        """Short words keep to word boundaries at both ends."""
        return not short or (view.is_boundary(start) and view.is_boundary(end))


class Korean:
    """Jamo without spaces; length in syllables. Every match keeps whole syllables."""

    # One and two syllables are prefixes of countless other words.
    short_units: int = 2
    # Five syllables are ten to fifteen jamo: 0.85 then forgives one or two of them.
    fuzzy_units: int | None = 5

    def look(self, text: str) -> Looked:
        """The jamo view with its word boundaries."""
        view = korean_view(text)
        return Looked(view, None)

    def spell(self, piece: str) -> str:
        """Jamo."""
        return korean_view(piece).text

    def read(self, pieces: Sequence[str]) -> list[str] | None:
        """Spelling is the sound."""
        return None

    def units(self, pieces: Sequence[str]) -> list[int]:
        """Syllables."""
        return [len(set(korean_view(piece).starts)) for piece in pieces]

    def letters(self, text: str) -> tuple[str, Sequence[int]]:
        """Jamo, all of them."""
        return text, range(len(text))

    def join(self, parts: Sequence[str]) -> str:
        """A space between: a gap is where a word ends."""
        return " ".join(parts)

    def admits(self, view: View, start: int, end: int, *, short: bool) -> bool:
        """Syllables stay whole; short words begin a word (particles and endings may follow)."""
        starts = view.starts
        whole = (start == 0 or starts[start - 1] != starts[start]) and (
            end == len(starts) or starts[end - 1] != starts[end]
        )
        return whole and (not short or view.is_boundary(start))


class English:
    """Words with one space between; every phrase matches whole words; length in letters."""

    short_units: int = 0
    # Spelling does not give the sound: a letter more or less is another word (I keep, I'll keep).
    fuzzy_units: int | None = None

    def look(self, text: str) -> Looked:
        """The word view."""
        return Looked(english_view(text), None)

    def spell(self, piece: str) -> str:
        """Case-folded words."""
        return english_view(piece).text

    def read(self, pieces: Sequence[str]) -> list[str] | None:
        """English spelling does not give the sound."""
        return None

    def units(self, pieces: Sequence[str]) -> list[int]:
        """Letters."""
        return [len(english_view(piece).text.replace(" ", "")) for piece in pieces]

    def letters(self, text: str) -> tuple[str, Sequence[int]]:
        """Without the spaces, which recognisers set as they like."""
        positions = [index for index, letter in enumerate(text) if letter != " "]
        return "".join(text[index] for index in positions), positions

    def join(self, parts: Sequence[str]) -> str:
        """A space between."""
        return " ".join(parts)

    def admits(self, view: View, start: int, end: int, *, short: bool) -> bool:
        """Every phrase is made of whole words."""
        return view.is_boundary(start) and view.is_boundary(end)


def create_language(name: str, reader: JapaneseReader | None = None) -> Language:
    """The language ``ja``, ``ko`` or ``en``; a Japanese reader is loaded if none is given."""
    if name == "ja":
        return Japanese(reader or create_reader())
    if name == "ko":
        return Korean()
    if name == "en":
        return English()
    raise ValueError(f"language must be one of ja, ko, en, not {name!r}")
