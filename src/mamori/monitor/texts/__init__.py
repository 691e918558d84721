"""Every text for people, in Japanese and in English, under the same keys."""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import Final

LANGUAGES: Final = ("ja", "en")


class Texts:
    """The texts of one language; a key that is missing is a programming error (KeyError)."""

    def __init__(self, language: str) -> None:
        self.language = language if language in LANGUAGES else "en"
        self._texts = catalogue(self.language)

    def __call__(self, key: str, **values: object) -> str:
        """The text under ``key`` with its ``{placeholders}`` filled."""
        return self._texts[key].format(**values)

    def category(self, category: str) -> str:
        """The policy's word for a category; a firm's own category keeps its name."""
        if category.startswith("custom:"):
            return category.removeprefix("custom:")
        return self._texts[f"category.{category}"]


@cache
def catalogue(language: str) -> dict[str, str]:
    """All texts of one of ``LANGUAGES`` by key."""
    source = resources.files(__package__) / f"{language}.json"
    texts: dict[str, str] = json.loads(source.read_text(encoding="utf-8"))
    return texts
