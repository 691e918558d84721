"""Reads phrase rules from TOML: the package's own and a firm's, every mistake named at once.

Refused are unknown keys, wrong values, phrases that cannot be read, and any rule whose examples
do not match or whose counter-examples do.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from importlib.resources import files
from pathlib import Path
from typing import Final, Literal

from mamori.config.problems import NOT_TOML
from mamori.errors import ConfigError
from mamori.monitor.detectors.phrases import (
    LANGUAGES,
    Context,
    ContextEffect,
    Language,
    PatternError,
    PhraseBook,
    PhraseMatcher,
    PhraseRule,
    check_examples,
    create_language,
    expand,
)
from mamori.monitor.events import Category, Severity, is_category

_FILE_KEYS: Final = ("language", "context", "rule")
_CONTEXT_KEYS: Final = ("id", "effect", "before", "after", "anywhere", "in_quotes")
_TextKey = Literal[
    "phrases", "readings", "unless", "unless_phrases", "examples", "counter_examples"
]
_TEXT_KEYS: Final[tuple[_TextKey, ...]] = (
    "phrases",
    "readings",
    "unless",
    "unless_phrases",
    "examples",
    "counter_examples",
)
_RULE_KEYS: Final = ("id", "category", "severity", "fuzzy", "spelling_only", *_TEXT_KEYS)
_PATTERN_KEYS: Final = ("phrases", "readings", "unless_phrases", "before", "after", "anywhere")
# One example shows the words, the second that the rule is more than one sentence.
_LEAST_EXAMPLES: Final[dict[_TextKey, int]] = {"examples": 2, "counter_examples": 1}


def load_phrase_book(language: str, extra_paths: Sequence[Path] = ()) -> PhraseBook:
    """The rules of ``language`` (``ja``, ``ko``, ``en``) with those of the firm's own files.

    A firm's file may use the package's contexts, add its own and add rules of any category, its own
    ``custom:<name>`` included; files of another language are passed over. ConfigError names every
    problem: file, rule, key, what is allowed.
    """
    return load_phrase_matcher(language, extra_paths).book


def load_phrase_matcher(
    language: str, extra_paths: Sequence[Path] = (), *, eyes: Language | None = None
) -> PhraseMatcher:
    """The same rules, compiled; checking the examples compiles them anyway.

    ``eyes`` shares an already loaded dictionary between several matchers and detectors.
    """
    if language not in LANGUAGES:
        raise ConfigError([f"language: {language!r} has no phrases; {_allowed(LANGUAGES)}"])
    reader = _Reader(language)
    reader.read_package()
    for path in extra_paths:
        reader.read_path(path)
    reader.stop_if_wrong()
    book = PhraseBook(language=language, rules=tuple(reader.rules), contexts=tuple(reader.contexts))
    matcher = PhraseMatcher(book, eyes or create_language(language))
    for rule_id, key, message in check_examples(matcher):
        reader.problems.append(f"{reader.homes[rule_id]}: rule {rule_id}: {key}: {message}")
    reader.stop_if_wrong()
    return matcher


class _Reader:
    """Collects rules, contexts and problems over all files of one language."""

    def __init__(self, language: str) -> None:
        self.language = language
        self.rules: list[PhraseRule] = []
        self.contexts: list[Context] = []
        self.homes: dict[str, str] = {}
        self.problems: list[str] = []

    def stop_if_wrong(self) -> None:
        if self.problems:
            raise ConfigError(self.problems, code="bad_phrases")

    def read_package(self) -> None:
        name = f"{self.language}.toml"
        text = files("mamori.config").joinpath("phrases", name).read_text(encoding="utf-8")
        self._read(f"phrases/{name}", text)

    def read_path(self, path: Path) -> None:
        try:
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            self.problems.append(f"{path}: no such file")
        except (OSError, UnicodeDecodeError) as error:
            self.problems.append(f"{path}: cannot be read as UTF-8 text: {error}")
        else:
            self._read(str(path), text)

    def _read(self, home: str, text: str) -> None:
        try:
            document = tomllib.loads(text)
        except NOT_TOML as error:
            self.problems.append(f"{home}: is not TOML: {error}")
            return
        if document.get("language") not in LANGUAGES:
            self.problems.append(
                f"{home}: language: {document.get('language')!r}; {_allowed(LANGUAGES)}"
            )
        elif document["language"] != self.language:
            # A node of several languages is given the files of all of them.
            return
        self._refuse_unknown(home, document, _FILE_KEYS)
        for kind, make in (("context", self._context), ("rule", self._rule)):
            entries = document.get(kind, [])
            if not isinstance(entries, list):
                self.problems.append(f"{home}: {kind}: must be tables [[{kind}]]")
                continue
            for number, entry in enumerate(entries, start=1):
                make(home, number, entry)

    def _context(self, home: str, number: int, entry: Mapping[str, object]) -> None:
        where, name = self._identity(home, "context", number, entry)
        self._refuse_unknown(where, entry, _CONTEXT_KEYS)
        effect = entry.get("effect", "drop")
        if effect not in set(ContextEffect):
            self.problems.append(f"{where}: effect: {effect!r}; {_allowed(ContextEffect)}")
            effect = "drop"
        sides = {key: self._texts(where, entry, key) for key in ("before", "after", "anywhere")}
        in_quotes = self._flag(where, entry, "in_quotes", False)
        if not (any(sides.values()) or in_quotes):
            self.problems.append(
                f"{where}: needs at least one of before, after, anywhere, in_quotes"
            )
        elif name:
            self.contexts.append(
                Context(
                    id=name,
                    effect=ContextEffect(str(effect)),
                    before=sides["before"],
                    after=sides["after"],
                    anywhere=sides["anywhere"],
                    in_quotes=in_quotes,
                )
            )

    def _rule(self, home: str, number: int, entry: Mapping[str, object]) -> None:
        before = len(self.problems)
        where, name = self._identity(home, "rule", number, entry)
        self._refuse_unknown(where, entry, _RULE_KEYS)
        category, severity = entry.get("category"), entry.get("severity")
        if not isinstance(category, str) or not is_category(category):
            self.problems.append(
                f"{where}: category: {category!r}{_nearest(category, Category)}; "
                f"{_allowed(Category)} or custom:<name>"
            )
        if severity not in set(Severity):
            self.problems.append(f"{where}: severity: {severity!r}; {_allowed(Severity)}")
        texts = {key: self._texts(where, entry, key) for key in _TEXT_KEYS}
        if not texts["phrases"]:
            self.problems.append(f"{where}: phrases: needs at least one")
        for key, least in _LEAST_EXAMPLES.items():
            if len(texts[key]) < least:
                self.problems.append(f"{where}: {key}: needs at least {least}")
        known = [context.id for context in self.contexts]
        for context in texts["unless"]:
            if context not in known:
                self.problems.append(
                    f"{where}: unless: no context {context!r}"
                    f"{_nearest(context, known)}; {_allowed(known)}"
                )
        flags = {key: self._flag(where, entry, key, default) for key, default in _FLAGS.items()}
        if len(self.problems) == before:
            self.rules.append(
                PhraseRule(
                    id=name,
                    category=str(category),
                    severity=Severity(str(severity)),
                    phrases=texts["phrases"],
                    readings=texts["readings"],
                    unless=texts["unless"],
                    unless_phrases=texts["unless_phrases"],
                    fuzzy=flags["fuzzy"],
                    spelling_only=flags["spelling_only"],
                    examples=texts["examples"],
                    counter_examples=texts["counter_examples"],
                )
            )

    def _identity(
        self, home: str, kind: str, number: int, entry: Mapping[str, object]
    ) -> tuple[str, str]:
        name = entry.get("id")
        if not isinstance(name, str) or not name.strip():
            self.problems.append(f"{home}: {kind} {number}: id: must be a non-empty text")
            return f"{home}: {kind} {number}", ""
        known = self.homes if kind == "rule" else {each.id for each in self.contexts}
        if name in known:
            self.problems.append(f"{home}: {kind} {name}: id: is already taken")
        if kind == "rule":
            self.homes[name] = home
        return f"{home}: {kind} {name}", name

    def _texts(self, where: str, entry: Mapping[str, object], key: str) -> tuple[str, ...]:
        """The list of texts under ``key``; patterns are tried, so that bad ones are named here."""
        value = entry.get(key, [])
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            self.problems.append(f"{where}: {key}: must be a list of texts")
            return ()
        if key in _PATTERN_KEYS:
            for pattern in value:
                try:
                    expand(pattern)
                except PatternError as error:
                    self.problems.append(f"{where}: {key}: {pattern!r} {error}")
        return tuple(value)

    def _flag(self, where: str, entry: Mapping[str, object], key: str, default: bool) -> bool:
        value = entry.get(key, default)
        if not isinstance(value, bool):
            self.problems.append(f"{where}: {key}: {value!r}; allowed: true, false")
            return default
        return value

    def _refuse_unknown(
        self, where: str, entry: Mapping[str, object], allowed: Sequence[str]
    ) -> None:
        for key in entry:
            if key not in allowed:
                self.problems.append(
                    f"{where}: {key}: unknown key{_nearest(key, allowed)}; {_allowed(allowed)}"
                )


_FLAGS: Final[dict[Literal["fuzzy", "spelling_only"], bool]] = {
    "fuzzy": True,
    "spelling_only": False,
}


def _allowed(names: Sequence[str] | type[Category | Severity | ContextEffect]) -> str:
    return "allowed: " + ", ".join(str(name) for name in names)


def _nearest(name: object, known: Sequence[str] | type[Category]) -> str:
    near = get_close_matches(str(name), [str(each) for each in known], n=1)
    return f" (did you mean {near[0]!r}?)" if near else ""
