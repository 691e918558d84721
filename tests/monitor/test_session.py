"""One call's session: order, accounts, and detectors that fail alone."""

import numpy as np
import pytest

from mamori.monitor.events import (
    AlertResolved,
    AudioFrame,
    CallEnded,
    CallStarted,
    Channel,
    ClockEvidence,
    Detection,
    EndReason,
    FinalHypothesis,
    GapCause,
    MediaDropped,
    MediaGap,
    Severity,
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
    channels=(Channel.CUSTOMER, Channel.AGENT),
    encoding="mulaw",
    sample_rate_hz=8000,
    language="ja",
)


def frame(offset_samples, samples=160, channel=Channel.CUSTOMER, rate_hz=8000):
    return AudioFrame(
        call_id="c1",
        channel=channel,
        offset_samples=offset_samples,
        sample_rate_hz=rate_hz,
        pcm=np.zeros(samples, np.int16),
    )


def gap(offset_samples, samples, cause=GapCause.LOSS, channel=Channel.CUSTOMER):
    return MediaGap.at(
        call_id="c1",
        channel=channel,
        cause=cause,
        offset_samples=offset_samples,
        duration_samples=samples,
        sample_rate_hz=8000,
    )


def detection(name="fake"):
    return Detection(
        call_id="c1",
        detector=name,
        rule="r",
        category="long_call",
        channel=Channel.CUSTOMER,
        offset_ms=0,
        end_offset_ms=0,
        score=1.0,
        severity=Severity.ATTENTION,
        evidence=ClockEvidence(stage="s", elapsed_ms=1, threshold_ms=1),
    )


class FakeDetector:
    def __init__(self, *interests, name="fake", error=None):
        self.name = name
        self.interests = interests
        self.heard = []
        self.error = error

    def feed(self, event):
        self.heard.append(event)
        if self.error:
            raise self.error
        return [detection(self.name)]

    def flush(self, offset_ms):
        self.flushed_ms = offset_ms
        return []


class FakeAlerts:
    def __init__(self):
        self.detections = []

    def feed(self, found):
        self.detections.append(found)
        return []

    def end(self, offset_ms, reason):
        return [
            AlertResolved(
                call_id="c1",
                alert_id="a",
                revision=2,
                category="long_call",
                severity=Severity.ATTENTION,
                offset_ms=offset_ms,
                reason=reason,
                count=len(self.detections),
            )
        ]


class FakeSpeech:
    """Speech from the first frame until a gap or the end of the call."""

    def __init__(self):
        self.open = False

    def feed(self, event):
        if self.open:
            return []
        self.open = True
        return [
            SpeechStarted(call_id="c1", channel=Channel.CUSTOMER, utterance_id="u", offset_ms=0)
        ]

    def gap(self, event):
        return self.flush(SpeechEndCause.GAP)

    def flush(self, cause=SpeechEndCause.CALL_END):
        if not self.open:
            return []
        self.open = False
        return [
            SpeechEnded(
                call_id="c1",
                channel=Channel.CUSTOMER,
                utterance_id="u",
                offset_ms=0,
                end_offset_ms=20,
                cause=cause,
            )
        ]


def session(*detectors, speech=None, alerts=None):
    return CallSession(
        STARTED, speech=speech or {}, detectors=detectors, alerts=alerts or FakeAlerts()
    )


def ledger_of(ended):
    return {account.channel: account for account in ended.ledger}


def test_every_sample_is_accounted_for_exactly():
    call = session()
    call.feed(frame(0))
    call.feed(gap(160, 333, GapCause.LOSS))
    call.feed(frame(493, samples=7))
    call.feed(gap(500, 100, GapCause.DROPPED))
    call.feed(dropped(stage="recognition", samples=120))

    _, ended = call.end(EndReason.COMPLETED)

    customer = ledger_of(ended)[Channel.CUSTOMER]
    assert customer.received_samples == 600
    assert customer.processed_samples == 167 - 120
    assert customer.shed_samples == 120
    assert customer.gap_samples == 433
    assert {total.cause: total.samples for total in customer.gaps} == {"loss": 333, "dropped": 100}
    assert ledger_of(ended)[Channel.AGENT].received_samples == 0


def dropped(stage, samples):
    return MediaDropped(
        call_id="c1",
        channel=Channel.CUSTOMER,
        offset_ms=0,
        duration_ms=15,
        duration_samples=samples,
        stage=stage,
        code="overload",
    )


def test_audio_dropped_at_ingest_is_counted_once_by_its_gap():
    call = session()
    call.feed(gap(0, 160, GapCause.DROPPED))
    call.feed(dropped(stage="ingest", samples=160))

    _, ended = call.end(EndReason.COMPLETED)

    customer = ledger_of(ended)[Channel.CUSTOMER]
    assert (customer.received_samples, customer.gap_samples, customer.shed_samples) == (160, 160, 0)


def test_live_words_that_were_given_up_are_counted_beside_the_account():
    call = session()
    call.feed(frame(0))
    call.feed(dropped(stage="live_words", samples=120))
    call.feed(dropped(stage="recognition", samples=40))

    _, ended = call.end(EndReason.COMPLETED)

    customer = ledger_of(ended)[Channel.CUSTOMER]
    assert customer.live_shed_samples == 120
    assert (customer.processed_samples, customer.shed_samples) == (120, 40)
    assert customer.received_samples == 160


