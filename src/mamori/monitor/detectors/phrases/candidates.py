"""Phrases that a text nearly holds: what a second reading of the utterance should look out for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from rapidfuzz import fuzz

from mamori.monitor.detectors.phrases.wordings import Wording

MOST_CANDIDATES: Final = 6
"""As many phrases before a recogniser's eyes still help it; measured with six."""

FLOOR_PERCENT: Final = 55.0
"""Less is no likeness: of 10 to 30 long phrases, 55 met one in 12 of 44 Korean clips, 50 in 28."""

# Patterns, and wordings of each, that are compared letter by letter. With all of them compared, the
# same patterns are found but for 9 of 71 (Japanese), 1 of 43 and 3 of 50 in sixty times the time.
_PATTERNS: Final = 12
_WORDINGS: Final = 24


@dataclass(frozen=True, slots=True)
class Nearness:
    """How like a text a phrase must be, in percent of its letters, to be worth a second reading.

    A book stands for tens of thousands of wordings, and by chance alone one of few letters is half
    in every sentence: what is asked falls with the letters. ``least_units`` is the shortest phrase
    that counts; ``run`` is the length of the runs of letters by which likely ones are found.
    """

    least_units: int
    run: int
    start_percent: float
    fall_percent: float

    def least_percent(self, letters: int) -> float:
        """What a phrase of so many letters must reach."""
        return max(FLOOR_PERCENT, self.start_percent - self.fall_percent * letters)


# Chosen on the development lines: of 150 fair ones with one letter in 25 misheard, 21 % (Japanese),
# 19 % (Korean) and 15 % (English) would be read again; of abusive ones with one in ten misheard,
# whose rule the first reading lost, 59 %, 75 % and 87 % have it among their candidates. The bare
# floor would read every fair line again.
NEARNESS: Final = {
    "ja": Nearness(least_units=5, run=2, start_percent=88.0, fall_percent=1.5),
    "ko": Nearness(least_units=4, run=3, start_percent=90.0, fall_percent=1.0),
    "en": Nearness(least_units=10, run=3, start_percent=85.0, fall_percent=0.5),
}
"""By language; a letter is a kana, a jamo, a letter."""


class CandidateIndex:
    """Wordings filed by their runs of letters, so that only likely ones are compared."""

    def __init__(self, wordings: Iterable[Wording], nearness: Nearness) -> None:
        """``wordings`` in the order of their patterns; shorter ones than count are left out."""
        self._nearness = nearness
        self._wordings = [each for each in wordings if each.units >= nearness.least_units]
        self._by_text: dict[str, list[Wording]] = {}
        for each in self._wordings:
            self._by_text.setdefault(each.text, []).append(each)
        self._least = [nearness.least_percent(len(each.letters)) for each in self._wordings]
        by_run: dict[str, list[int]] = {}
        runs = [self._runs(each.letters) for each in self._wordings]
        for index, own in enumerate(runs):
            for run in own:
                by_run.setdefault(run, []).append(index)
        self._by_run = {run: np.array(found, np.int32) for run, found in by_run.items()}
        self._run_share = np.array([1.0 / max(1, len(own)) for own in runs])
        patterns = np.array([each.pattern for each in self._wordings], np.int32)
        self._starts = np.flatnonzero(np.diff(patterns, prepend=-1))
        self._ends = np.append(self._starts[1:], len(self._wordings))

    def near(self, letters: str, *, is_held: Callable[[int], bool]) -> tuple[str, ...]:
        """At most ``MOST_CANDIDATES`` phrases that ``letters`` nearly holds, best first.

        One of each pattern, none of a rule (by number) that ``is_held`` says is there already.
        """
        best: dict[int, tuple[float, str]] = {}
        for index in self._likely(letters):
            wording, least = self._wordings[index], self._least[index]
            # What exceeds its own threshold most is least likely to be chance.
            known = best.get(wording.pattern)
            least_now = least if known is None else least + known[0]
            over = likeness_percent(wording.letters, letters, least_now) - least
            is_better = over >= 0 and (known is None or over > known[0])
            if is_better and not is_held(wording.rule):
                best[wording.pattern] = (over, wording.text)
        ranked = sorted(best.values(), key=lambda each: (-each[0], each[1]))
        return tuple(dict.fromkeys(text for _, text in ranked))[:MOST_CANDIDATES]

    def wordings_of(self, phrases: Iterable[str]) -> dict[int, list[Wording]]:
        """What ``near`` gave, by the numbers of the rules; phrases of other books are left out."""
        found: dict[int, list[Wording]] = {}
        for phrase in dict.fromkeys(phrases):
            for wording in self._by_text.get(phrase, ()):
                found.setdefault(wording.rule, []).append(wording)
        return found

    def _likely(self, letters: str) -> Sequence[int]:
        """Wordings that share most runs with the text, from the patterns that do."""
        found = [self._by_run[run] for run in self._runs(letters) if run in self._by_run]
        if not found:
            return ()
        counts = np.bincount(np.concatenate(found), minlength=len(self._wordings))
        shares = counts * self._run_share
        patterns = _highest(np.maximum.reduceat(shares, self._starts), _PATTERNS)
        places: list[int] = []
        for pattern in patterns:
            first, end = self._starts[pattern], self._ends[pattern]
            places += (first + _highest(shares[first:end], _WORDINGS)).tolist()
        return places

    def _runs(self, letters: str) -> set[str]:
        run = self._nearness.run
        return {letters[start : start + run] for start in range(len(letters) - run + 1)}


def likeness_percent(phrase: str, text: str, least_percent: float = 0.0) -> float:
    """How much of ``phrase`` the best stretch of ``text`` has, 0 to 100, both as letters.

    What is below ``least_percent`` is given as 0: that is found out sooner.
    """
    # A partial ratio would call any fragment of a longer phrase a full match.
    scorer = fuzz.ratio if len(text) < len(phrase) else fuzz.partial_ratio
    return scorer(phrase, text, score_cutoff=least_percent)


def _highest(values: NDArray[np.float64], most: int) -> NDArray[np.intp]:
    if len(values) <= most:
        return np.arange(len(values))
    return np.argpartition(-values, most)[:most]
