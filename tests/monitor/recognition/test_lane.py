"""A lane takes speech at once, and delivers on the event loop, in order, until it is closed."""

from __future__ import annotations

import asyncio

import pytest
from structlog.testing import capture_logs

from mamori.monitor.events import Channel, FinalHypothesis, JsonEvent, MediaDropped, StageFailed
from mamori.monitor.recognition.config import RecognitionConfig
from mamori.monitor.recognition.port import Transcript
from mamori.monitor.recognition.service import RecognitionService


@pytest.fixture
async def service(workers):
    service = RecognitionService(workers.make, now_s=asyncio.get_running_loop().time)
    await service.start()
    yield service
    await service.stop(drain_s=1.0)


@pytest.fixture
def delivered():
    return []


@pytest.fixture
async def lane(service, delivered):
    return open_lane(service, delivered.extend)


def open_lane(service, deliver):
    call = service.open_call(
        call_id="call-1",
        channels=(Channel.CUSTOMER,),
        language="ja",
        sample_rate_hz=8000,
        deliver=deliver,
    )
    return call.lanes[Channel.CUSTOMER]


def submit_all(lane, *utterances):
    for events in utterances:
        for event in events:
            lane.submit(event)


def finals(events):
    return [event.utterance_id for event in events if isinstance(event, FinalHypothesis)]


async def test_nothing_is_delivered_within_submit(lane, speech, delivered):
    submit_all(lane, speech.utterance("u1", 0, 1000), [speech.started("u2", 1500)])
    lane.submit(speech.started("u3", 2000))  # u2 is given up, and that is said

    assert delivered == []
    await lane.drain()
    assert finals(delivered) == ["u1"]


async def test_finals_come_in_the_order_of_the_speech(lane, workers, speech, delivered):
    # The later an utterance, the shorter its reading.
    workers.takes_s = lambda job: len(job.pcm) / 8000
    submit_all(
        lane, *(speech.utterance(f"u{n}", n * 3000, n * 3000 + 2000 - 400 * n) for n in range(4))
    )

    await lane.drain()

    assert finals(delivered) == ["u0", "u1", "u2", "u3"]


async def test_drain_waits_for_what_was_submitted_and_takes_no_longer(lane, speech, clock):
    began_s = clock.now_s
    await lane.drain()
    assert clock.now_s == began_s

    submit_all(lane, speech.utterance("u1", 0, 1000), speech.utterance("u2", 2000, 3000))
    await lane.drain()

    assert clock.now_s - began_s == pytest.approx(0.2)


async def test_close_delivers_the_last_words_and_takes_no_more(lane, speech, delivered):
    submit_all(lane, speech.utterance("u1", 0, 1000))

    await lane.close()
    await lane.close()

    assert finals(delivered) == ["u1"]
    assert lane.is_closed
    with pytest.raises(RuntimeError, match="closed"):
        lane.submit(speech.started("u2", 2000))


async def test_an_utterance_without_an_end_is_given_up_by_close_and_said(lane, speech, delivered):
    submit_all(lane, speech.utterance("u1", 0, 1000)[:-1])

    await lane.close()

    (dropped,) = delivered
    assert isinstance(dropped, MediaDropped)
    assert (dropped.code, dropped.offset_ms, dropped.duration_ms) == ("unfinished", 0, 1000)
    assert lane.shed_samples == 8000


async def test_what_is_abandoned_is_said_and_its_jobs_are_not_waited_for(
    lane, workers, speech, delivered, clock
):
    workers.takes_s = lambda job: 5.0
    submit_all(lane, speech.utterance("u1", 0, 1000), speech.utterance("u2", 2000, 3000))
    await asyncio.sleep(1.0)
    began_s = clock.now_s

    lane.abandon("shutdown")
    await lane.drain()

    assert clock.now_s == began_s
    assert [(event.code, event.offset_ms) for event in delivered] == [
        ("shutdown", 0),
        ("shutdown", 2000),
    ]
    await asyncio.sleep(10.0)  # the job's answer is nobody's
    assert len(delivered) == 2


async def test_lag_grows_while_words_are_waited_for(lane, workers, speech):
    workers.takes_s = lambda job: 2.0
    submit_all(lane, speech.utterance("u1", 0, 1000))

    await asyncio.sleep(1.5)

    assert lane.lag_ms == 1500
    await lane.drain()
    assert lane.lag_ms == 0


