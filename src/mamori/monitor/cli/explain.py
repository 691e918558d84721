"""``mamori explain``: what the rules find in a text, and why."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, TextIO

import typer

from mamori.config.settings import load_settings
from mamori.errors import ConfigError
from mamori.monitor.app.pipeline import Pipeline
from mamori.monitor.cli.console import print_json, print_text, reported_errors
from mamori.monitor.cli.options import ConfigOption, JsonOption, LanguageOption, PolicyOption
from mamori.monitor.detectors.phrases import PhraseMatch
from mamori.monitor.events import Severity
from mamori.monitor.texts import Texts

# One utterance never comes near this; a file that was given by mistake does.
_LONGEST_LINE = 100_000


def explain(
    file: Annotated[
        Path | None,
        typer.Argument(
            help="Text, one utterance a line, or JSON lines {text, lang}; - is standard input.",
            metavar="FILE",
        ),
    ] = None,
    language: LanguageOption = None,
    policy: PolicyOption = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Show for each utterance what would be detected: category, rule, clause and quoted words."""
    with reported_errors():
        settings = load_settings(config)
        default = language or settings.node.language
        explainer = _Explainer(
            default, policy or settings.policy.file, settings.policy.phrase_files
        )
        texts = Texts(settings.node.language)
        with _opened(file) as stream:
            for text, spoken in _utterances(stream, str(file or "-"), default):
                found = explainer.explain(text, spoken)
                if as_json:
                    print_json({"text": text, "lang": spoken, "detections": found})
                else:
                    _print_for_people(text, found, texts)


class _Explainer:
    """Pipelines by language, loaded when a line first needs them."""

    def __init__(
        self, default: str, policy_file: Path | None, phrase_files: tuple[Path, ...]
    ) -> None:
        self._policy_file = policy_file
        self._phrase_files = phrase_files
        self._pipelines = {default: self._load(default)}

    def explain(self, text: str, language: str) -> list[dict[str, Any]]:
        """The detections of one utterance, in the order of its words."""
        pipeline = self._pipelines.get(language)
        if pipeline is None:
            pipeline = self._pipelines[language] = self._load(language)
        return [self._as_dict(m, pipeline) for m in pipeline.matchers[language].match(text)]

    def _load(self, language: str) -> Pipeline:
        return Pipeline.load(
            languages=[language], policy_file=self._policy_file, phrase_files=self._phrase_files
        )

    @staticmethod
    def _as_dict(match: PhraseMatch, pipeline: Pipeline) -> dict[str, Any]:
        return {
            "category": match.category,
            "severity": match.severity.rank,
            "rule": match.rule,
            "clause": pipeline.policy.clause_of(match.category).id,
            "quote": match.quote,
            "score": match.score,
        }


def _opened(file: Path | None) -> TextIO:
    if file is None or str(file) == "-":
        return sys.stdin
    try:
        return file.open(encoding="utf-8")
    except OSError as error:
        raise ConfigError([f"{file}: cannot be read: {error.strerror}"]) from error


def _utterances(stream: TextIO, source: str, default: str) -> Iterator[tuple[str, str]]:
    lines = iter(stream)
    number = 0
    while True:
        number += 1
        try:
            line = next(lines, None)
        except UnicodeDecodeError as error:
            raise ConfigError([f"{source}:{number}: not UTF-8 text: {error}"]) from error
        if line is None:
            return
        if len(line) > _LONGEST_LINE:
            raise ConfigError([f"{source}:{number}: longer than {_LONGEST_LINE} characters"])
        if line.strip():
            yield _utterance(line.strip(), f"{source}:{number}", default)


def _utterance(line: str, source: str, default: str) -> tuple[str, str]:
    if not line.startswith("{"):
        return line, default
    try:
        fields = json.loads(line)
    except json.JSONDecodeError as error:
        raise ConfigError([f"{source}: not JSON: {error.msg} at column {error.colno}"]) from error
    except RecursionError as error:
        raise ConfigError([f"{source}: nested too deep"]) from error
    text, language = fields.get("text"), fields.get("lang", default)
    if not isinstance(text, str) or not isinstance(language, str):
        raise ConfigError([f'{source}: expected {{"text": "...", "lang": "ja"}}'])
    return text, language


def _print_for_people(text: str, found: list[dict[str, Any]], texts: Texts) -> None:
    print_text(text)
    if not found:
        print_text(f"  {texts('explain.none')}", "dim")
    for detection in found:
        category = texts.category(detection["category"])
        severity = texts(f"severity.{Severity.of_rank(detection['severity'])}")
        print_text(
            f"  [{severity}] {category}: “{detection['quote']}” "
            f"({detection['rule']}, {detection['clause']}, {detection['score']:.2f})",
            "yellow",
        )
