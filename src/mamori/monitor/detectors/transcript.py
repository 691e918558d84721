"""Where in a call a stretch of a reading's text was said, and how sure the recogniser is of it."""

from __future__ import annotations

from dataclasses import dataclass

from mamori.monitor.events import FinalHypothesis, RereadHypothesis, Word

Reading = FinalHypothesis | RereadHypothesis
"""What an utterance was read as: the record, or a second reading, which has no word times."""


@dataclass(frozen=True, slots=True)
class Placed:
    """Media time of a quote, and the confidence in [0, 1] of its words (None: not given)."""

    offset_ms: int
    end_offset_ms: int
    confidence: float | None


def place(reading: Reading, start: int, end: int) -> Placed:
    """Place ``reading.text[start:end]`` by word times, else in proportion within the utterance."""
    words = _covered(reading, start, end) if isinstance(reading, FinalHypothesis) else []
    if not words:
        return Placed(
            _proportional(reading, start), _proportional(reading, end), reading.confidence
        )
    known = [word.confidence for word in words if word.confidence is not None]
    confidence = sum(known) / len(known) if known else reading.confidence
    return Placed(words[0].start_ms, words[-1].end_ms, confidence)


def _covered(final: FinalHypothesis, start: int, end: int) -> list[Word]:
    """The words that overlap the span; empty where words and text do not fit each other."""
    covered = []
    position = 0
    for word in final.words:
        found = final.text.find(word.text, position)
        if found < 0:
            return []
        position = found + len(word.text)
        if found < end and position > start:
            covered.append(word)
    return covered


def _proportional(reading: Reading, index: int) -> int:
    length = max(1, len(reading.text))
    duration_ms = reading.end_offset_ms - reading.offset_ms
    return reading.offset_ms + duration_ms * min(index, length) // length
