"""Who gets which worker when, and what a lost worker, a flood or idle ones mean for others."""

from __future__ import annotations

import asyncio

import pytest
from structlog.testing import capture_logs

from mamori.monitor.events import (
    Channel,
    FinalHypothesis,
    PartialHypothesis,
    RereadHypothesis,
    StageFailed,
)
from mamori.monitor.recognition.config import RecognitionConfig
from mamori.monitor.recognition.load import CostModel, Governor, GovernorConfig, Level
from mamori.monitor.recognition.port import Depth, ReadJob, StreamJob
from mamori.monitor.recognition.service import RecognitionService


class Costs(CostModel):
    """Assumes what it is told to, whatever is measured."""

    def __init__(self):
        super().__init__(has_stream=True, has_utterance=True)
        self.needs_cores = 0.0

    def cores(self, calls, level, *, looked_at_ratio=1.0):
        return self.needs_cores


@pytest.fixture
def governor():
    return Governor(Costs(), cores=2.0, config=GovernorConfig())


@pytest.fixture
async def make_service(workers):
    services = []

    async def make(**options):
        service = RecognitionService(workers.make, now_s=asyncio.get_running_loop().time, **options)
        await service.start()
        services.append(service)
        return service

    yield make
    for service in services:
        await service.stop(drain_s=1.0)


@pytest.fixture
async def service(make_service, governor):
    return await make_service(governor=governor)


@pytest.fixture
def both_engines(workers, reader_engine, stream_engine):
    workers.capabilities = (reader_engine, stream_engine)


@pytest.fixture
def stream_alone(workers, stream_engine):
    workers.capabilities = (stream_engine,)


class Call:
    """A call and what was delivered of it, with the time."""

    def __init__(self, service, call_id="call-1", channels=(Channel.CUSTOMER,)):
        self._time = asyncio.get_running_loop().time
        self.events = []
        self.arrived_s = {}
        recognition = service.open_call(
            call_id=call_id,
            channels=channels,
            language="ja",
            sample_rate_hz=8000,
            deliver=self._deliver,
        )
        self.recognition = recognition
        self.lanes = recognition.lanes
        self.lane = recognition.lanes[channels[0]]

    def _deliver(self, events):
        self.events += events
        for event in events:
            if isinstance(event, FinalHypothesis):
                self.arrived_s[event.utterance_id] = self._time()

    def submit(self, events):
        for event in events:
            self.lane.submit(event)

    def of(self, kind):
        return [event for event in self.events if isinstance(event, kind)]

    async def drain(self):
        for lane in self.lanes.values():
            await lane.drain()


async def speak(call, events):
    """Submit speech as it is spoken."""
    loop = asyncio.get_running_loop()
    for event in events:
        call.lane.submit(event)
        if hasattr(event, "pcm"):
            await asyncio.sleep(len(event.pcm) / event.sample_rate_hz)
    return loop.time()


def reads(workers):
    return [begun for begun in workers.begun if isinstance(begun.job, ReadJob)]


def hears(workers):
    return [begun for begun in workers.begun if isinstance(begun.job, StreamJob)]


# Workers


async def test_jobs_of_two_calls_go_to_two_workers_at_once(service, workers, speech):
    calls = [Call(service), Call(service)]
    for call in calls:
        call.submit(speech.utterance("u1", 0, 1000))

    for call in calls:
        await call.drain()

    first, second = reads(workers)
    assert {first.worker_id, second.worker_id} == {1, 2}
    assert first.at_s == second.at_s


async def test_a_third_job_waits_for_a_worker_and_no_longer(service, workers, speech):
    for _ in range(3):
        Call(service).submit(speech.utterance("u1", 0, 1000))

    await asyncio.sleep(1.0)

    starts_s = [begun.at_s for begun in reads(workers)]
    assert starts_s[2] - starts_s[0] == pytest.approx(0.1)


