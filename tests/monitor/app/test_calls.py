"""A live call: alerts are shown once they are committed, in order; the end comes last."""

import asyncio
from typing import Any

import numpy as np
import pytest

from mamori.errors import MamoriError
from mamori.monitor.app.calls import AlertWriter, LiveCall
from mamori.monitor.events import (
    AlertRaised,
    AlertResolved,
    AudioFrame,
    CallEnded,
    CallStarted,
    Channel,
    ClockEvidence,
    Detection,
    EndReason,
    Event,
    FinalHypothesis,
    Severity,
    SpeechAudio,
    SpeechEndCause,
    SpeechEnded,
    SpeechStarted,
    StageFailed,
)
from mamori.monitor.session import CallSession

STARTED = CallStarted(
    call_id="c1",
    tenant="acme",
    dialect="native",
    channels=(Channel.CUSTOMER,),
    encoding="mulaw",
    sample_rate_hz=8000,
    language="ja",
)


class FakeJournal:
    """Commits when told to; fails as often as told."""

    def __init__(self, failures=0):
        self.records = []
        self.failures = failures
        self.gate = asyncio.Event()
        self.gate.set()

    async def append(self, records):
        await self.gate.wait()
        if self.failures:
            self.failures -= 1
            raise MamoriError("disk_full", "no room", recoverable=True)
        self.records += records


class EveryFrameAlerts:
    """A detector and a book in one: each frame is an alert of its own."""

    name = "every_frame"
    interests: tuple[type[Event], ...] = (AudioFrame,)

    def feed(self, event):
        if isinstance(event, AudioFrame):
            return [
                Detection(
                    call_id="c1",
                    detector=self.name,
                    rule="r",
                    category="long_call",
                    channel=Channel.CUSTOMER,
                    offset_ms=event.offset_ms,
                    end_offset_ms=event.end_offset_ms,
                    score=1.0,
                    severity=Severity.ATTENTION,
                    evidence=ClockEvidence(stage="s", elapsed_ms=1, threshold_ms=1),
                )
            ]
        return [raised(event)]

    def flush(self, offset_ms):
        return []

    def end(self, offset_ms, reason):
        return [
            AlertResolved(
                call_id="c1",
                alert_id="a-end",
                revision=2,
                category="long_call",
                severity=Severity.ATTENTION,
                offset_ms=offset_ms,
                reason=reason,
                count=1,
            )
        ]


def raised(detection):
    return AlertRaised(
        call_id="c1",
        alert_id=f"a-{detection.offset_ms}",
        revision=1,
        category="long_call",
        severity=Severity.ATTENTION,
        channel=Channel.CUSTOMER,
        offset_ms=detection.offset_ms,
        end_offset_ms=detection.end_offset_ms,
        rule="r",
        clause="c",
        guidance_key="g",
        policy_version="2026.1.1",
        count=1,
        quote=None,
        detections=(detection,),
    )


class OneUtterance:
    """Speech from the first frame to the end of the call."""

    def feed(self, frame):
        if frame.offset_samples:
            return []
        return [
            SpeechStarted(call_id="c1", channel=Channel.CUSTOMER, utterance_id="u1", offset_ms=0),
            SpeechAudio(
                call_id="c1",
                channel=Channel.CUSTOMER,
                utterance_id="u1",
                offset_samples=0,
                sample_rate_hz=8000,
                pcm=frame.pcm,
            ),
        ]

    def gap(self, gap):
        return []

    def flush(self):
        return [
            SpeechEnded(
                call_id="c1",
                channel=Channel.CUSTOMER,
                utterance_id="u1",
                offset_ms=0,
                end_offset_ms=20,
                cause=SpeechEndCause.CALL_END,
            )
        ]


class FakeLane:
    """Says one sentence when it is drained."""

    def __init__(self):
        self.submitted = []
        self.call: Any = None
        self.closed = False

    def submit(self, event):
        self.submitted.append(type(event))

    async def drain(self):
        await asyncio.sleep(0)
        self.call.deliver(
            [
                FinalHypothesis(
                    call_id="c1",
                    channel=Channel.CUSTOMER,
                    utterance_id="u1",
                    offset_ms=0,
                    end_offset_ms=20,
                    text="もしもし",
                    language="ja",
                    engine="fake",
                )
            ]
        )

    async def close(self):
        self.closed = True


