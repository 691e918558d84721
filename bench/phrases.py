"""A firm's phrase file made of the sentences that are played, so that words raise alerts.

Each sentence has a rule and a category of its own: an alert is one per call and category, and only
its opening tells when its words were heard.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Final

CATEGORY_PREFIX: Final = "custom:bench_"
_WORDS_PER_RULE: Final = 4
# Shorter words are too often part of others, or misheard.
_LEAST_SYLLABLES: Final = 3
_WORD: Final = re.compile(r"[가-힣]+")
_COUNTER_EXAMPLE: Final = "네, 잠시만요"


def phrase_file(texts: list[str]) -> str:
    """The TOML of a phrase file in Korean with one rule for each different sentence."""
    sentences = list(dict.fromkeys(texts))
    uses = Counter(word for text in sentences for word in set(_WORD.findall(text)))
    parts = ['language = "ko"\n']
    for number, text in enumerate(sentences, start=1):
        words = key_words(text, uses)
        if words:
            parts.append(_rule(number, text, words))
    return "\n".join(parts)


def key_words(text: str, uses: Counter[str]) -> list[str]:
    """The longest words of a sentence that no other sentence has, in the sentence's order."""
    own = [
        word
        for word in dict.fromkeys(_WORD.findall(text))
        if len(word) >= _LEAST_SYLLABLES and uses[word] == 1 and word not in _COUNTER_EXAMPLE
    ]
    longest = sorted(own, key=len, reverse=True)[:_WORDS_PER_RULE]
    return [word for word in own if word in longest]


def _rule(number: int, text: str, words: list[str]) -> str:
    sentence = " ".join(_WORD.findall(text))
    phrases = ", ".join(f'"{word}"' for word in words)
    return (
        "[[rule]]\n"
        f'id = "bench.{number:02}"\n'
        f'category = "{CATEGORY_PREFIX}{number:02}"\n'
        'severity = "attention"\n'
        f"phrases = [{phrases}]\n"
        f'examples = ["{sentence}", "{words[0]}"]\n'
        f'counter_examples = ["{_COUNTER_EXAMPLE}"]\n'
    )
