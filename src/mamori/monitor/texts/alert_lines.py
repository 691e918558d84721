"""One line in a person's words for each event worth reading."""

from __future__ import annotations

from collections.abc import Callable

from mamori.monitor.events import (
    AlertRaised,
    AlertResolved,
    AlertUpdated,
    ClockEvidence,
    Evidence,
    LoudnessEvidence,
    PhraseEvidence,
    RepeatEvidence,
)
from mamori.monitor.texts import Texts


def media_time(offset_ms: int) -> str:
    """Media time as ``m:ss``, or ``h:mm:ss`` from one hour on."""
    seconds = offset_ms // 1000
    hours, minutes = seconds // 3600, seconds // 60 % 60
    if hours:
        return f"{hours}:{minutes:02}:{seconds % 60:02}"
    return f"{minutes}:{seconds % 60:02}"


def evidence_line(evidence: Evidence, rule: str, texts: Texts) -> str:
    """What was measured against which threshold, with the exact words where there are any."""
    measured = evidence.measurement()
    match evidence:
        case PhraseEvidence(match="reread"):
            return texts(
                "evidence.reread",
                quote=evidence.quote,
                record=evidence.record_quote or "",
                rule=rule,
                value=measured.value,
                threshold=measured.threshold,
            )
        case PhraseEvidence():
            return texts(
                "evidence.phrase",
                quote=evidence.quote,
                rule=rule,
                value=measured.value,
                threshold=measured.threshold,
            )
        case LoudnessEvidence():
            return _loudness_line(evidence, texts)
        case ClockEvidence():
            return texts("evidence.clock", value=measured.value, threshold=measured.threshold)
        case RepeatEvidence():
            return texts(
                "evidence.repeat",
                count=len(evidence.tellings),
                threshold=evidence.threshold_count,
                quote=evidence.quote,
            )


def _loudness_line(evidence: LoudnessEvidence, texts: Texts) -> str:
    measured = evidence.measurement()
    if evidence.by_level:
        key = "evidence.loudness"
    elif evidence.baseline_source == "caller":
        key = "evidence.loudness_brightness"
    else:
        key = "evidence.loudness_prior"
    return texts(
        key,
        value=measured.value,
        threshold=measured.threshold,
        semitones=evidence.f0_rise_semitones or 0.0,
        semitones_threshold=evidence.f0_threshold_semitones,
        seconds=evidence.raised_speech_ms / 1000,
    )


def alert_line(
    alert: AlertRaised | AlertUpdated | AlertResolved,
    texts: Texts,
    clause_text: Callable[[str], str],
) -> str:
    """The alert in one line: when, how urgent, what, why, and under which clause."""
    if isinstance(alert, AlertResolved):
        return texts(
            "alert.resolved_line",
            time=media_time(alert.offset_ms),
            category=texts.category(alert.category),
            count=alert.count,
        )
    latest = alert.detections[-1]
    return texts(
        "alert.line",
        time=media_time(alert.offset_ms),
        severity=texts(f"severity.{alert.severity}"),
        category=texts.category(alert.category),
        id=alert.category,
        evidence=evidence_line(latest.evidence, latest.rule, texts),
        clause=clause_text(alert.clause),
    )
