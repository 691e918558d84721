"""The detector of phrases on second readings: which ones count, and what the evidence says."""

from __future__ import annotations

from typing import Any

import pytest

from mamori.monitor.detectors.phrases import PhraseDetector, PhraseMatcher
from mamori.monitor.events import (
    Channel,
    FinalHypothesis,
    PhraseEvidence,
    PhraseHint,
    RereadHypothesis,
    Severity,
)

MONEY = "慰謝料を払え"
MISHEARD = "石屋料をあらえ"


@pytest.fixture
def detector(matcher: PhraseMatcher) -> PhraseDetector:
    return PhraseDetector(matcher, call_id="c1", language="ja-JP")


def _final(
    text: str = MISHEARD, *, utterance_id: str = "u1", channel: Channel = Channel.CUSTOMER
) -> FinalHypothesis:
    return FinalHypothesis(
        call_id="c1",
        channel=channel,
        utterance_id=utterance_id,
        offset_ms=10_000,
        end_offset_ms=12_000,
        text=text,
        language="ja",
        engine="test",
    )


def _reread(text: str = MONEY, **more: object) -> RereadHypothesis:
    values: dict[str, object] = {
        "call_id": "c1",
        "channel": Channel.CUSTOMER,
        "utterance_id": "u1",
        "offset_ms": 10_000,
        "end_offset_ms": 12_000,
        "language": "ja",
        "phrases": (MONEY,),
        **more,
    }
    return RereadHypothesis(text=text, engine="test", **values)  # type: ignore[arg-type]


def test_the_evidence_has_both_readings(detector: PhraseDetector) -> None:
    assert detector.feed(_final()) == ()

    (found,) = detector.feed(_reread(confidence=0.8))

    assert (found.rule, found.category, found.severity) == ("money", "extortion", Severity.WARNING)
    assert (found.offset_ms, found.end_offset_ms) == (10_000, 12_000)
    assert found.evidence == PhraseEvidence(
        quote=MONEY,
        utterance_id="u1",
        match="reread",
        similarity_ratio=1.0,
        threshold_ratio=0.85,
        confidence=0.8,
        record_quote=MISHEARD,
    )


def test_the_words_are_placed_in_proportion(detector: PhraseDetector) -> None:
    detector.feed(_final())

    (found,) = detector.feed(_reread(f"{MONEY}、早く払って"))

    assert (found.offset_ms, found.end_offset_ms) == (10_000, 11_000)


@pytest.mark.parametrize(
    ("confidence", "severity"),
    [(0.49, Severity.ATTENTION), (0.5, Severity.WARNING), (0.51, Severity.WARNING)],
)
def test_an_unsure_second_reading_is_worth_less(
    detector: PhraseDetector, confidence: float, severity: Severity
) -> None:
    detector.feed(_final())

    (found,) = detector.feed(_reread(confidence=confidence))

    assert found.severity is severity


def test_a_second_reading_that_the_recogniser_doubts_is_worth_less(
    detector: PhraseDetector,
) -> None:
    detector.feed(_final())

    (found,) = detector.feed(_reread(marks=("low_confidence",)))

    assert found.severity is Severity.ATTENTION
    assert isinstance(found.evidence, PhraseEvidence)
    assert found.evidence.lowered_by == "low_confidence"


def test_a_second_reading_before_its_final_counts_for_nothing(detector: PhraseDetector) -> None:
    assert detector.feed(_reread()) == ()


@pytest.mark.parametrize(
    "other",
    [
        {"utterance_id": "u2"},
        {"channel": Channel.MIXED},
        {"channel": Channel.AGENT},
        {"language": "ko"},
    ],
)
def test_a_second_reading_of_something_else_counts_for_nothing(
    detector: PhraseDetector, other: dict[str, Any]
) -> None:
    detector.feed(_final())

    assert detector.feed(_reread(**other)) == ()


def test_the_agents_words_are_never_read_into(detector: PhraseDetector) -> None:
    detector.feed(_final(channel=Channel.AGENT))

    assert detector.feed(_reread(channel=Channel.AGENT)) == ()


def test_a_fair_second_reading_gives_nothing(detector: PhraseDetector) -> None:
    detector.feed(_final("石屋さんの料金を払えばいいですか"))

    assert detector.feed(_reread("慰謝料を払うのはこちらですか")) == ()


def test_what_the_first_reading_gave_is_not_given_again(detector: PhraseDetector) -> None:
    assert [each.rule for each in detector.feed(_final(MONEY))] == ["money"]
    assert detector.feed(_reread()) == ()


def test_a_rule_is_given_once_however_often_an_utterance_is_read(detector: PhraseDetector) -> None:
    detector.feed(_final())

    assert len(detector.feed(_reread())) == 1
    assert detector.feed(_reread()) == ()


def test_each_utterance_has_its_own_second_reading(detector: PhraseDetector) -> None:
    detector.feed(_final())
    detector.feed(_final(utterance_id="u2"))

    assert len(detector.feed(_reread())) == 1
    assert len(detector.feed(_reread(utterance_id="u2"))) == 1


@pytest.mark.parametrize(("since", "found"), [(30, 1), (31, 1), (32, 0)])
def test_the_latest_32_finals_are_remembered(
    detector: PhraseDetector, since: int, found: int
) -> None:
    detector.feed(_final())
    for number in range(since):
        detector.feed(_final("はい", utterance_id=f"later-{number}"))

    assert len(detector.feed(_reread())) == found


def test_a_hint_is_no_finding(detector: PhraseDetector) -> None:
    hint = PhraseHint(
        call_id="c1",
        channel=Channel.CUSTOMER,
        utterance_id="u1",
        offset_ms=10_000,
        phrase=MONEY,
        engine="test",
    )

    assert detector.feed(hint) == ()
    assert PhraseHint not in detector.interests