async def test_an_agents_final_waits_for_a_customers(service, workers, speech):
    workers.ready = (1,)
    busy = Call(service)
    busy.submit(speech.utterance("u1", 0, 1000))
    await asyncio.sleep(0.05)
    agent = Call(service, channels=(Channel.AGENT,))
    agent.submit(speech.utterance("u1", 0, 2000))
    customer = Call(service)
    customer.submit(speech.utterance("u1", 0, 3000))

    await agent.drain()
    await customer.drain()

    assert [len(begun.job.pcm) // 8000 for begun in reads(workers)] == [1, 3, 2]


async def test_an_open_utterance_stays_with_its_worker(both_engines, service, workers, speech):
    call = Call(service)

    await speak(call, speech.utterance("u1", 0, 2000))
    await call.drain()

    jobs = hears(workers)
    assert len(jobs) == 10
    assert len({(begun.worker_id, begun.job.slot) for begun in jobs}) == 1
    assert [begun.job.begins for begun in jobs] == [True] + [False] * 9
    # The last stretch was heard when the utterance had ended, and its final says it.
    assert [p.text for p in call.of(PartialHypothesis)] == [f"{200 * n} ms" for n in range(1, 10)]


async def test_everything_that_waits_for_a_channel_is_one_job(
    both_engines, service, workers, speech
):
    workers.takes_s = lambda job: 1.05 if isinstance(job, StreamJob) and job.begins else 0.01
    call = Call(service)

    await speak(call, speech.utterance("u1", 0, 2000)[:-1])
    await asyncio.sleep(0.5)

    # One block of 200 ms, then all that came while it was heard, then the rest as it comes.
    heard_ms = [len(begun.job.pcm) // 8 for begun in hears(workers)]
    assert heard_ms[:3] == [200, 1000, 200]
    assert sum(heard_ms) == 2000


# Lost workers


@pytest.mark.parametrize("code", ["crashed", "hung", "slow"])
async def test_a_lost_worker_costs_an_utterance_its_time_and_other_calls_nothing(
    service, workers, speech, clock, code
):
    struck, spared = Call(service, "call-1"), Call(service, "call-2")
    struck.submit(speech.utterance("u1", 0, 1000))
    spared.submit(speech.utterance("u1", 0, 1000))
    began_s = clock.now_s
    await asyncio.sleep(0.05)

    victim, other = reads(workers)
    workers.lose(victim.worker_id, code, spare=3)
    await struck.drain()
    await spared.drain()

    assert (victim.worker_id, other.worker_id) == (1, 2)
    assert spared.arrived_s["u1"] - began_s == pytest.approx(0.1)
    assert struck.arrived_s["u1"] - began_s == pytest.approx(0.15)
    assert [failure.code for failure in struck.of(StageFailed)] == [code]
    assert [event.type for event in spared.events] == ["final_hypothesis"]


async def test_an_utterance_whose_worker_is_lost_while_it_waits_is_heard_anew_by_another(
    stream_alone, service, workers, speech
):
    call = Call(service)
    workers.takes_s = lambda job: 0.05
    await speak(call, speech.utterance("u1", 0, 1000)[:-1])
    await asyncio.sleep(0.1)
    before = len(hears(workers))
    first = hears(workers)[-1]

    workers.lose(first.worker_id, "crashed", spare=3)
    call.lane.submit(speech.ended("u1", 0, 1000))
    await call.drain()

    anew = hears(workers)[before]
    assert anew.worker_id != first.worker_id
    assert anew.job.begins
    assert len(anew.job.pcm) == 8000
    assert [final.text for final in call.of(FinalHypothesis)] == ["1000 ms"]


async def test_a_worker_that_is_lost_right_after_its_answer_is_left_by_its_utterance(
    stream_alone, service, workers, speech
):
    call = Call(service)
    call.submit(speech.utterance("u1", 0, 400)[:-1])
    loop = asyncio.get_running_loop()
    await asyncio.sleep(0)
    # In the same turn of the loop as the answer, and before anybody has heard of that.
    decode = workers.decode

    async def decode_and_die(worker_id, job):
        done = await decode(worker_id, job)
        workers.decode = decode
        workers.lose(worker_id, "slow", spare=3)
        return done

    workers.decode = decode_and_die
    await asyncio.sleep(0.5)
    call.submit([speech.ended("u1", 0, 400)])
    began_s = loop.time()

    await call.drain()

    assert loop.time() - began_s < 1.0
    assert [final.text for final in call.of(FinalHypothesis)] == ["400 ms"]


async def test_without_any_worker_jobs_wait_for_the_next_one(service, workers, speech):
    for worker_id in workers.ready:
        workers.lose(worker_id, "crashed")
    call = Call(service)
    call.submit(speech.utterance("u1", 0, 1000))
    await asyncio.sleep(2.0)
    assert call.events == []

    workers.come(3)
    await call.drain()

    assert [begun.worker_id for begun in reads(workers)] == [3]


# Floods


async def test_a_flooding_call_does_not_delay_another_calls_finals(service, workers, speech):
    flood = Call(service, "flood")
    for number in range(40):
        flood.submit(speech.utterance(f"u{number}", number * 700, number * 700 + 600))
    await asyncio.sleep(0.25)
    workers.takes_s = lambda job: 0.2
    waits_s = []
    quiet = Call(service, "quiet")
    for number in range(5):
        ended_s = asyncio.get_running_loop().time()
        quiet.submit(speech.utterance(f"u{number}", number * 3000, number * 3000 + 1000))
        await quiet.drain()
        waits_s.append(quiet.arrived_s[f"u{number}"] - ended_s)

    # At most one job that has begun is waited for.
    assert max(waits_s) <= 0.4
    await flood.drain()
    assert len(flood.of(FinalHypothesis)) == 40


async def test_calls_that_flood_on_every_worker_are_passed_by_one_that_does_not(
    service, workers, speech
):
    workers.takes_s = lambda job: 0.3
    floods = [Call(service, f"flood-{number}") for number in range(2)]
    for flood in floods:
        for number in range(20):
            flood.submit(speech.utterance(f"u{number}", number * 1200, number * 1200 + 1000))
    await asyncio.sleep(3.5)  # each has had a core for longer than it may
    quiet = Call(service, "quiet")
    ended_s = asyncio.get_running_loop().time()
    quiet.submit(speech.utterance("u1", 0, 1000))

    await quiet.drain()

    assert quiet.arrived_s["u1"] - ended_s <= 0.6


# Depth


async def test_with_nothing_waiting_a_final_is_read_thoroughly(service, workers, speech):
    call = Call(service)
    call.submit(speech.utterance("u1", 0, 1000))
    await call.drain()

    assert [begun.job.depth for begun in reads(workers)] == [Depth.THOROUGH]


async def test_while_another_call_waits_finals_are_read_quickly(service, workers, speech):
    for _ in range(3):
        Call(service).submit(speech.utterance("u1", 0, 1000))

    await asyncio.sleep(1.0)

    assert [begun.job.depth for begun in reads(workers)] == [
        Depth.QUICK,
        Depth.QUICK,
        Depth.THOROUGH,
    ]


async def test_while_more_of_the_same_channel_waits_finals_are_read_quickly(
    service, workers, speech
):
    call = Call(service)
    for number in range(3):
        call.submit(speech.utterance(f"u{number}", number * 2000, number * 2000 + 1000))

    await call.drain()

    assert [begun.job.depth for begun in reads(workers)] == [
        Depth.QUICK,
        Depth.QUICK,
        Depth.THOROUGH,
    ]


@pytest.mark.parametrize("level", [level for level in Level if level is not Level.THOROUGH])
async def test_below_the_thorough_level_finals_are_read_quickly(
    make_service, workers, speech, governor, level
):
    governor.level = level
    service = await make_service(governor=governor)
    call = Call(service)
    call.submit(speech.utterance("u1", 0, 1000))
    await call.drain()

    assert [begun.job.depth for begun in reads(workers)] == [Depth.QUICK]


async def test_recordings_are_always_read_thoroughly(make_service, workers, speech):
    service = await make_service(config=RecognitionConfig(offline=True))
    calls = [Call(service) for _ in range(5)]
    for call in calls:
        call.submit(speech.utterance("u1", 0, 1000))
    for call in calls:
        await call.drain()

    assert [begun.job.depth for begun in reads(workers)] == [Depth.THOROUGH] * 5


# Second and early readings


async def test_a_final_with_suspected_phrases_is_read_again_with_them(
    make_service, workers, speech
):
    service = await make_service(candidates=lambda text, language: (f"{text}?", language))
    call = Call(service)
    call.submit(speech.utterance("u1", 0, 1000))
    await call.drain()

    assert [begun.job.phrases for begun in reads(workers)] == [(), ("1000 ms?", "ja")]
    assert [event.type for event in call.events] == ["final_hypothesis", "reread_hypothesis"]


async def test_who_suspects_and_fails_costs_the_second_reading_alone(make_service, workers, speech):
    def broken(text, language):
        raise ValueError(text)

    service = await make_service(candidates=broken)
    call = Call(service)
    with capture_logs() as logs:
        call.submit(speech.utterance("u1", 0, 1000))
        call.submit(speech.utterance("u2", 2000, 3000))
        await call.drain()

    assert [final.utterance_id for final in call.of(FinalHypothesis)] == ["u1", "u2"]
    assert call.of(RereadHypothesis) == []
    assert {(each["event"], each["error_type"]) for each in logs} == {
        ("recognition_job_not_taken", "ValueError")
    }
    assert "1000 ms" not in str(logs)


def with_a_pause(speech, quiet_ms):
    """A second of speech and a pause, still open."""
    audio = speech.audio("u1", 0, 1000 + quiet_ms)
    paused = type(audio)(
        **{name: getattr(audio, name) for name in audio.__slots__ if name != "quiet_samples"},
        quiet_samples=quiet_ms * 8,
    )
    return [speech.started("u1", 0), paused]


@pytest.mark.parametrize(("quiet_ms", "early"), [(180, 0), (200, 1), (220, 1)])
async def test_an_idle_worker_reads_ahead_in_a_pause(service, workers, speech, quiet_ms, early):
    call = Call(service)
    call.submit(with_a_pause(speech, quiet_ms))
    await asyncio.sleep(0.3)
    assert len(reads(workers)) == early

    ended_s = asyncio.get_running_loop().time()
    call.submit([speech.ended("u1", 0, 1000 + quiet_ms)])
    await call.drain()

    assert len(reads(workers)) == 1
    assert call.arrived_s["u1"] - ended_s == pytest.approx(0.0 if early else 0.1)


@pytest.mark.parametrize(("use", "early"), [(0.59, 1), (0.6, 0), (0.61, 0)])
async def test_on_a_busy_machine_nobody_reads_ahead(service, workers, speech, governor, use, early):
    governor.costs.needs_cores = use * 0.7 * 2.0
    call = Call(service)
    call.submit(with_a_pause(speech, 300))
    await asyncio.sleep(0.3)

    assert len(reads(workers)) == early


async def test_an_early_reading_that_nobody_gives_out_keeps_no_final_from_being_thorough(
    service, workers, speech, governor
):
    governor.costs.needs_cores = 0.6 * 0.7 * 2.0
    Call(service).submit(with_a_pause(speech, 300))
    await asyncio.sleep(0.01)
    governor.level = Level.THOROUGH
    call = Call(service)
    call.submit(speech.utterance("u1", 0, 1000))
    await call.drain()

    assert [begun.job.depth for begun in reads(workers)] == [Depth.THOROUGH]
