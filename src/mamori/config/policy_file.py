"""The firm's policy as a reviewed, versioned file: clauses, thresholds, escalation and guidance."""

from __future__ import annotations

import datetime
import tomllib
from collections import Counter
from importlib import resources
from pathlib import Path
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mamori.config.problems import NOT_TOML, describe, nearest
from mamori.errors import ConfigError
from mamori.monitor.events import Category, Severity, is_category

OTHER: Final = "other"
"""The clause and the guidance for a firm's own categories that name no other."""

# Media time is counted in whole milliseconds; what rounds to none of them would never be reached.
_ONE_MS_IN_SECONDS: Final = 0.001
_ONE_MS_IN_MINUTES: Final = _ONE_MS_IN_SECONDS / 60
# A demand is not told twice in less.
_SHORTEST_WINDOW_MINUTES: Final = 1 / 60


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Clause(_Section):
    """One clause of the policy, in its own words, and the categories that come under it."""

    id: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    ja: str = Field(min_length=1)
    en: str = Field(min_length=1)
    categories: tuple[str, ...]


class ClockStage(_Section):
    """A stage of the call clock."""

    stage: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    minutes: float = Field(ge=_ONE_MS_IN_MINUTES, le=24 * 60)
    severity: Severity


class RepeatedDemand(_Section):
    """When the same demand has been told too often."""

    attention_count: int = Field(ge=2, le=20)
    warning_count: int = Field(ge=2, le=20)
    window_minutes: float = Field(ge=_SHORTEST_WINDOW_MINUTES, le=180)


class RaisedVoice(_Section):
    """When a voice counts as raised, against the caller's own baseline."""

    rise_db: float = Field(ge=3, le=40)
    attention_seconds: float = Field(ge=1, le=60)
    warning_seconds: float = Field(ge=1, le=60)


class Alerts(_Section):
    """How alerts are shown."""

    update_cooldown_seconds: float = Field(ge=0, le=600)


class Escalation(_Section):
    """Several detections of one category within a time raise the alert's severity."""

    category: str
    count: int = Field(ge=2, le=100)
    within_seconds: float = Field(ge=_ONE_MS_IN_SECONDS, le=24 * 3600)
    severity: Severity


class GuidanceText(_Section):
    """What helps in the moment, for the agent and for the supervisor."""

    agent: str = Field(min_length=1)
    supervisor: str = Field(min_length=1)


class Guidance(_Section):
    """The same guidance in both languages."""

    ja: GuidanceText
    en: GuidanceText


class Policy(_Section):
    """A whole policy; ``version`` stands in every alert that it raises, ``date`` in no alert."""

    version: str = Field(pattern=r"^\d{4}\.\d{1,2}\.\d+$")
    date: datetime.date
    clause: Annotated[tuple[Clause, ...], Field(min_length=1)]
    call_clock: tuple[ClockStage, ...]
    repeated_demand: RepeatedDemand
    raised_voice: RaisedVoice
    alerts: Alerts
    escalation: tuple[Escalation, ...] = ()
    guidance: dict[str, Guidance]

    def clause_of(self, category: str) -> Clause:
        """The clause that ``category`` comes under, ``other`` for what no clause names."""
        for clause in self.clause:
            if category in clause.categories:
                return clause
        return next(clause for clause in self.clause if clause.id == OTHER)

    def guidance_key_of(self, category: str) -> str:
        """The key of the guidance for ``category``."""
        return category if category in self.guidance else OTHER

    def guidance_text(self, key: str, language: str) -> GuidanceText:
        """The guidance in ``language``: Japanese for ``ja``, English for every other."""
        guidance = self.guidance[key]
        return guidance.ja if language == "ja" else guidance.en


def load_policy(path: Path | None = None) -> Policy:
    """Read a policy, the bundled one by default; ConfigError with every problem at once."""
    if path is None:
        source = resources.files("mamori.config") / "policy" / "default.toml"
        return _parse(source.read_text(encoding="utf-8"), "default policy")
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            [f"{path}: cannot be read: {error.strerror}"], code="bad_policy"
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError([f"{path}: not UTF-8 text: {error}"], code="bad_policy") from error
    return _parse(text, str(path))


def _parse(text: str, source: str) -> Policy:
    try:
        tree = tomllib.loads(text)
    except NOT_TOML as error:
        raise ConfigError([f"{source}: not a TOML file: {error}"], code="bad_policy") from error
    try:
        policy = Policy.model_validate(tree)
    except ValidationError as error:
        problems = [describe(p, Policy, source) for p in error.errors(include_url=False)]
        raise ConfigError(problems, code="bad_policy") from error
    problems = [f"{source}: {problem}" for problem in _contradictions(policy)]
    if problems:
        raise ConfigError(problems, code="bad_policy")
    return policy


def _contradictions(policy: Policy) -> list[str]:
    """What single fields cannot show: categories, order of thresholds, completeness of texts."""
    named = Counter(category for clause in policy.clause for category in clause.categories)
    known = [category.value for category in Category]
    problems = [
        f"clause: unknown category {category!r}{nearest(category, known)}, or custom:<name>"
        for category in [*named, *(rule.category for rule in policy.escalation)]
        if not is_category(category)
    ]
    problems += [
        f"clause: category {category!r} stands in {count} clauses; it belongs in one"
        for category, count in named.items()
        if count > 1
    ]
    problems += [
        f"clause: category {category!r} comes under no clause"
        for category in known
        if category not in named
    ]
    ids = Counter(clause.id for clause in policy.clause)
    problems += [f"clause: id {name!r} is used twice" for name, count in ids.items() if count > 1]
    if OTHER not in ids:
        problems.append(f"clause: a clause with id {OTHER!r} is needed for custom categories")
    minutes = [stage.minutes for stage in policy.call_clock]
    if minutes != sorted(set(minutes)):
        problems.append(f"call_clock: minutes must rise from stage to stage, not {minutes}")
    if policy.repeated_demand.warning_count < policy.repeated_demand.attention_count:
        problems.append("repeated_demand: warning_count must not be below attention_count")
    if policy.raised_voice.warning_seconds < policy.raised_voice.attention_seconds:
        problems.append("raised_voice: warning_seconds must not be below attention_seconds")
    allowed = {*named, *known, OTHER}
    problems += [
        f"guidance.{key}: no such category{nearest(key, allowed)}"
        for key in policy.guidance
        if key not in allowed
    ]
    if OTHER not in policy.guidance:
        problems.append(f"guidance.{OTHER}: missing; it serves every category without its own")
    return problems
