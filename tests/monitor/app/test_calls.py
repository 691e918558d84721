"""A live call: alerts are shown once they are committed, in order; the end comes last."""

import asyncio
from typing import Any

import numpy as np
import pytest

from mamori.errors import MamoriError
from mamori.monitor.app.alert_writer import AlertWriter
from mamori.monitor.app.calls import LiveCall
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
    RecognitionScope,
    RecognitionScopeChanged,
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
    """Commits when told to; raises the errors that it is given first."""

    def __init__(self, *errors):
        self.records = []
        self.errors = list(errors)
        self.gate = asyncio.Event()
        self.gate.set()

    async def append(self, records):
        await self.gate.wait()
        if self.errors:
            raise self.errors.pop(0)
        self.records += records


DISK_FULL = MamoriError("disk_full", "no room", recoverable=True)
READ_ONLY = MamoriError("read_only", "cannot be written", recoverable=False)


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


class FakeRecognition:
    """Recognition of a call, which notes what it is told."""

    def __init__(self, lane):
        self.lanes = {Channel.CUSTOMER: lane}
        self.lag_ms = {Channel.CUSTOMER: 0}
        self.told = []

    def suspect(self):
        self.told.append("suspect")

    def watch(self, is_watched):
        self.told.append(f"watch {is_watched}")


@pytest.fixture
def journal():
    return FakeJournal()


@pytest.fixture
async def writer(journal):
    alert_writer = AlertWriter(
        journal,
        now_utc=lambda: "2026-11-24T00:00:00.000Z",
        observe_seconds=lambda seconds: None,
        most_waiting=5,
        retry_s=0.0,
    )
    task = asyncio.create_task(alert_writer.run())
    yield alert_writer
    task.cancel()
    await asyncio.wait({task})


def live_call(writer, *, detectors=None, lane=None, speech=None, listeners=()):
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
        alerts=writer,
        listeners=[*listeners, seen.append],
        on_end=ended.append,
    )
    if lane is not None:
        recognition: Any = FakeRecognition(lane)
        call.recognise_with(recognition)
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


def failures_of(events):
    return [(e.stage, e.code, e.recoverable) for e in events if isinstance(e, StageFailed)]


def shown_alerts(events):
    return [event.alert_id for event in events if isinstance(event, AlertRaised)]


async def test_an_alert_is_shown_only_once_it_is_committed(journal, writer):
    journal.gate.clear()
    call, seen, _ = live_call(writer)

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


async def test_while_the_journal_fails_alerts_are_shown_after_a_warning_and_committed_later(
    journal, writer
):
    journal.errors = [DISK_FULL, DISK_FULL, DISK_FULL]
    call, seen, _ = live_call(writer)

    for number in range(3):
        call.feed(frame(number))
    await call.end(EndReason.COMPLETED)
    await writer.flush()

    assert failures_of(seen) == [("journal", "disk_full", True)]
    warned = kinds(seen).index("stage_failed")
    assert warned < kinds(seen).index("alert_raised")
    assert shown_alerts(seen) == ["a-0", "a-20", "a-40"]
    assert [record.event_id for record in journal.records] == [
        "a-0:1",
        "a-20:1",
        "a-40:1",
        "a-end:2",
    ]
    assert writer.failure_code is None
    assert (writer.uncommitted, writer.lost) == (0, 0)


async def test_a_call_ends_while_the_journal_fails_and_its_alerts_are_kept(journal, writer):
    journal.errors = [DISK_FULL] * 1_000
    call, seen, ended = live_call(writer)

    call.feed(frame(0))
    await call.end(EndReason.COMPLETED)

    assert kinds(seen)[-1] == "call_ended"
    assert ended == [call]
    assert writer.uncommitted == 2
    assert writer.failure_code == "disk_full"


@pytest.mark.parametrize(("alerts", "lost"), [(4, 0), (5, 0), (6, 1)])
async def test_what_waits_is_bounded_and_what_is_given_up_is_counted_and_said(
    journal, writer, alerts, lost
):
    journal.gate.clear()
    call, seen, _ = live_call(writer)

    for number in range(alerts):
        call.feed(frame(number))

    assert writer.lost == lost
    assert failures_of(seen) == [("journal", "too_many_waiting", False)] * lost
    journal.gate.set()


