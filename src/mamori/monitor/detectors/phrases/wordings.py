"""Whole phrases of a book's rules, as a person would write them: for a recogniser to look out for.

A rule's patterns have choices and gaps; a recogniser can only be shown one wording at a time.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from mamori.monitor.detectors.phrases.book import PhraseRule
from mamori.monitor.detectors.phrases.patterns import Part, expand
from mamori.monitor.detectors.phrases.texts import Language

# Of the misheard lines whose rule was among the candidates with all wordings of 400 a pattern, 200
# lost 1 to 4 points of 59 (Japanese), 75 (Korean) and 87 (English) in a hundred, 50 lost 12 to 17.
MOST_WORDINGS: Final = 400
# Steps of this share of a whole come nowhere near each other for long.
_GOLDEN: Final = 0.618


@dataclass(frozen=True, slots=True)
class Wording:
    """One wording of a rule's phrase; ``text`` is its ``parts`` with nothing in the gaps.

    ``rule`` and ``pattern`` are numbers, each pattern's over all rules. ``letters`` is what fuzzy
    comparison sees of it; ``units`` its length to the ear.
    """

    rule: int
    pattern: int
    text: str
    parts: tuple[str, ...]
    letters: str
    units: int


def wordings(
    rules: Sequence[PhraseRule], language: Language, *, most: int = MOST_WORDINGS
) -> Iterator[Wording]:
    """At most ``most`` (1 or more) of each pattern, evenly from all of its choices, in order.

    None of rules that are bound to spelling: who is shown a spelling writes it, whatever was said.
    """
    pattern = 0
    for number, rule in enumerate(rules):
        for phrase in rule.phrases:
            pattern += 1
            if not rule.spelling_only:
                for parts in _choices(expand(phrase), most):
                    yield _wording(number, pattern, parts, language)


def _wording(rule: int, pattern: int, parts: tuple[str, ...], language: Language) -> Wording:
    # Part by part as the rules are filed: the pieces are known, joined ones would be read anew.
    sounds = language.read(parts) or [language.spell(part) for part in parts]
    return Wording(
        rule,
        pattern,
        language.join(parts),
        parts,
        language.letters("".join(sounds))[0],
        sum(language.units(parts)),
    )


def _choices(parts: Sequence[Part], most: int) -> Iterator[tuple[str, ...]]:
    total = math.prod(len(part) for part in parts)
    for number in spread(total, most):
        chosen, rest = [], number
        for part in reversed(parts):
            rest, choice = divmod(rest, len(part))
            chosen.append(part[choice])
        yield tuple(reversed(chosen))


def spread(total: int, most: int) -> Iterator[int]:
    """All of ``range(total)``, or ``most`` different ones of it, spread evenly."""
    if total <= most:
        yield from range(total)
        return
    # Even steps would meet the same choice of the last part again and again.
    step = int(total * _GOLDEN)
    while math.gcd(step, total) != 1:
        step += 1
    yield from (index * step % total for index in range(most))
