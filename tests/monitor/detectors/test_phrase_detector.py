"""The detector of phrases on the events of a call."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mamori.monitor.detectors.phrases import (
    Context,
    ContextEffect,
    PhraseBook,
    PhraseDetector,
    PhraseMatcher,
    PhraseRule,
)
from mamori.monitor.events import (
    Channel,
    Detection,
    FinalHypothesis,
    PhraseEvidence,
    RereadHypothesis,
    Severity,
    SpeechEndCause,
    SpeechEnded,
    Word,
)

Final = Callable[..., FinalHypothesis]


@pytest.fixture(scope="module")
def matcher() -> PhraseMatcher:
    return PhraseMatcher(
        PhraseBook(
            language="ja",
            rules=(
                PhraseRule(
                    id="kill",
                    category="threat",
                    severity=Severity.CRITICAL,
                    phrases=("殺すぞ",),
                    unless=("denied",),
                ),
                PhraseRule(
                    id="fool", category="insult", severity=Severity.ATTENTION, phrases=("クズが",)
                ),
            ),
            contexts=(
                Context(id="denied", effect=ContextEffect.LOWER, after=("とは言っていない",)),
            ),
        )
    )


@pytest.fixture
def detector(matcher: PhraseMatcher) -> PhraseDetector:
    return PhraseDetector(matcher, call_id="c1", language="ja-JP")


def _final(text: str, **more: object) -> FinalHypothesis:
    values: dict[str, object] = {
        "channel": Channel.CUSTOMER,
        "offset_ms": 10_000,
        "end_offset_ms": 12_000,
        "language": "ja",
        **more,
    }
    return FinalHypothesis(
        call_id="c1",
        utterance_id="u1",
        text=text,
        engine="test",
        **values,  # type: ignore[arg-type]
    )


def _lowered_by(found: Detection) -> str | None:
    assert isinstance(found.evidence, PhraseEvidence)
    return found.evidence.lowered_by


def test_a_match_is_a_detection_that_explains_itself(detector: PhraseDetector) -> None:
    (found,) = detector.feed(_final("おい、殺すぞ", confidence=0.9))
    assert (found.detector, found.rule, found.category) == ("phrases", "kill", "threat")
    assert found.severity is Severity.CRITICAL
    assert found.score == pytest.approx(0.95)
    assert found.evidence == PhraseEvidence(
        quote="殺すぞ",
        utterance_id="u1",
        match="surface",
        similarity_ratio=1.0,
        threshold_ratio=1.0,
        confidence=0.9,
    )


def test_every_rule_gives_its_own_detection(detector: PhraseDetector) -> None:
    found = detector.feed(_final("このクズが殺すぞ"))
    assert [each.rule for each in found] == ["fool", "kill"]


def test_the_agents_channel_never_counts(detector: PhraseDetector) -> None:
    assert detector.feed(_final("殺すぞ", channel=Channel.AGENT)) == ()


def test_a_mixed_channel_counts(detector: PhraseDetector) -> None:
    (found,) = detector.feed(_final("殺すぞ", channel=Channel.MIXED))
    assert found.channel is Channel.MIXED


def test_another_language_is_not_judged(detector: PhraseDetector) -> None:
    assert detector.feed(_final("殺すぞ", language="ko")) == ()


def test_other_events_are_ignored(detector: PhraseDetector) -> None:
    ended = SpeechEnded(
        call_id="c1",
        channel=Channel.CUSTOMER,
        utterance_id="u1",
        offset_ms=0,
        end_offset_ms=1,
        cause=SpeechEndCause.SILENCE,
    )
    assert detector.feed(ended) == ()
    assert detector.flush(1) == ()
    assert detector.interests == (FinalHypothesis, RereadHypothesis)


def test_word_times_place_the_quote(detector: PhraseDetector) -> None:
    words = (
        Word(text="おい", start_ms=10_100, end_ms=10_400, confidence=0.2),
        Word(text="殺す", start_ms=10_500, end_ms=11_000, confidence=0.8),
        Word(text="ぞ", start_ms=11_000, end_ms=11_200, confidence=0.6),
    )
    (found,) = detector.feed(_final("おい 殺す ぞ", words=words, confidence=0.1))
    assert (found.offset_ms, found.end_offset_ms) == (10_500, 11_200)
    assert isinstance(found.evidence, PhraseEvidence)
    assert found.evidence.confidence == pytest.approx(0.7)
    assert found.severity is Severity.CRITICAL


def test_without_word_times_the_quote_lies_in_proportion(detector: PhraseDetector) -> None:
    (found,) = detector.feed(_final("あいう殺すぞえおかき"))
    assert (found.offset_ms, found.end_offset_ms) == (10_600, 11_200)


def test_words_that_do_not_fit_the_text_fall_back_to_proportion(detector: PhraseDetector) -> None:
    words = (Word(text="別の", start_ms=1, end_ms=2, confidence=0.1),)
    (found,) = detector.feed(_final("殺すぞ", words=words, confidence=0.9))
    assert (found.offset_ms, found.end_offset_ms) == (10_000, 12_000)
    assert found.severity is Severity.CRITICAL


@pytest.mark.parametrize(
    ("confidence", "severity"),
    [(0.49, Severity.WARNING), (0.5, Severity.CRITICAL), (0.51, Severity.CRITICAL)],
)
def test_unsure_words_are_never_critical(
    detector: PhraseDetector, confidence: float, severity: Severity
) -> None:
    (found,) = detector.feed(_final("殺すぞ", confidence=confidence))
    assert found.severity is severity
    assert _lowered_by(found) == ("low_confidence" if severity is Severity.WARNING else None)


def test_a_low_confidence_mark_lowers_as_well_but_not_below_attention(
    detector: PhraseDetector,
) -> None:
    found = detector.feed(_final("クズが、殺すぞ", marks=("low_confidence",)))
    assert [each.severity for each in found] == [Severity.ATTENTION, Severity.WARNING]
    # What is at the bottom already was not lowered.
    assert [_lowered_by(each) for each in found] == [None, "low_confidence"]


@pytest.mark.parametrize("confidence", [0.2, 0.9])
def test_a_context_that_lowered_a_finding_is_named_in_its_evidence(
    detector: PhraseDetector, confidence: float
) -> None:
    (found,) = detector.feed(_final("殺すぞとは言っていない", confidence=confidence))
    assert found.severity is Severity.ATTENTION
    assert _lowered_by(found) == "denied"


def test_a_matcher_of_another_language_is_refused(matcher: PhraseMatcher) -> None:
    with pytest.raises(ValueError, match="cannot judge a call in ko"):
        PhraseDetector(matcher, call_id="c1", language="ko")


@pytest.mark.parametrize("confidence", [-0.01, 1.01])
def test_the_least_confidence_is_a_ratio(matcher: PhraseMatcher, confidence: float) -> None:
    with pytest.raises(ValueError, match=r"within 0\.\.1"):
        PhraseDetector(matcher, call_id="c1", language="ja", min_confidence=confidence)
