"""Lanes on the event loop: nothing blocks, nothing is lost unseen."""

import asyncio
import threading

import pytest

from mamori.monitor.events import (
    Channel,
    FinalHypothesis,
    JsonEvent,
    MediaDropped,
    PartialHypothesis,
    StageFailed,
)
from mamori.monitor.recognition.port import RecognitionError, Transcript
from mamori.monitor.recognition.service import RecognitionService

# Long enough that no healthy fake decode reaches it on a busy machine.
HUNG_AFTER_S = 1.0


class Gate:
    """Holds an engine's answers back until it is opened."""

    def __init__(self):
        self._entered = threading.Event()
        self._opened = threading.Event()
        self.text = "read words"

    def __call__(self, n):
        self._entered.set()
        assert self._opened.wait(30)
        return Transcript(text=self.text)

    async def entered(self):
        assert await asyncio.to_thread(self._entered.wait, 30)

    def open(self):
        self._opened.set()


def open_lane(service, delivered, *, channel=Channel.CUSTOMER, language="ko"):
    return service.open_lane(
        call_id="call-1",
        channel=channel,
        language=language,
        sample_rate_hz=8000,
        deliver=delivered.extend,
    )


def submit_all(lane, events):
    for event in events:
        lane.submit(event)


def of(kind, events):
    return [event for event in events if isinstance(event, kind)]


async def test_what_was_submitted_is_delivered_when_drain_returns(speech, make_stream, make_reader):
    service = RecognitionService(make_stream(), make_reader(), worker_threads=2)
    delivered: list[JsonEvent] = []
    lane = open_lane(service, delivered)
    for event in speech.utterance("u1", 0, 1000):
        lane.submit(event)
        await lane.drain()
    assert [event.text for event in of(FinalHypothesis, delivered)] == ["read words"]
    assert len(of(PartialHypothesis, delivered)) == 5
    assert (lane.lag_ms, lane.shed_samples) == (0, 0)
    await service.stop()


async def test_results_are_the_same_with_and_without_draining(speech, make_stream, make_reader):
    events = [*speech.utterance("u1", 0, 1000), *speech.utterance("u2", 3000, 4010)]
    results = []
    for drains in (True, False):
        service = RecognitionService(make_stream(), make_reader(), worker_threads=2)
        delivered: list[JsonEvent] = []
        lane = open_lane(service, delivered)
        for event in events:
            lane.submit(event)
            if drains:
                await lane.drain()
        await service.stop()
        results.append(delivered)
    assert results[0] == results[1]


async def test_engines_are_used_on_worker_threads_only(speech, make_stream, make_reader):
    stream, reader = make_stream(), make_reader()
    service = RecognitionService(stream, reader, worker_threads=1)
    lane = open_lane(service, [])
    assert not stream.decoders
    submit_all(lane, speech.utterance("u1", 0, 1000))
    await service.stop()
    assert stream.threads == reader.threads == {"recognition"}


async def test_submit_never_waits_and_results_never_come_within_it(speech, make_reader):
    gate = Gate()
    service = RecognitionService(None, make_reader(answer=gate), worker_threads=1)
    delivered: list[JsonEvent] = []
    lane = open_lane(service, delivered)
    submit_all(lane, speech.utterance("u1", 0, 1000))
    await gate.entered()
    submit_all(lane, speech.utterance("u2", 2000, 3000))
    assert not delivered
    gate.open()
    await lane.drain()
    assert [event.utterance_id for event in of(FinalHypothesis, delivered)] == ["u1", "u2"]
    await service.stop()


async def test_the_lag_is_what_was_received_and_not_yet_decoded(speech, make_reader):
    gate = Gate()
    service = RecognitionService(None, make_reader(answer=gate), worker_threads=1)
    lane = open_lane(service, [])
    assert lane.lag_ms == 0
    submit_all(lane, speech.utterance("u1", 0, 1000))
    await gate.entered()
    submit_all(lane, speech.utterance("u2", 2000, 2500))
    assert lane.lag_ms == 1500
    gate.open()
    await lane.drain()
    assert lane.lag_ms == 0
    await service.stop()


