"""Whole written calls through phrases and repeated demands together, also misheard."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any, Final

from tools.measure.data import lines
from tools.measure.figures import Report, Share, Table, count, damage_kana
from tools.measure.sessions import alerts_of_turns

from mamori.monitor.app.pipeline import Pipeline
from mamori.monitor.app.replay import Turn
from mamori.monitor.events import Category, Severity

_FILE: Final = "ja_calls.jsonl"
_DAMAGE: Final = 0.1
# Of one seed, so that every run damages the same kana.
_SEED: Final = 1
_KINDS: Final = {"harassment": "harassing", "fair": "fair"}
_REPEATED: Final = Category.REPEATED_DEMAND


def measure() -> Report:
    """Calls with an alert, and calls with repeated demands in which those were found."""
    calls = list(lines(_FILE))
    pipeline = Pipeline.load(languages=("ja",))
    found = {"as written": _judge(pipeline, calls, 0.0)}
    found["one kana in ten wrong"] = _judge(pipeline, calls, _DAMAGE)
    alerts = Table(
        title="Whole calls",
        rows_are="",
        columns=[
            (f"{word}, {level}", count)
            for word in _KINDS.values()
            for level in ("any alert", "`warning` or above")
        ],
    )
    repeats = Table(
        title="Repeated demands",
        rows_are="",
        columns=[("calls with repeated demands", count), ("other calls", count)],
    )
    for name, counted in found.items():
        alerts.rows[name] = [
            Share(counted[kind, level], counted[kind, "calls"])
            for kind in _KINDS
            for level in ("any", "warning")
        ]
        repeats.rows[name] = [
            Share(counted[kind, "repeated"], counted[kind, "calls"])
            for kind in ("repeating", "other")
        ]
    return Report([alerts, repeats])


def _judge(
    pipeline: Pipeline, calls: list[dict[str, Any]], damage: float
) -> Counter[tuple[str, str]]:
    rng = random.Random(_SEED)
    counted: Counter[tuple[str, str]] = Counter()
    for call in calls:
        turns = [
            Turn(
                channel=turn["channel"],
                start_s=turn["start_s"],
                text=damage_kana(turn["text"], damage, rng),
            )
            for turn in call["turns"]
        ]
        alerts = alerts_of_turns(pipeline, turns, "ja")
        kind = call["kind"]
        counted[kind, "calls"] += 1
        counted[kind, "any"] += bool(alerts)
        counted[kind, "warning"] += any(each.severity >= Severity.WARNING for each in alerts)
        repeats = any(each["category"] == _REPEATED for each in call.get("expected", ()))
        kind = "repeating" if repeats else "other"
        counted[kind, "calls"] += 1
        counted[kind, "repeated"] += any(each.category == _REPEATED for each in alerts)
    return counted
