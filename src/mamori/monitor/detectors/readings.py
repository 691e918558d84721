"""Japanese words, their readings and their dictionary forms, by SudachiPy.

Nothing is loaded at import: ``create_reader`` loads the dictionary (about 50 ms) once, and the
reader is shared by all calls of a process. It is not for use by two threads at the same time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Protocol

from mamori.monitor.detectors.normalisation import (
    View,
    base_view,
    japanese_spelling,
    japanese_surface,
    to_hiragana,
)

# SudachiPy refuses more than 49,149 bytes; 10,000 characters of UTF-8 take at most 40,000.
_CHUNK_CHARACTERS: Final = 10_000
_SILENT_CLASSES: Final = frozenset({"補助記号", "空白", "記号"})
# Phrases are short: this many stay far below the limit.
_BULK_TEXTS: Final = 400
# A demand uses a handful of verbs; the cache keeps their readings without growing with the call.
_LEMMA_CACHE: Final = 4096


@dataclass(frozen=True, slots=True)
class Token:
    """One word: its span in the base text, hiragana reading, dictionary form and classes.

    ``kind`` is the part of speech (動詞, 名詞 ...), ``detail`` its second level, ``form`` the
    inflected form (命令形 ...); all as the dictionary names them.
    """

    start: int
    end: int
    surface: str
    reading: str
    lemma: str
    kind: str
    detail: str
    form: str


@dataclass(frozen=True, slots=True)
class Analysis:
    """One Japanese text: its words and its views of spelling and of reading."""

    base: View
    tokens: tuple[Token, ...]
    surface: View
    reading: View


class _Morpheme(Protocol):
    def surface(self) -> str: ...
    def reading_form(self) -> str: ...
    def dictionary_form(self) -> str: ...
    def part_of_speech(self) -> Sequence[str]: ...
    def begin(self) -> int: ...
    def end(self) -> int: ...


class _Tokenizer(Protocol):
    def tokenize(self, text: str) -> Iterable[_Morpheme]: ...


class JapaneseReader:
    """Reads Japanese; make one with ``create_reader`` and share it."""

    def __init__(self, tokenizer: _Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._lemma_reading = lru_cache(maxsize=_LEMMA_CACHE)(self._read_lemma)

    def tokens(self, text: str) -> tuple[Token, ...]:
        """The shortest words of a base text (see ``base_view``), in order, without gaps."""
        found: list[Token] = []
        for offset in range(0, len(text), _CHUNK_CHARACTERS):
            chunk = text[offset : offset + _CHUNK_CHARACTERS]
            found.extend(_token(morpheme, offset) for morpheme in self._tokenizer.tokenize(chunk))
        return tuple(found)

    def analyse(self, text: str) -> Analysis:
        """Words and views of any text; never raises."""
        base = base_view(text)
        tokens = self.tokens(base.text)
        edges = {0, len(base.text)}
        for token in tokens:
            edges.update((token.start, token.end))
        return Analysis(
            base=base,
            tokens=tokens,
            surface=japanese_surface(base, edges),
            reading=_reading_view(base, tokens),
        )

    def read(self, text: str) -> str:
        """The reading view's text of a short text."""
        return self.analyse(text).reading.text

    def read_many(self, texts: Sequence[str]) -> list[str]:
        """The readings of many short texts, each as ``read`` gives it; faster in bulk."""
        readings: list[str] = []
        for first in range(0, len(texts), _BULK_TEXTS):
            bulk = texts[first : first + _BULK_TEXTS]
            parts = [""]
            for morpheme in self._tokenizer.tokenize("。".join(map(_composed, bulk))):
                if morpheme.surface() == "。":
                    parts.append("")
                    continue
                kind = morpheme.part_of_speech()[0]
                parts[-1] += _reading(morpheme.surface(), morpheme.reading_form(), kind)
            if len(parts) != len(bulk):
                parts = [self.read(text) for text in bulk]
            readings += [japanese_spelling(part) for part in parts]
        return readings

    def lemma_reading(self, lemma: str) -> str:
        """The hiragana reading of a dictionary form, so that 直す, 治す and なおす are one."""
        return self._lemma_reading(lemma)

    def _read_lemma(self, lemma: str) -> str:
        return "".join(token.reading for token in self.tokens(base_view(lemma).text))


def create_reader() -> JapaneseReader:
    """Load the dictionary and return a reader."""
    import sudachipy  # 50 ms and 40 MB: only for processes that read Japanese

    dictionary = sudachipy.Dictionary(dict="small")
    make = getattr(dictionary, "tokenizer", None) or dictionary.create
    return JapaneseReader(make(mode=sudachipy.SplitMode.A))


def _token(morpheme: _Morpheme, offset: int) -> Token:
    kind, detail, *_, form = morpheme.part_of_speech()
    surface = morpheme.surface()
    return Token(
        start=offset + morpheme.begin(),
        end=offset + morpheme.end(),
        surface=surface,
        reading=_reading(surface, morpheme.reading_form(), kind),
        lemma=morpheme.dictionary_form(),
        kind=kind,
        detail=detail,
        form=form,
    )


def _composed(text: str) -> str:
    return text if text.isalpha() else base_view(text).text


def _reading(surface: str, reading: str, kind: str) -> str:
    kana = to_hiragana(surface)
    if kind in _SILENT_CLASSES and not surface.isalpha():
        return ""
    if all("ぁ" <= character <= "ん" or character == "ー" for character in kana):
        return kana
    if kind in _SILENT_CLASSES:
        return kana
    return to_hiragana(reading) or kana


def _reading_view(base: View, tokens: tuple[Token, ...]) -> View:
    """The words' readings end to end; kana keep their own spans, other words share the word's."""
    characters: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    edges: set[int] = set()
    for token in tokens:
        edges.add(len(characters))
        own = len(token.reading) == token.end - token.start
        for index, character in enumerate(token.reading):
            first = token.start + index if own else token.start
            last = token.start + index + 1 if own else token.end
            characters.append(character)
            starts.append(base.starts[first])
            ends.append(base.ends[last - 1])
        if not token.reading:
            characters.append("。")
            starts.append(base.starts[token.start])
            ends.append(base.ends[token.end - 1])
        edges.add(len(characters))
    spelled = View("".join(characters), tuple(starts), tuple(ends))
    return japanese_surface(spelled, edges)