async def test_a_record_that_is_refused_for_good_keeps_none_of_the_others(journal, writer):
    # The batch is refused, then its first record alone; the others go on.
    journal.errors = [READ_ONLY, READ_ONLY]
    call, seen, _ = live_call(writer)

    call.feed(frame(0))
    call.feed(frame(1))
    await call.end(EndReason.COMPLETED)

    assert failures_of(seen) == [("journal", "read_only", False)]
    assert shown_alerts(seen) == ["a-0", "a-20"]
    assert [record.event_id for record in journal.records] == ["a-20:1", "a-end:2"]
    assert writer.lost == 1


async def test_a_journal_that_raises_anything_else_delays_alerts_and_loses_none(journal, writer):
    journal.errors = [RuntimeError("bug")]
    call, seen, _ = live_call(writer)

    call.feed(frame(0))
    await call.end(EndReason.COMPLETED)
    await writer.flush()

    assert failures_of(seen) == [("journal", "internal", True)]
    assert len(journal.records) == 2


async def test_a_listener_that_raises_is_dropped_and_the_others_go_on(writer):
    def broken(event):
        raise RuntimeError("the caller said this")

    call, seen, ended = live_call(writer, listeners=[broken])

    call.feed(frame(0))
    await call.end(EndReason.COMPLETED)

    assert kinds(seen)[-1] == "call_ended"
    assert shown_alerts(seen) == ["a-0"]
    assert ended == [call]


async def test_speech_goes_to_its_lane_and_the_last_words_count_before_the_end(writer):
    lane = FakeLane()
    call, seen, ended = live_call(
        writer,
        detectors=[],
        lane=lane,
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


class FailingLane(FakeLane):
    async def drain(self):
        raise RuntimeError("native code")


async def test_a_lane_that_fails_costs_its_words_and_not_the_calls_end(writer):
    call, seen, ended = live_call(
        writer,
        detectors=[],
        lane=FailingLane(),
        speech={Channel.CUSTOMER: OneUtterance()},
    )

    call.feed(frame(0))
    await call.end(EndReason.COMPLETED)

    assert failures_of(seen) == [("recognition", "lane_failed", False)]
    assert kinds(seen)[-1] == "call_ended"
    assert ended == [call]


async def test_a_call_ends_once_whoever_asks(writer):
    call, seen, ended = live_call(writer)

    first, second = await asyncio.gather(
        call.end(EndReason.COMPLETED), call.end(EndReason.SHUTDOWN)
    )

    assert first is second
    assert kinds(seen).count("call_ended") == 1
    assert len(ended) == 1


async def test_audio_after_the_end_is_passed_over(writer):
    call, seen, _ = live_call(writer)
    ending = asyncio.ensure_future(call.end(EndReason.COMPLETED))
    await asyncio.sleep(0)

    call.feed(frame(0))
    await ending

    assert "detection" not in kinds(seen)


async def test_who_unsubscribes_hears_no_more(writer):
    call, _, _ = live_call(writer)
    heard: list[Any] = []
    unsubscribe = call.subscribe(heard.append)

    call.feed(frame(0))
    unsubscribe()
    unsubscribe()
    await call.end(EndReason.COMPLETED)

    assert kinds(heard) == ["detection"]


async def test_a_call_in_which_something_is_found_is_suspected_of_it(writer):
    call, _, _ = live_call(writer, detectors=[EveryFrameAlerts()])
    recognition = FakeRecognition(FakeLane())
    call.recognise_with(recognition)

    call.feed(frame(0))

    assert recognition.told == ["suspect"]


async def test_a_call_is_watched_while_somebody_reads_its_events(writer):
    call, _, _ = live_call(writer)
    recognition = FakeRecognition(FakeLane())
    call.recognise_with(recognition)

    first = call.subscribe(lambda event: None)
    second = call.subscribe(lambda event: None)
    first()
    first()
    second()

    assert recognition.told == ["watch True", "watch True", "watch True", "watch False"]


async def test_what_recognition_says_after_the_end_is_nobodys(writer):
    call, seen, _ = live_call(writer, detectors=[])
    await call.end(EndReason.COMPLETED)

    call.deliver(
        [RecognitionScopeChanged(call_id="c1", offset_ms=0, scope=RecognitionScope.FINALS)]
    )

    assert kinds(seen)[-1] == "call_ended"