async def test_one_job_runs_for_a_lane_at_a_time_and_takes_all_that_waits(speech, make_stream):
    running, most = [0], [0]
    lock = threading.Lock()

    def count():
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        with lock:
            running[0] -= 1

    service = RecognitionService(make_stream(on_accept=count), None, worker_threads=4)
    lane = open_lane(service, [])
    for n in range(20):
        submit_all(lane, speech.utterance(f"u{n}", n * 400, n * 400 + 400))
        await asyncio.sleep(0)
    await service.stop()
    assert most == [1]


@pytest.mark.parametrize(("extra_ms", "shed_ms"), [(980, 0), (1000, 0), (1020, 1020)])
async def test_audio_beyond_the_bound_is_shed_and_told(speech, make_reader, extra_ms, shed_ms):
    gate = Gate()
    service = RecognitionService(
        None, make_reader(answer=gate), worker_threads=1, max_backlog_ms=2000
    )
    delivered: list[JsonEvent] = []
    lane = open_lane(service, delivered)
    # A second stays undecoded in the worker, behind the gate, and counts as well.
    submit_all(lane, speech.utterance("u1", 0, 1000, chunk_ms=1000))
    await gate.entered()
    submit_all(lane, speech.utterance("u2", 2000, 2000 + extra_ms))
    lag_ms = lane.lag_ms
    gate.open()
    await lane.drain()
    dropped = of(MediaDropped, delivered)
    assert lag_ms <= 2000
    assert lane.shed_samples == shed_ms * 8
    assert sum(event.duration_samples for event in dropped) == shed_ms * 8
    assert [(event.stage, event.code) for event in dropped] == [
        ("recognition", "overload") for _ in dropped
    ]
    await service.stop()


async def test_a_lane_under_overload_decodes_again_when_there_is_room(speech, make_reader):
    gate = Gate()
    service = RecognitionService(
        None, make_reader(answer=gate), worker_threads=1, max_backlog_ms=1000
    )
    delivered: list[JsonEvent] = []
    lane = open_lane(service, delivered)
    submit_all(lane, speech.utterance("u1", 0, 800, chunk_ms=800))
    await gate.entered()
    submit_all(lane, speech.utterance("u2", 2000, 3000))
    gate.open()
    await lane.drain()
    submit_all(lane, speech.utterance("u3", 5000, 5800))
    await lane.drain()
    assert [event.utterance_id for event in of(FinalHypothesis, delivered)] == ["u1", "u3"]
    assert lane.shed_samples == 8000
    await service.stop()


async def test_a_failing_engine_is_reported_and_the_lane_goes_on(speech, make_reader):
    def answer(n):
        if n == 0:
            raise RecognitionError("broken", "it failed", recoverable=True)
        return Transcript(text="read words")

    service = RecognitionService(None, make_reader(answer=answer), worker_threads=1)
    delivered: list[JsonEvent] = []
    lane = open_lane(service, delivered)
    submit_all(lane, [*speech.utterance("u1", 0, 1000), *speech.utterance("u2", 2000, 3000)])
    await lane.drain()
    assert [type(event) for event in delivered] == [StageFailed, MediaDropped, FinalHypothesis]
    assert lane.shed_samples == 8000
    await service.stop()


async def test_after_three_failures_everything_is_counted_as_shed(speech, make_reader):
    def answer(n):
        raise OSError

    service = RecognitionService(None, make_reader(answer=answer), worker_threads=1)
    delivered: list[JsonEvent] = []
    lane = open_lane(service, delivered)
    for n in range(6):
        submit_all(lane, speech.utterance(f"u{n}", n * 2000, n * 2000 + 1000))
        await lane.drain()
    assert [event.recoverable for event in of(StageFailed, delivered)] == [True, True, False]
    assert lane.shed_samples == 6 * 8000
    assert sum(event.duration_samples for event in of(MediaDropped, delivered)) == 6 * 8000
    await service.stop()


async def test_one_lane_that_fails_leaves_the_others_alone(speech, make_reader):
    def answer(n):
        if n == 0:
            raise RecognitionError("broken", "it failed")
        return Transcript(text="read words")

    service = RecognitionService(None, make_reader(answer=answer), worker_threads=1)
    bad: list[JsonEvent] = []
    good: list[JsonEvent] = []
    for delivered in (bad, good):
        lane = open_lane(service, delivered)
        submit_all(lane, speech.utterance("u1", 0, 1000))
        await lane.drain()
    assert not of(FinalHypothesis, bad)
    assert len(of(FinalHypothesis, good)) == 1
    await service.stop()