def live_call(journal, *, detectors=None, lanes=None, speech=None, retry_s=0.0):
    alerts = EveryFrameAlerts()
    seen: list[Any] = []
    ended: list[LiveCall] = []
    call = LiveCall(
        CallSession(
            STARTED,
            speech=speech or {},
            detectors=[alerts] if detectors is None else detectors,
            alerts=alerts,
        ),
        lanes=lanes or {},
        writer=lambda show: AlertWriter(
            call_id="c1",
            tenant="acme",
            journal=journal,
            now_utc=lambda: "2026-11-24T00:00:00.000Z",
            show=show,
            observe_seconds=lambda seconds: None,
            retry_s=retry_s,
        ),
        listeners=[seen.append],
        on_end=ended.append,
    )
    return call, seen, ended


def frame(number):
    return AudioFrame(
        call_id="c1",
        channel=Channel.CUSTOMER,
        offset_samples=160 * number,
        sample_rate_hz=8000,
        pcm=np.zeros(160, np.int16),
    )


def kinds(events):
    return [event.type for event in events]


async def test_an_alert_is_shown_only_once_it_is_committed():
    journal = FakeJournal()
    journal.gate.clear()
    call, seen, _ = live_call(journal)

    call.feed(frame(0))
    await asyncio.sleep(0)
    before = kinds(seen)
    journal.gate.set()
    await call.end(EndReason.COMPLETED)

    assert before == ["call_started", "detection"]
    assert kinds(seen) == [
        "call_started",
        "detection",
        "alert_raised",
        "alert_resolved",
        "call_ended",
    ]
    assert [record.kind for record in journal.records] == ["alert_raised", "alert_resolved"]


async def test_alerts_wait_for_a_journal_that_fails_and_keep_their_order():
    journal = FakeJournal(failures=2)
    call, seen, _ = live_call(journal)

    for number in range(3):
        call.feed(frame(number))
    await call.end(EndReason.COMPLETED)

    failures = [event for event in seen if isinstance(event, StageFailed)]
    assert [(f.stage, f.code, f.recoverable) for f in failures] == [("journal", "disk_full", True)]
    shown = [event.alert_id for event in seen if isinstance(event, AlertRaised)]
    assert shown == ["a-0", "a-20", "a-40"]
    assert len(journal.records) == 4


async def test_speech_goes_to_its_lane_and_the_last_words_count_before_the_end():
    lane = FakeLane()
    call, seen, ended = live_call(
        FakeJournal(),
        detectors=[],
        lanes={Channel.CUSTOMER: lane},
        speech={Channel.CUSTOMER: OneUtterance()},
    )
    lane.call = call

    call.feed(frame(0))
    last = await call.end(EndReason.COMPLETED)

    assert lane.submitted == [SpeechStarted, SpeechAudio, SpeechEnded]
    assert lane.closed
    assert kinds(seen) == [
        "call_started",
        "speech_started",
        "speech_ended",
        "final_hypothesis",
        "alert_resolved",
        "call_ended",
    ]
    assert isinstance(last, CallEnded)
    assert ended == [call]


async def test_a_call_ends_once_whoever_asks():
    call, seen, ended = live_call(FakeJournal())

    first, second = await asyncio.gather(
        call.end(EndReason.COMPLETED), call.end(EndReason.SHUTDOWN)
    )

    assert first is second
    assert kinds(seen).count("call_ended") == 1
    assert len(ended) == 1


async def test_audio_after_the_end_is_passed_over():
    call, seen, _ = live_call(FakeJournal())
    ending = asyncio.ensure_future(call.end(EndReason.COMPLETED))
    await asyncio.sleep(0)

    call.feed(frame(0))
    await ending

    assert "detection" not in kinds(seen)


async def test_who_unsubscribes_hears_no_more():
    call, _, _ = live_call(FakeJournal())
    heard: list[Any] = []
    unsubscribe = call.subscribe(heard.append)

    call.feed(frame(0))
    unsubscribe()
    unsubscribe()
    await call.end(EndReason.COMPLETED)

    assert kinds(heard) == ["detection"]


async def test_alert_events_given_up_at_a_forced_stop_are_counted():
    journal = FakeJournal()
    journal.gate.clear()
    call, _, _ = live_call(journal)
    call.feed(frame(0))
    call.feed(frame(1))
    ending = asyncio.ensure_future(call.end(EndReason.SHUTDOWN))
    await asyncio.sleep(0)

    lost = call.abandon()

    assert lost >= 2
    with pytest.raises(asyncio.CancelledError):
        await ending
