"""The small language that phrases are written in: choices, options and gaps.

``殺す(ぞ|から)`` stands for two phrases, ``(今)?すぐ`` for one with and one without, and
``お前…殺す`` allows up to ``GAP_CHARACTERS`` characters between its parts, within one sentence.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

GAP: Final = "…"
GAP_CHARACTERS: Final = 8
"""Long enough for an object with its particle, short enough to stay within one clause."""

MAX_ALTERNATIVES: Final = 1_000
"""A part that stands for more than this is a rule nobody can review."""

Part = tuple[str, ...]
"""The ways to say one part of a phrase; a phrase is its parts with gaps between."""


class PatternError(ValueError):
    """A phrase that cannot be read; the message says what is wrong with it."""


# Loading checks every phrase and compiling reads it again.
@lru_cache(maxsize=4096)
def expand(pattern: str) -> tuple[Part, ...]:
    """The parts of ``pattern`` with all their alternatives; PatternError if it is malformed."""
    if not pattern.strip():
        raise PatternError("is empty")
    return tuple(_part(piece) for piece in _split_at_gaps(pattern))


def _split_at_gaps(pattern: str) -> list[str]:
    pieces, depth = [""], 0
    for character in pattern:
        depth += {"(": 1, ")": -1}.get(character, 0)
        if character != GAP:
            pieces[-1] += character
        elif depth:
            raise PatternError(f"has a '{GAP}' inside brackets")
        else:
            pieces.append("")
    return pieces


def _part(piece: str) -> Part:
    texts, rest = _alternatives(piece, 0, nested=False)
    if rest != len(piece):
        raise PatternError("has a ')' without '('")
    if not all(text.strip() for text in texts):
        raise PatternError("has a part that may be empty")
    return tuple(dict.fromkeys(texts))


def _alternatives(pattern: str, at: int, *, nested: bool) -> tuple[list[str], int]:
    """The expansions of one choice up to its ')' (or the end), and where reading stopped."""
    found: list[str] = []
    branch = [""]
    while at < len(pattern) and pattern[at] != ")":
        if pattern[at] == "|":
            if not nested:
                raise PatternError("has a '|' outside brackets")
            found.extend(branch)
            branch = [""]
            at += 1
            continue
        options, at = _element(pattern, at)
        branch = [head + option for head in branch for option in options]
        if len(branch) + len(found) > MAX_ALTERNATIVES:
            raise PatternError(f"has a part that stands for more than {MAX_ALTERNATIVES} phrases")
    return found + branch, at


def _element(pattern: str, at: int) -> tuple[list[str], int]:
    """The expansions of one character or one bracket with a following '?', and what comes next."""
    if pattern[at] == "?":
        raise PatternError("has a '?' that follows no bracket")
    if pattern[at] != "(":
        return [pattern[at]], at + 1
    options, close = _alternatives(pattern, at + 1, nested=True)
    if close >= len(pattern):
        raise PatternError("has a '(' without ')'")
    if pattern[close + 1 : close + 2] == "?":
        return [*options, ""], close + 2
    return options, close + 1
