"""The staged call clock."""

import numpy as np
import pytest

from mamori.errors import ConfigError
from mamori.monitor.detectors.call_clock import CallClockConfig, CallClockDetector, ClockStage
from mamori.monitor.events import (
    AudioFrame,
    Category,
    Channel,
    ClockEvidence,
    Detection,
    FinalHypothesis,
    GapCause,
    MediaGap,
    Severity,
)

MINUTE_MS = 60_000
SILENCE = np.zeros(160, dtype=np.int16)


def clock(config: CallClockConfig | None = None) -> CallClockDetector:
    return CallClockDetector(config or CallClockConfig(), call_id="call-1")


def frame(end_samples: int, *, rate: int = 8_000, channel: Channel = Channel.AGENT) -> AudioFrame:
    return AudioFrame(
        call_id="call-1",
        channel=channel,
        offset_samples=end_samples - len(SILENCE),
        sample_rate_hz=rate,
        pcm=SILENCE,
    )


def gap(start_ms: int, end_ms: int) -> MediaGap:
    return MediaGap.at(
        call_id="call-1",
        channel=Channel.CUSTOMER,
        cause=GapCause.PAUSED,
        offset_samples=start_ms * 8,
        duration_samples=(end_ms - start_ms) * 8,
        sample_rate_hz=8_000,
    )


def said(start_ms: int, end_ms: int) -> FinalHypothesis:
    return FinalHypothesis(
        call_id="call-1",
        channel=Channel.CUSTOMER,
        utterance_id="customer-1",
        offset_ms=start_ms,
        end_offset_ms=end_ms,
        text="もしもし",
        language="ja",
        engine="transcript",
    )


@pytest.mark.parametrize("rate", [8_000, 16_000])
@pytest.mark.parametrize(
    ("minutes", "rule", "severity"),
    [
        (15, "call_clock.notice", Severity.ATTENTION),
        (30, "call_clock.warning", Severity.WARNING),
        (60, "call_clock.critical", Severity.CRITICAL),
    ],
)
def test_a_stage_is_reached_at_its_last_sample_and_not_one_before(
    rate: int, minutes: int, rule: str, severity: Severity
) -> None:
    detector = clock()
    due_samples = minutes * 60 * rate
    detector.feed(frame(due_samples - 1, rate=rate))  # stages before this one
    assert detector.feed(frame(due_samples - 1, rate=rate)) == ()

    [detection] = detector.feed(frame(due_samples, rate=rate))

    assert detection == Detection(
        call_id="call-1",
        detector="call_clock",
        rule=rule,
        category=Category.LONG_CALL,
        channel=Channel.CUSTOMER,
        offset_ms=minutes * MINUTE_MS,
        end_offset_ms=minutes * MINUTE_MS,
        score=1.0,
        severity=severity,
        evidence=ClockEvidence(
            stage=rule.removeprefix("call_clock."),
            elapsed_ms=minutes * MINUTE_MS,
            threshold_ms=minutes * MINUTE_MS,
        ),
    )


def test_each_stage_is_reported_once_whatever_channel_reaches_it() -> None:
    detector = clock()
    rules = [
        detection.rule
        for minute in range(1, 120)
        for channel in (Channel.CUSTOMER, Channel.AGENT)
        for detection in detector.feed(frame(minute * 60 * 8_000, channel=channel))
    ]
    assert rules == ["call_clock.notice", "call_clock.warning", "call_clock.critical"]
    assert detector.flush(120 * MINUTE_MS) == []


def test_a_gap_reaches_the_stages_within_it_in_order() -> None:
    detector = clock()
    assert list(detector.feed(gap(0, 15 * MINUTE_MS - 1))) == []
    reached = detector.feed(gap(10 * MINUTE_MS, 45 * MINUTE_MS))
    assert [d.rule for d in reached] == ["call_clock.notice", "call_clock.warning"]
    assert [d.offset_ms for d in reached] == [15 * MINUTE_MS, 30 * MINUTE_MS]
    assert {d.end_offset_ms for d in reached} == {45 * MINUTE_MS}


def test_a_transcript_without_audio_advances_the_clock_to_the_end_of_what_was_said() -> None:
    detector = clock()
    assert list(detector.feed(said(899_000, 899_999))) == []
    assert [d.rule for d in detector.feed(said(899_000, 900_000))] == ["call_clock.notice"]


def test_the_end_of_the_call_reaches_what_no_event_reached() -> None:
    detector = clock()
    detector.feed(said(0, 5_000))
    assert list(detector.flush(900_000 - 1)) == []
    assert [d.rule for d in detector.flush(900_000)] == ["call_clock.notice"]


def test_a_mixed_call_is_reported_on_its_mixed_channel() -> None:
    detector = CallClockDetector(CallClockConfig(), call_id="call-1", channels=(Channel.MIXED,))
    [detection] = detector.feed(frame(900 * 8_000, channel=Channel.MIXED))
    assert detection.channel is Channel.MIXED


def test_no_stages_switch_the_clock_off() -> None:
    detector = clock(CallClockConfig(stages=()))
    assert list(detector.feed(frame(10 * 3_600 * 8_000))) == []


def test_a_firm_sets_its_own_stages() -> None:
    config = CallClockConfig(stages=(ClockStage("limit", 1_000, Severity.CRITICAL),))
    [detection] = clock(config).feed(frame(8_000))
    assert (detection.rule, detection.severity) == ("call_clock.limit", Severity.CRITICAL)


def test_wrong_stages_are_refused_all_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        CallClockConfig(
            stages=(
                ("Notice!", 900_000, Severity.ATTENTION),
                ("late", 900_000, Severity.WARNING),
                ("late", 25 * 3_600_000, Severity.CRITICAL),
            )
        )
    assert len(caught.value.problems) == 4
