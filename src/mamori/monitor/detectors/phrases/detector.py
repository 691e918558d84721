"""The detector of phrases: what the customer said, judged by a book of rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from mamori.monitor.detectors.phrases.matcher import PhraseMatcher
from mamori.monitor.detectors.phrases.matches import PhraseMatch
from mamori.monitor.detectors.transcript import Placed, Reading, place
from mamori.monitor.events import (
    Channel,
    Detection,
    Event,
    FinalHypothesis,
    PhraseEvidence,
    RereadHypothesis,
    Severity,
    primary_language,
)

LOW_CONFIDENCE: Final = "low_confidence"
"""The mark of a reading that the recogniser doubts, and what lowered a finding in it."""

# A second reading follows the first within seconds, an utterance lasts at least half of one.
_MOST_RECORDS: Final = 32


@dataclass(slots=True)
class _Record:
    """The first reading of an utterance, and the rules that a second one has given."""

    text: str = field(repr=False)
    reread: set[str] = field(default_factory=set)


class PhraseDetector:
    """One detection per rule and utterance, on the customer's words only.

    The agent's channel never counts: an agent who quotes an insult was insulted. Words that the
    recogniser is unsure of (confidence below ``min_confidence``, in [0, 1], or marked
    ``low_confidence``) lower the severity by one, so that they alone are never critical. The
    evidence says so, unless a context of the book lowered it already.

    A second reading counts only for the phrases that were suspected, at most as a warning, and
    only for what the utterance's final did not give already; the evidence quotes both. Of an
    utterance whose final is not remembered (of the latest 32) it counts for nothing. Hints
    (PhraseHint) are for display: nothing is detected by them.
    """

    name = "phrases"
    interests: tuple[type[Event], ...] = (FinalHypothesis, RereadHypothesis)

    def __init__(
        self,
        matcher: PhraseMatcher,
        *,
        call_id: str,
        language: str,
        min_confidence: float = 0.5,  # below it, words are wrong more often than right
    ) -> None:
        """ValueError if the matcher is of another language than the call."""
        if not 0.0 <= min_confidence <= 1.0:
            raise ValueError(f"min_confidence must be within 0..1, not {min_confidence}")
        if primary_language(language) != matcher.language:
            raise ValueError(f"a matcher of {matcher.language} cannot judge a call in {language}")
        self._matcher = matcher
        self._call_id = call_id
        self._min_confidence = min_confidence
        self._records: dict[tuple[Channel, str], _Record] = {}

    def feed(self, event: Event) -> Sequence[Detection]:
        """Judge a final, or a second reading, of the customer's channel (or of a mixed one)."""
        if not isinstance(event, FinalHypothesis | RereadHypothesis):
            return ()
        if event.channel is Channel.AGENT:
            return ()
        if primary_language(event.language) != self._matcher.language:
            return ()
        if isinstance(event, FinalHypothesis):
            matches = self._matcher.match(event.text)
            self._remember(event)
        else:
            matches = self._new_matches(event)
        return tuple(self._detection(match, event) for match in matches)

    def flush(self, offset_ms: int) -> Sequence[Detection]:
        """Nothing is ever pending."""
        return ()

    def _remember(self, final: FinalHypothesis) -> None:
        if len(self._records) == _MOST_RECORDS:
            del self._records[next(iter(self._records))]
        self._records[final.channel, final.utterance_id] = _Record(final.text)

    def _new_matches(self, reread: RereadHypothesis) -> list[PhraseMatch]:
        """What the second reading adds to the record."""
        record = self._records.get((reread.channel, reread.utterance_id))
        if record is None:
            return []
        found = self._matcher.match_again(reread.text, first=record.text, phrases=reread.phrases)
        new = [match for match in found if match.rule not in record.reread]
        record.reread.update(match.rule for match in new)
        return new

    def _detection(self, match: PhraseMatch, reading: Reading) -> Detection:
        placed = place(reading, match.start, match.end)
        severity = match.severity
        if self._is_unsure(placed, reading):
            severity = Severity.of_rank(max(1, severity.rank - 1))
        lowered_by = match.lowered_by
        if lowered_by is None and severity is not match.severity:
            lowered_by = LOW_CONFIDENCE
        return Detection(
            call_id=self._call_id,
            detector=self.name,
            rule=match.rule,
            category=match.category,
            channel=reading.channel,
            offset_ms=placed.offset_ms,
            end_offset_ms=placed.end_offset_ms,
            score=match.score,
            severity=severity,
            evidence=PhraseEvidence(
                quote=match.quote,
                utterance_id=reading.utterance_id,
                match=match.match,
                similarity_ratio=match.similarity_ratio,
                threshold_ratio=match.threshold_ratio,
                confidence=placed.confidence,
                lowered_by=lowered_by,
                record_quote=match.record_quote,
            ),
        )

    def _is_unsure(self, placed: Placed, reading: Reading) -> bool:
        unsure = placed.confidence is not None and placed.confidence < self._min_confidence
        return unsure or LOW_CONFIDENCE in reading.marks
