"""The arithmetic of the measurements, and the tables that they are shown in. No file, no model."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from rapidfuzz.distance import Levenshtein

# Two-sided 95 %.
_Z: Final = 1.959964
_RESAMPLES: Final = 2_000
_BOOTSTRAP_SEED: Final = 1
# The kana that a reading is written with, ぁ to ん and ァ to ン, without signs and long marks.
_SCRIPTS: Final = (range(0x3041, 0x3094), range(0x30A1, 0x30F4))


def wilson(hits: int, of: int) -> tuple[float, float]:
    """The 95 % Wilson score interval of a share, within [0, 1]; ValueError for shares of nothing.

    Wilson, Journal of the American Statistical Association 22 (1927).
    """
    if not 0 <= hits <= of or of == 0:
        raise ValueError(f"{hits} of {of} is no share")
    share, z2 = hits / of, _Z * _Z
    middle = (share + z2 / (2 * of)) / (1 + z2 / of)
    half = _Z / (1 + z2 / of) * math.sqrt(share * (1 - share) / of + z2 / (4 * of * of))
    # At the ends the exact bound is 0 or 1; rounding must not say otherwise.
    return (0.0 if hits == 0 else middle - half, 1.0 if hits == of else middle + half)


def character_error(heard: str, said: str) -> float:
    """Edits of letters over the letters said; spaces and punctuation dropped. May exceed 1."""
    edits, letters = letter_edits(heard, said)
    return edits / letters


def letter_edits(heard: str, said: str) -> tuple[int, int]:
    """Edits of letters and how many letters were said; spaces and punctuation dropped."""
    truth = _letters(said)
    return Levenshtein.distance(_letters(heard), truth), len(truth)


def _letters(text: str) -> str:
    return re.sub(r"[\W_]", "", text)


def damage_kana(text: str, share: float, rng: random.Random) -> str:
    """Each kana replaced with probability ``share`` by another one of its script."""
    return "".join(
        _other_kana(letter, rng) if _script_of(letter) and rng.random() < share else letter
        for letter in text
    )


def _script_of(letter: str) -> range | None:
    return next((script for script in _SCRIPTS if ord(letter) in script), None)


def _other_kana(letter: str, rng: random.Random) -> str:
    script = _script_of(letter)
    assert script is not None
    return rng.choice([chr(code) for code in script if code != ord(letter)])


@dataclass(frozen=True, slots=True)
class Share:
    """Hits of a number of trials; ``warned`` of the hits are at ``warning`` or above."""

    hits: int
    of: int
    warned: int | None = None

    def as_share(self) -> str:
        """``.28 (.19), interval .25-.31``; a share of nothing as a count."""
        if not self.of:
            return self.as_count()
        warned = "" if self.warned is None else f" ({_two_digits(self.warned / self.of)})"
        return f"{_two_digits(self.hits / self.of)}{warned}, {self._interval()}"

    def as_count(self) -> str:
        """``5 of 511 (0), interval .004-.023``; the brackets only where there are hits."""
        if not self.of:
            return "0 of 0"
        warned = "" if self.warned is None or not self.hits else f" ({self.warned})"
        return f"{self.hits} of {self.of}{warned}, {self._interval()}"

    def as_json(self) -> dict[str, Any]:
        """The counts and the interval, which a share of nothing has not."""
        if not self.of:
            return {"hits": self.hits, "of": self.of}
        low, high = wilson(self.hits, self.of)
        figures = {"hits": self.hits, "of": self.of, "low": round(low, 4), "high": round(high, 4)}
        return figures if self.warned is None else figures | {"warned": self.warned}

    def _interval(self) -> str:
        low, high = wilson(self.hits, self.of)
        return f"interval {_bound(low)}-{_bound(high)}"


def _two_digits(value: float) -> str:
    return f"{value:.2f}".removeprefix("0")


def _bound(value: float) -> str:
    """Two digits, three where the first is a zero; 0 and 1 as they are."""
    if value in {0.0, 1.0}:
        return f"{value:.0f}"
    return f"{value:.{3 if value < 0.1 else 2}f}".removeprefix("0")


@dataclass(frozen=True, slots=True)
class Mean:
    """A mean over recordings with its interval, and the same figure over all of them as one text.

    ``low`` and ``high`` are 95 % bounds by bootstrap over the recordings.
    """

    mean: float
    low: float
    high: float
    corpus: float
    of: int

    @classmethod
    def of_errors(cls, edits: Sequence[int], letters: Sequence[int]) -> Mean:
        """From the edits and the letters said of each recording; ValueError for none of them."""
        if not letters or not all(letters):
            raise ValueError("every recording needs letters to compare with")
        errors = [wrong / said for wrong, said in zip(edits, letters, strict=True)]
        low, high = bootstrap(errors)
        mean = math.fsum(errors) / len(errors)
        return cls(mean, low, high, sum(edits) / sum(letters), len(errors))

    def as_text(self) -> str:
        """``.139 (.110-.170), corpus .121, of 75``."""
        low, high = error(self.low), error(self.high)
        return f"{error(self.mean)} ({low}-{high}), corpus {error(self.corpus)}, of {self.of}"

    def as_json(self) -> dict[str, Any]:
        """All of it, four digits."""
        names = ("mean", "low", "high", "corpus")
        return {name: round(getattr(self, name), 4) for name in names} | {"of": self.of}


def bootstrap(values: Sequence[float]) -> tuple[float, float]:
    """The percentile 95 % interval of the mean, of 2000 resamples that are always the same ones.

    Efron and Tibshirani, An Introduction to the Bootstrap (1993), section 13.3.
    """
    rng = random.Random(_BOOTSTRAP_SEED)
    count_ = len(values)
    means = sorted(math.fsum(rng.choices(values, k=count_)) / count_ for _ in range(_RESAMPLES))
    return means[round(0.025 * _RESAMPLES)], means[round(0.975 * _RESAMPLES) - 1]


Show = Callable[[Any], str]


def count(share: Share) -> str:
    """A cell that says how many."""
    return share.as_count()


def ratio(share: Share) -> str:
    """A cell that says what part."""
    return share.as_share()


def error(value: float) -> str:
    """A character error, three digits."""
    return f"{value:.3f}".removeprefix("0")


def mean(value: Mean) -> str:
    """A cell that holds a mean with its interval."""
    return value.as_text()


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One table: what the rows are called, the columns with how each is shown, and the rows."""

    title: str
    rows_are: str
    columns: Sequence[tuple[str, Show]]
    rows: dict[str, Sequence[Any]] = field(default_factory=dict)

    def markdown(self) -> str:
        """The table as the document holds it; None is an empty cell."""
        names = [self.rows_are, *(name for name, _ in self.columns)]
        lines = [f"| {' | '.join(names)} |", "|" + "---|" * len(names)]
        for name, values in self.rows.items():
            cells = [
                "" if value is None else show(value)
                for value, (_, show) in zip(values, self.columns, strict=True)
            ]
            lines.append(f"| {' | '.join([name, *cells])} |")
        return f"### {self.title}\n\n" + "\n".join(lines)

    def as_json(self) -> dict[str, Any]:
        """The same with plain numbers."""
        names = [name for name, _ in self.columns]
        return {
            row: {
                name: value.as_json() if isinstance(value, Share | Mean) else value
                for name, value in zip(names, values, strict=True)
            }
            for row, values in self.rows.items()
        }


@dataclass(slots=True)
class Report:
    """What one measurement found: its tables, and single figures by name.

    ``costs`` are figures of the machine: they differ from run to run. ``notes`` stand before all.
    """

    tables: list[Table] = field(default_factory=list)
    costs: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def markdown(self) -> str:
        """The notes, the tables one after another, then the costs."""
        parts = [*self.notes, *(table.markdown() for table in self.tables)]
        parts += [f"{name}: {value:g}" for name, value in self.costs.items()]
        return "\n\n".join(parts)

    def as_json(self) -> dict[str, Any]:
        """The tables by their titles."""
        return {"tables": {t.title: t.as_json() for t in self.tables}, "costs": self.costs}
