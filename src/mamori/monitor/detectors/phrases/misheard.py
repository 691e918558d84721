"""Longer phrases found although the recogniser misheard a sound or two."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import ceil
from typing import Final

from rapidfuzz import fuzz

from mamori.monitor.detectors.phrases.index import LiteralIndex

# An utterance of 8 s has about 80 characters; nobody speaks this many in one.
_MAX_CHARACTERS: Final = 1_000
# A phrase that reaches 0.85 keeps at least this share of its neighbouring pairs of letters
# (one substitution in ten letters destroys two of nine pairs).
_PAIR_SHARE: Final = 0.5
# The ending separates an order from a question: almost every false hit at 0.65 differed only there.
_TAIL_SHARE: Final = 0.4
# Any sound may be wrong only in a phrase this long: in shorter ones a single sound is often the
# verb itself (許してやる, 殺してやる), which gave 28 false hits in 1,140 fair lines.
_LEAST_FREE_LETTERS: Final = 10
# Fewer letters than this (long vowels left out) are in half of all sentences.
_LEAST_LETTERS: Final = 5
# Sounds that recognisers confuse cost half of others in the similarity.
_CONFUSION_COST: Final = 0.5
_SOUND_CLASS: Final = str.maketrans(
    "がぎぐげござじずぜぞだぢづでどばびぶべぼぱぴぷぺぽぢづゐゑを",
    "かきくけこさしすせそたしすてとはひふへほはひふへほしすいえお",
)


@dataclass(frozen=True, slots=True)
class Misheard:
    """A phrase near enough to ``text[start:end]``; ``owner`` is what it was filed under."""

    owner: int
    start: int
    end: int
    similarity_ratio: float


class MisheardIndex:
    """Phrases filed by their pairs of letters, so that only likely ones are compared.

    A phrase is misheard if it is the same but for sounds that recognisers confuse (voicing, not
    at the end), or, from ten letters on, if the whole, its beginning and its ending are similar
    enough.
    """

    def __init__(self, phrases: Iterable[tuple[int, str]], threshold_ratio: float) -> None:
        """Phrases as (owner, letters); ``threshold_ratio`` in [0, 1]."""
        self._threshold = threshold_ratio * 100
        self._phrases = sorted({each for each in phrases if len(each[1]) >= _LEAST_LETTERS})
        self._folded = LiteralIndex()
        self._pair_counts: dict[int, int] = {}
        self._by_pair: dict[str, list[int]] = {}
        for index, (_, phrase) in enumerate(self._phrases):
            self._folded.add(phrase.translate(_SOUND_CLASS), index)
            if len(phrase) >= _LEAST_FREE_LETTERS:
                pairs = _pairs(phrase)
                self._pair_counts[index] = len(pairs)
                for pair in pairs:
                    self._by_pair.setdefault(pair, []).append(index)

    def find(self, text: str) -> list[Misheard]:
        """The best hit per owner; none in texts longer than an utterance can be."""
        if not 1 < len(text) <= _MAX_CHARACTERS:
            return []
        best: dict[int, Misheard] = {}
        for hit in self._candidates(text):
            if hit.owner not in best or hit.similarity_ratio > best[hit.owner].similarity_ratio:
                best[hit.owner] = hit
        return list(best.values())

    def _candidates(self, text: str) -> Iterator[Misheard]:
        for index, spans in self._folded.find(text.translate(_SOUND_CLASS)).items():
            hit = self._confused(index, text, spans[0][0])
            if hit is not None:
                yield hit
        shared: Counter[int] = Counter()
        for pair in _pairs(text):
            shared.update(self._by_pair.get(pair, ()))
        for index, count in shared.items():
            if count >= self._pair_counts[index] * _PAIR_SHARE:
                hit = self._similar(index, text)
                if hit is not None:
                    yield hit

    def _confused(self, index: int, text: str, start: int) -> Misheard | None:
        """The phrase with nothing wrong but sounds of the same class."""
        owner, phrase = self._phrases[index]
        end = start + len(phrase)
        wrong = sum(a != b for a, b in zip(phrase, text[start:end], strict=True))
        similarity = 1.0 - _CONFUSION_COST * wrong / len(phrase)
        if similarity * 100 < self._threshold or text[end - 1] != phrase[-1]:
            return None
        return Misheard(owner, start, end, similarity)

    def _similar(self, index: int, text: str) -> Misheard | None:
        """A long phrase with any sounds wrong, but neither its beginning nor its ending."""
        owner, phrase = self._phrases[index]
        if len(text) < len(phrase):
            # A partial ratio would call any fragment of the phrase a full match.
            score, start, end = fuzz.ratio(phrase, text), 0, len(text)
        else:
            hit = fuzz.partial_ratio_alignment(phrase, text, score_cutoff=self._threshold)
            if hit is None:
                return None
            score, start, end = hit.score, hit.dest_start, hit.dest_end
        part = ceil(len(phrase) * _TAIL_SHARE)
        heard = text[start:end]
        if (
            min(
                score,
                fuzz.ratio(phrase[:2], heard[:2]),
                _covers(phrase[-part:], heard[-part - 1 :]),
            )
            < self._threshold
        ):
            return None
        return Misheard(owner, start, end, score / 100)


def _covers(tail: str, heard: str) -> float:
    return fuzz.partial_ratio(tail, heard) if len(heard) >= len(tail) else 0.0


def _pairs(text: str) -> set[str]:
    return {text[index : index + 2] for index in range(len(text) - 1)}
