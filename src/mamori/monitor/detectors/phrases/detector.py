"""The detector of phrases: what the customer said, judged by a book of rules."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from mamori.monitor.detectors.phrases.matcher import PhraseMatch, PhraseMatcher
from mamori.monitor.detectors.transcript import Placed, place
from mamori.monitor.events import (
    Channel,
    Detection,
    Event,
    FinalHypothesis,
    PhraseEvidence,
    Severity,
    primary_language,
)

LOW_CONFIDENCE: Final = "low_confidence"
"""The mark of a final that the recogniser doubts, and what lowered a finding in it."""


class PhraseDetector:
    """One detection per rule and utterance, on the customer's words only.

    The agent's channel never counts: an agent who quotes an insult was insulted. Words that the
    recogniser is unsure of (confidence below ``min_confidence``, in [0, 1], or marked
    ``low_confidence``) lower the severity by one, so that they alone are never critical. The
    evidence says so, unless a context of the book lowered it already. No memory.
    """

    name = "phrases"
    interests: tuple[type[Event], ...] = (FinalHypothesis,)

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

    def feed(self, event: Event) -> Sequence[Detection]:
        """Judge a final of the customer's channel (or of a mixed one)."""
        if not isinstance(event, FinalHypothesis) or event.channel is Channel.AGENT:
            return ()
        if primary_language(event.language) != self._matcher.language:
            return ()
        matches = self._matcher.match(event.text)
        return tuple(self._detection(match, event) for match in matches)

    def flush(self, offset_ms: int) -> Sequence[Detection]:
        """Nothing is ever pending."""
        return ()

    def _detection(self, match: PhraseMatch, final: FinalHypothesis) -> Detection:
        placed = place(final, match.start, match.end)
        severity = match.severity
        if self._is_unsure(placed, final):
            severity = Severity.of_rank(max(1, severity.rank - 1))
        lowered_by = match.lowered_by
        if lowered_by is None and severity is not match.severity:
            lowered_by = LOW_CONFIDENCE
        return Detection(
            call_id=self._call_id,
            detector=self.name,
            rule=match.rule,
            category=match.category,
            channel=final.channel,
            offset_ms=placed.offset_ms,
            end_offset_ms=placed.end_offset_ms,
            score=match.score,
            severity=severity,
            evidence=PhraseEvidence(
                quote=match.quote,
                utterance_id=final.utterance_id,
                match=match.match,
                similarity_ratio=match.similarity_ratio,
                threshold_ratio=match.threshold_ratio,
                confidence=placed.confidence,
                lowered_by=lowered_by,
            ),
        )

    def _is_unsure(self, placed: Placed, final: FinalHypothesis) -> bool:
        unsure = placed.confidence is not None and placed.confidence < self._min_confidence
        return unsure or LOW_CONFIDENCE in final.marks