async def test_what_was_heard_is_told_once(lane, speech):
    submit_all(lane, speech.utterance("u1", 0, 1500), speech.utterance("u2", 2000, 2500))

    assert lane.take_heard_s() == pytest.approx(2.0)
    assert lane.take_heard_s() == 0.0
    assert lane.heard_ms == 2500


async def test_what_waits_longer_than_ten_seconds_is_given_up_and_the_lane_is_drained(
    lane, workers, speech, delivered, clock
):
    for worker_id in workers.ready:
        workers.lose(worker_id, "crashed")
    began_s = clock.now_s
    submit_all(lane, speech.utterance("u1", 0, 1000))

    await lane.drain()

    assert 10.0 <= clock.now_s - began_s <= 10.5
    assert [event.code for event in delivered] == ["overload"]


async def test_a_second_reading_that_comes_to_no_worker_holds_a_drain_no_longer_than_ten_seconds(
    workers, speech, delivered, clock
):
    service = RecognitionService(
        workers.make,
        candidates=lambda text, language: ("phrase",),
        now_s=asyncio.get_running_loop().time,
    )
    await service.start()
    lane = open_lane(service, delivered.extend)
    submit_all(lane, speech.utterance("u1", 0, 1000))
    await asyncio.sleep(0.05)
    workers.answer = lambda job: lose_all(workers)
    began_s = clock.now_s

    await lane.drain()

    assert finals(delivered) == ["u1"]
    assert 10.0 <= clock.now_s - began_s <= 10.6
    await lane.close()
    await service.stop()


def lose_all(workers):
    """The words of the last job, and no worker is left for another one."""
    for worker_id in workers.ready:
        workers.lose(worker_id, "crashed")
    return Transcript(text="words")


async def test_a_recording_waits_as_long_as_it_takes(workers, speech, delivered):
    service = RecognitionService(
        workers.make,
        config=RecognitionConfig(offline=True),
        now_s=asyncio.get_running_loop().time,
    )
    await service.start()
    lane = open_lane(service, delivered.extend)
    for worker_id in workers.ready:
        workers.lose(worker_id, "crashed")
    submit_all(lane, speech.utterance("u1", 0, 1000))

    await asyncio.sleep(60.0)
    workers.come(3)
    await lane.drain()

    assert finals(delivered) == ["u1"]
    await service.stop()


async def test_an_engine_that_refuses_an_utterance_costs_that_one(
    lane, workers, speech, delivered, refused
):
    answers = [refused, Transcript(text="words")]
    workers.answer = lambda job: answers.pop(0)
    submit_all(lane, speech.utterance("u1", 0, 1000), speech.utterance("u2", 2000, 3000))

    await lane.drain()

    assert finals(delivered) == ["u2"]
    assert [e.code for e in delivered if isinstance(e, StageFailed | MediaDropped)] == [
        "decode_failed",
        "decode_failed",
    ]


async def test_an_engine_that_raises_anything_else_is_heard_of_by_its_type_alone(
    lane, workers, speech, delivered
):
    workers.answer = lambda job: ValueError("words of a caller")
    submit_all(lane, speech.utterance("u1", 0, 1000))

    await lane.drain()

    failure = next(event for event in delivered if isinstance(event, StageFailed))
    assert failure.code == "engine_failed"
    assert "words of a caller" not in str(delivered)


async def test_who_listens_and_fails_harms_neither_the_lane_nor_the_others(service, speech):
    def broken(events):
        raise ValueError("words of a caller")

    heard: list[JsonEvent] = []
    lanes = [open_lane(service, broken), open_lane(service, heard.extend)]
    with capture_logs() as logs:
        for lane in lanes:
            submit_all(lane, speech.utterance("u1", 0, 1000))
        for lane in lanes:
            await lane.close()

    assert finals(heard) == ["u1"]
    assert [(each["event"], each["error_type"]) for each in logs] == [
        ("recognition_not_taken", "ValueError")
    ]


async def test_audio_without_its_start_is_refused_and_harms_nothing(lane, speech, delivered):
    with pytest.raises(ValueError, match="u1 is not open"):
        lane.submit(speech.audio("u1", 0, 20))

    submit_all(lane, speech.utterance("u2", 1000, 2000))
    await lane.drain()
    assert finals(delivered) == ["u2"]