@pytest.mark.parametrize("offset_samples", [159, 161])
def test_a_frame_off_the_timeline_is_refused(offset_samples):
    call = session()
    call.feed(frame(0))

    with pytest.raises(ValueError, match="sample 160"):
        call.feed(frame(offset_samples))


def test_a_frame_of_another_rate_or_channel_is_refused():
    call = session()

    with pytest.raises(ValueError, match="16000 Hz"):
        call.feed(frame(0, rate_hz=16000))
    with pytest.raises(ValueError, match="customer, agent"):
        call.feed(frame(0, channel=Channel.MIXED))


def test_a_detector_hears_only_what_it_asked_for():
    frames, finals = FakeDetector(AudioFrame), FakeDetector(FinalHypothesis)
    call = session(frames, finals)

    call.feed(frame(0))

    assert len(frames.heard) == 1
    assert finals.heard == []


def test_a_detector_that_raises_is_switched_off_and_the_others_go_on():
    broken = FakeDetector(AudioFrame, name="broken", error=RuntimeError("the caller said this"))
    sound = FakeDetector(AudioFrame, name="sound")
    call = session(broken, sound)

    first = call.feed(frame(0))
    second = call.feed(frame(160))

    failures = [event for event in first if isinstance(event, StageFailed)]
    assert [(f.stage, f.code, f.recoverable) for f in failures] == [
        ("detector:broken", "stage_failed", False)
    ]
    assert "caller" not in failures[0].detail
    assert len(broken.heard) == 1
    assert len(sound.heard) == 2
    assert [event.detector for event in second] == ["sound"]


class FailingSpeech(FakeSpeech):
    def feed(self, event):
        raise RuntimeError("the caller said this")


class FailingAlerts(FakeAlerts):
    def feed(self, found):
        raise RuntimeError("the caller said this")

    def end(self, offset_ms, reason):
        raise RuntimeError("the caller said this")


def failures_of(events):
    return [(e.stage, e.recoverable) for e in events if isinstance(e, StageFailed)]


def test_voice_activity_that_raises_is_switched_off_and_the_detectors_go_on():
    clock = FakeDetector(AudioFrame)
    call = session(clock, speech={Channel.CUSTOMER: FailingSpeech()})

    first = call.feed(frame(0))
    second = call.feed(frame(160))

    assert failures_of(first) == [("speech", False)]
    assert failures_of(second) == []
    assert len(clock.heard) == 2


def test_an_alert_stage_that_raises_is_not_blamed_on_the_detector():
    detector = FakeDetector(AudioFrame)
    call = session(detector, alerts=FailingAlerts())

    fed = call.feed(frame(0))
    call.feed(frame(160))
    pending, ended = call.end(EndReason.COMPLETED)

    assert failures_of(fed) == [("alerts", True)]
    assert len(detector.heard) == 2
    assert failures_of(pending) == [("alerts", False)]
    assert ended.duration_ms == 40


def test_speech_follows_from_frames_and_detectors_hear_it():
    listener = FakeDetector(SpeechStarted, SpeechEnded)
    call = session(listener, speech={Channel.CUSTOMER: FakeSpeech()})

    started = call.feed(frame(0))
    ended = call.feed(gap(160, 160))

    assert [type(event) for event in started] == [SpeechStarted, Detection]
    assert [type(event) for event in ended] == [MediaGap, SpeechEnded, Detection]
    assert [type(event) for event in listener.heard] == [SpeechStarted, SpeechEnded]


def test_speech_that_was_held_back_before_a_gap_is_heard_before_the_gap():
    listener = FakeDetector(SpeechEnded, MediaGap)
    call = session(listener, speech={Channel.CUSTOMER: FakeSpeech()})
    call.feed(frame(0))

    out = call.feed(gap(160, 160))

    assert [type(event) for event in listener.heard] == [SpeechEnded, MediaGap]
    assert [type(event) for event in out] == [MediaGap, SpeechEnded, Detection, Detection]


def test_the_end_flushes_speech_detectors_and_alerts_in_this_order():
    listener = FakeDetector(SpeechEnded)
    call = session(listener, speech={Channel.CUSTOMER: FakeSpeech()})
    call.feed(frame(0))

    flushed = call.finish_media()
    pending, ended = call.end(EndReason.SHUTDOWN)

    assert [type(event) for event in flushed] == [SpeechEnded, Detection]
    assert listener.flushed_ms == 20
    assert [type(event) for event in pending] == [AlertResolved]
    assert ended == CallEnded(
        call_id="c1", reason=EndReason.SHUTDOWN, offset_ms=20, duration_ms=20, ledger=ended.ledger
    )


def test_the_end_comes_once():
    call = session()
    call.end(EndReason.COMPLETED)

    with pytest.raises(ValueError, match="ended"):
        call.end(EndReason.COMPLETED)
    with pytest.raises(ValueError, match="ended"):
        call.feed(frame(0))


def test_a_transcript_moves_media_time_without_audio():
    call = session()
    call.feed(
        FinalHypothesis(
            call_id="c1",
            channel=Channel.CUSTOMER,
            utterance_id="u",
            offset_ms=1_000,
            end_offset_ms=2_500,
            text="x",
            language="ja",
            engine="transcript",
        )
    )

    _, ended = call.end(EndReason.COMPLETED)

    assert ended.duration_ms == 2_500