class TestHangingDecodes:
    async def test_a_decode_that_hangs_ends_its_lane_and_counts_what_it_had(
        self, speech, make_reader
    ):
        gate = Gate()
        service = RecognitionService(
            None, make_reader(answer=gate), worker_threads=1, hung_after_s=HUNG_AFTER_S
        )
        delivered: list[JsonEvent] = []
        lane = open_lane(service, delivered)
        submit_all(lane, speech.utterance("u1", 0, 1000, chunk_ms=1000))
        await gate.entered()
        submit_all(lane, speech.utterance("u2", 2000, 2500))
        await lane.drain()
        assert [(event.code, event.recoverable) for event in of(StageFailed, delivered)] == [
            ("decode_hung", False)
        ]
        submit_all(lane, speech.utterance("u3", 4000, 4500))
        await lane.drain()
        told = sum(event.duration_samples for event in of(MediaDropped, delivered))
        assert lane.shed_samples == told
        assert told >= 2 * 4000
        gate.open()
        await service.stop()

    async def test_an_utterance_that_gets_no_final_is_lost_from_its_start(
        self, speech, make_stream
    ):
        gate = Gate()
        hangs = threading.Event()
        stream = make_stream(on_accept=lambda: gate(0) if hangs.is_set() else None)
        service = RecognitionService(stream, None, worker_threads=1, hung_after_s=HUNG_AFTER_S)
        delivered: list[JsonEvent] = []
        lane = open_lane(service, delivered)
        submit_all(lane, speech.utterance("u1", 0, 1000))
        submit_all(lane, [speech.started("u2", 2000), speech.audio("u2", 2000, 1000)])
        await lane.drain()
        assert of(PartialHypothesis, delivered)[-1].utterance_id == "u2"
        assert lane.shed_samples == 0
        hangs.set()
        lane.submit(speech.audio("u2", 3000, 500))
        await gate.entered()
        lane.submit(speech.audio("u2", 3500, 500))
        await lane.drain()
        assert [event.utterance_id for event in of(FinalHypothesis, delivered)] == ["u1"]
        assert [
            (event.offset_ms, event.duration_samples, event.code)
            for event in of(MediaDropped, delivered)
        ] == [(2000, 2000 * 8, "decode_hung")]
        assert lane.shed_samples == 2000 * 8
        gate.open()
        await service.stop()

    @pytest.mark.parametrize("finished", [True, False])
    async def test_only_an_utterance_without_a_final_is_lost_when_the_lane_is_given_up(
        self, speech, make_stream, finished
    ):
        service = RecognitionService(make_stream(), None, worker_threads=1)
        delivered: list[JsonEvent] = []
        lane = open_lane(service, delivered)
        events = speech.utterance("u1", 0, 1000)
        submit_all(lane, events if finished else events[:-1])
        await lane.drain()
        lane.abandon()
        await lane.drain()
        assert lane.shed_samples == (0 if finished else 8000)
        await service.stop()

    async def test_other_lanes_go_on(self, speech, make_reader, make_stream):
        gate = Gate()
        service = RecognitionService(
            None,
            make_reader(answer=lambda n: gate(n) if n == 0 else Transcript(text="read words")),
            worker_threads=1,
            hung_after_s=HUNG_AFTER_S,
        )
        hung = open_lane(service, [])
        well: list[JsonEvent] = []
        submit_all(hung, speech.utterance("u1", 0, 1000))
        await gate.entered()
        lane = open_lane(service, well)
        submit_all(lane, speech.utterance("u1", 0, 1000))
        await lane.drain()
        assert len(of(FinalHypothesis, well)) == 1
        gate.open()
        await service.stop()

    async def test_stop_does_not_wait_for_ever(self, speech, make_reader):
        gate = Gate()
        reader = make_reader(answer=gate)
        service = RecognitionService(None, reader, worker_threads=1, hung_after_s=HUNG_AFTER_S)
        delivered: list[JsonEvent] = []
        submit_all(open_lane(service, delivered), speech.utterance("u1", 0, 1000, chunk_ms=1000))
        await gate.entered()
        async with asyncio.timeout(20):
            await service.stop()
        assert of(StageFailed, delivered)
        gate.open()

    async def test_a_late_result_of_a_hung_decode_is_not_delivered(self, speech, make_reader):
        gate = Gate()
        service = RecognitionService(
            None, make_reader(answer=gate), worker_threads=1, hung_after_s=HUNG_AFTER_S
        )
        delivered: list[JsonEvent] = []
        lane = open_lane(service, delivered)
        submit_all(lane, speech.utterance("u1", 0, 1000))
        await gate.entered()
        await lane.drain()
        gate.open()
        await service.stop()
        assert not of(FinalHypothesis, delivered)


