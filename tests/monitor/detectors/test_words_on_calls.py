"""Phrases and repeats together on whole calls, harassing and fair."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from mamori.config.phrase_files import load_phrase_matcher
from mamori.monitor.detectors.phrases import PhraseDetector
from mamori.monitor.detectors.phrases.texts import Japanese
from mamori.monitor.detectors.readings import create_reader
from mamori.monitor.detectors.repeated_demand import RepeatedDemandConfig, RepeatedDemandDetector
from mamori.monitor.events import Channel, Detection, FinalHypothesis, Severity


@pytest.fixture(scope="module")
def alarms() -> Counter[tuple[str, str]]:
    """Calls with a detection, by (kind of call, ``any`` or ``warning`` and above)."""
    path = Path(__file__).parents[4] / "shared" / "data" / "text" / "ja_calls.jsonl"
    if not path.is_file():
        pytest.skip("needs ../shared/data")
    reader = create_reader()
    matcher = load_phrase_matcher("ja", eyes=Japanese(reader))
    counted: Counter[tuple[str, str]] = Counter()
    for line in path.read_text(encoding="utf-8").splitlines():
        call = json.loads(line)
        detectors = (
            PhraseDetector(matcher, call_id=call["id"], language="ja"),
            RepeatedDemandDetector(
                RepeatedDemandConfig(), call_id=call["id"], language="ja", reader=reader
            ),
        )
        found: list[Detection] = []
        for number, turn in enumerate(call["turns"]):
            offset_ms = int(turn["start_s"] * 1000)
            final = FinalHypothesis(
                call_id=call["id"],
                channel=Channel(turn["channel"]),
                utterance_id=str(number),
                offset_ms=offset_ms,
                end_offset_ms=offset_ms + 3_000,
                text=turn["text"],
                language="ja",
                engine="transcript",
            )
            for detector in detectors:
                found += detector.feed(final)
        counted[call["kind"], "any"] += bool(found)
        counted[call["kind"], "warning"] += any(each.severity >= Severity.WARNING for each in found)
    return counted


def test_at_most_one_of_thirty_fair_calls_is_alerted_at_warning(
    alarms: Counter[tuple[str, str]],
) -> None:
    assert alarms["fair", "warning"] <= 1
    assert alarms["fair", "any"] <= 2


def test_more_than_half_of_the_harassing_calls_are_noticed(
    alarms: Counter[tuple[str, str]],
) -> None:
    assert alarms["harassment", "any"] >= 18
    assert alarms["harassment", "warning"] >= 11
