"""Single written lines through the detector of phrases."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

from tools.measure.data import lines
from tools.measure.figures import Report, Share, Table, count, ratio

from mamori.monitor.app.pipeline import Pipeline
from mamori.monitor.detectors.phrases import PhraseDetector
from mamori.monitor.events import Channel, FinalHypothesis, Severity

# Row, language, files.
_SETS: Final = (
    ("ja a1 a2 b1 b2", "ja", tuple(f"ja_corpus_{each}.jsonl" for each in ("a1", "a2", "b1", "b2"))),
    ("ja c e f", "ja", tuple(f"ja_corpus_{each}.jsonl" for each in "cef")),
    ("ko", "ko", ("ko_corpus.jsonl",)),
    ("en", "en", ("en_corpus.jsonl",)),
)
_STYLES: Final = {
    "blunt": ("blunt abuse", ratio),
    "polite_abuse": ("polite abuse", ratio),
    "blunt_fair": ("false alarms, blunt but fair", count),
    "polite_fair": ("false alarms, polite fair", count),
}


def measure() -> Report:
    """Which lines of each style give a detection, in brackets at ``warning`` or above."""
    report = Report()
    table = Table(title="Words", rows_are="set", columns=list(_STYLES.values()))
    sets = [
        (name, language, [line for file in files for line in lines(file)])
        for name, language, files in _SETS
    ]
    pipeline = Pipeline.load(languages=("ja", "ko", "en"))
    for name, language, told in sets:
        detector = PhraseDetector(pipeline.matchers[language], call_id="lines", language=language)
        began_s = time.process_time()
        shares = _shares(detector, language, told)
        cost_ms = (time.process_time() - began_s) * 1000 / sum(each.of for each in shares.values())
        report.costs[f"CPU ms a line, {name}"] = round(cost_ms, 2)
        table.rows[name] = [shares[style] for style in _STYLES]
    report.tables.append(table)
    return report


def _shares(
    detector: PhraseDetector, language: str, told: Sequence[dict[str, Any]]
) -> dict[str, Share]:
    """What was found by style, without the agent's lines: that channel is never judged."""
    of, found, warned = Counter[str](), Counter[str](), Counter[str]()
    for line in told:
        style = line["style"]
        if style in _STYLES:
            detections = detector.feed(_final(line["text"], language))
            of[style] += 1
            found[style] += bool(detections)
            warned[style] += any(each.severity >= Severity.WARNING for each in detections)
    return {style: Share(found[style], of[style], warned[style]) for style in _STYLES}


def _final(text: str, language: str) -> FinalHypothesis:
    return FinalHypothesis(
        call_id="lines",
        channel=Channel.CUSTOMER,
        utterance_id="customer-1",
        offset_ms=0,
        end_offset_ms=3_000,
        text=text,
        language=language,
        engine="transcript",
    )