class TestLifecycle:
    async def test_close_delivers_what_waits_and_frees_the_decoder(self, speech, make_stream):
        stream = make_stream()
        service = RecognitionService(stream, None, worker_threads=1)
        delivered: list[JsonEvent] = []
        lane = open_lane(service, delivered)
        submit_all(lane, speech.utterance("u1", 0, 1000))
        await lane.close()
        await lane.close()
        assert len(of(FinalHypothesis, delivered)) == 1
        assert [decoder.closed for decoder in stream.decoders] == [True]
        await service.stop()

    async def test_an_utterance_open_at_the_close_is_counted_as_shed(self, speech, make_stream):
        service = RecognitionService(make_stream(), None, worker_threads=1)
        delivered: list[JsonEvent] = []
        lane = open_lane(service, delivered)
        submit_all(lane, speech.utterance("u1", 0, 1000)[:-1])
        await lane.close()
        assert lane.shed_samples == 8000
        assert [event.code for event in of(MediaDropped, delivered)] == ["unfinished"]
        await service.stop()

    async def test_a_closed_lane_takes_nothing_more(self, speech, make_stream):
        service = RecognitionService(make_stream(), None, worker_threads=1)
        lane = open_lane(service, [])
        await lane.close()
        with pytest.raises(RuntimeError, match="closed"):
            lane.submit(speech.started("u1", 0))
        await service.stop()

    async def test_stop_drains_every_lane_and_closes_the_engines(
        self, speech, make_stream, make_reader
    ):
        stream, reader = make_stream(), make_reader()
        service = RecognitionService(stream, reader, worker_threads=2)
        delivered: list[JsonEvent] = []
        for channel in (Channel.CUSTOMER, Channel.AGENT):
            submit_all(
                open_lane(service, delivered, channel=channel), speech.utterance("u1", 0, 1000)
            )
        await service.stop()
        await service.stop()
        assert len(of(FinalHypothesis, delivered)) == 2
        assert stream.closed
        assert reader.closed
        with pytest.raises(RuntimeError, match="stopped"):
            open_lane(service, [])

    async def test_a_language_no_engine_knows_is_refused_when_the_lane_is_opened(self, make_stream):
        service = RecognitionService(make_stream(), None, worker_threads=1)
        assert service.knows("ko")
        assert not service.knows("fr")
        with pytest.raises(RecognitionError, match="fr"):
            open_lane(service, [], language="fr")
        await service.stop()

    async def test_the_service_names_its_engines(self, make_stream, make_reader):
        service = RecognitionService(make_stream(), make_reader(), worker_threads=1)
        assert service.engines == ("fake-stream", "fake-reader")
        await service.stop()

    @pytest.mark.parametrize("max_backlog_ms", [1000, 60_000])
    async def test_the_backlog_may_be_from_1_to_60_s(self, make_stream, max_backlog_ms):
        service = RecognitionService(
            make_stream(), None, worker_threads=1, max_backlog_ms=max_backlog_ms
        )
        await service.stop()

    @pytest.mark.parametrize("max_backlog_ms", [999, 60_001])
    def test_any_other_backlog_is_refused(self, make_stream, max_backlog_ms):
        with pytest.raises(ValueError, match="from 1000 to 60000"):
            RecognitionService(make_stream(), None, worker_threads=1, max_backlog_ms=max_backlog_ms)
