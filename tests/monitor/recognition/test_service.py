"""The service of all calls: opens and stops, narrows by level, and counts what is done."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from mamori.monitor.events import (
    Channel,
    FinalHypothesis,
    MediaDropped,
    PartialHypothesis,
    RecognitionScope,
    RecognitionScopeChanged,
)
from mamori.monitor.recognition.load import Cost, CostModel, Level
from mamori.monitor.recognition.port import RecognitionError
from mamori.monitor.recognition.service import RecognitionService

BOTH = (Channel.CUSTOMER, Channel.AGENT)


class FakeCosts(CostModel):
    """Notes what it is told."""

    def __init__(self):
        super().__init__(has_stream=True, has_utterance=True)
        self.works = []
        self.speech = []
        self.passes = []

    def worked(self, cost, cpu_s, audio_s):
        self.works.append((cost, round(cpu_s, 3), round(audio_s, 3)))

    def heard(self, channel, audio_s):
        self.speech.append((channel, audio_s))

    def passed(self, wall_s, calls, node_cpu_s):
        self.passes.append((round(wall_s, 3), calls, round(node_cpu_s, 3)))


class FakeGovernor:
    """At each tick goes to the level that it is told to."""

    def __init__(self):
        self.costs = FakeCosts()
        self.level = Level.THOROUGH
        self.wanted: Level | None = Level.THOROUGH
        self.ticks = []

    def tick(self, now_s, *, calls, looked_at, wait_s, cores=None):
        if self.wanted is None:
            raise ValueError("no level")
        self.ticks.append((calls, looked_at, round(wait_s, 3), cores))
        self.level = self.wanted
        return self.level

    def use_ratio(self, calls):
        return 1.0


class FakeObserver:
    def __init__(self):
        self.jobs = []
        self.lost = []
        self.dropped = 0

    def job_done(self, work, cpu_s, wait_s):
        self.jobs.append((str(work), cpu_s, round(wait_s, 3)))

    def rereads_dropped(self, count):
        self.dropped += count

    def worker_lost(self, code):
        self.lost.append(code)


@pytest.fixture
def governor():
    return FakeGovernor()


@pytest.fixture
def observer():
    return FakeObserver()


@pytest.fixture
async def service(workers, governor, observer, reader_engine, stream_engine):
    workers.capabilities = (reader_engine, stream_engine)
    service = RecognitionService(
        workers.make,
        governor=governor,
        observer=observer,
        node_cpu_s=lambda: 7.0,
        cores=lambda: 1.5,
        now_s=asyncio.get_running_loop().time,
    )
    await service.start()
    yield service
    await service.stop(drain_s=1.0)


@pytest.fixture
def make_call(service):
    """Open a call; what is delivered gathers in its list."""

    def make(channels=(Channel.CUSTOMER,), *, language="ja", delivered=None):
        delivered = [] if delivered is None else delivered
        call = service.open_call(
            call_id="call-1",
            channels=channels,
            language=language,
            sample_rate_hz=8000,
            deliver=delivered.extend,
        )
        return call, delivered

    return make


def submit(call, events, channel=Channel.CUSTOMER):
    for event in events:
        call.lanes[channel].submit(event)


def of(kind, events):
    return [event for event in events if isinstance(event, kind)]


def scopes(events):
    return [event.scope.value for event in of(RecognitionScopeChanged, events)]


async def a_tick():
    await asyncio.sleep(0.51)


# Opening


async def test_engines_are_named_the_one_for_partials_first(service):
    assert service.engines == ("live", "reader")
    assert service.workers_ready == 2


@pytest.mark.parametrize(("language", "known"), [("ja", True), ("ko", True), ("en", False)])
async def test_a_language_is_known_that_any_engine_knows(service, language, known):
    assert service.knows(language) is known


async def test_a_call_in_an_unknown_language_is_refused(make_call, governor):
    with pytest.raises(RecognitionError, match="'en'") as refused:
        make_call(language="en")

    assert refused.value.code == "language_unavailable"
    await a_tick()
    assert governor.ticks[-1][0] == 0


async def test_a_language_without_an_utterance_engine_is_read_by_the_stream_engine(
    make_call, speech
):
    call, delivered = make_call(language="ko")
    submit(call, speech.utterance("u1", 0, 1000))
    await call.lanes[Channel.CUSTOMER].drain()

    assert [(final.engine, final.text) for final in of(FinalHypothesis, delivered)] == [
        ("live", "1000 ms")
    ]


async def test_each_lane_has_a_voice_of_its_own(make_call):
    calls = [make_call(BOTH)[0], make_call(BOTH)[0]]

    assert len({lane.voice for call in calls for lane in call.lanes.values()}) == 4


async def test_a_start_that_fails_says_why(workers):
    async def start():
        raise RecognitionError("model_unusable", "the model does not load")

    workers.start = start
    service = RecognitionService(workers.make)

    with pytest.raises(RecognitionError, match="does not load"):
        await service.start()
    await service.stop()
    assert workers.is_stopped


# Stopping


async def test_stop_delivers_the_last_words_and_ends_the_workers(
    service, workers, make_call, speech
):
    call, delivered = make_call()
    submit(call, speech.utterance("u1", 0, 1000))

    await service.stop()
    await service.stop()

    assert len(of(FinalHypothesis, delivered)) == 1
    assert workers.is_stopped
    assert call.lanes[Channel.CUSTOMER].is_closed


@pytest.mark.parametrize(("takes_s", "code"), [(1.9, None), (2.1, "shutdown")])
async def test_what_is_undecoded_when_the_drain_is_over_is_given_up_and_said(
    service, workers, make_call, speech, clock, takes_s, code
):
    workers.takes_s = lambda job: takes_s
    call, delivered = make_call()
    submit(call, speech.utterance("u1", 0, 100))
    began_s = clock.now_s

    await service.stop(drain_s=2.0)

    assert clock.now_s - began_s == pytest.approx(min(takes_s, 2.0))
    assert [event.code for event in of(MediaDropped, delivered)] == ([code] if code else [])
    assert len(of(FinalHypothesis, delivered)) == (0 if code else 1)
    assert workers.is_stopped


async def test_no_call_is_opened_after_stop(service, make_call):
    await service.stop()

    with pytest.raises(RuntimeError, match="stopped"):
        make_call()


async def test_a_stop_that_is_given_up_ends_the_workers_all_the_same(
    service, workers, make_call, speech
):
    workers.takes_s = lambda job: 60.0
    call, _ = make_call()
    submit(call, speech.utterance("u1", 0, 1000))

    stopping = asyncio.ensure_future(service.stop())
    await asyncio.sleep(0.1)
    stopping.cancel()

    with pytest.raises(asyncio.CancelledError):
        await stopping
    assert workers.is_stopped


async def test_after_a_stop_the_governor_is_asked_no_more(service, governor):
    await a_tick()
    await service.stop()
    await asyncio.sleep(5.0)

    assert len(governor.ticks) == 1


# Levels

# What a call gets at each level, and one that somebody looks at where that differs.
LEVELS = {
    Level.THOROUGH: ("full", "full"),
    Level.QUICK: ("full", "full"),
    Level.SUSPECTED: ("finals", "full"),
    Level.FINALS: ("finals", "finals"),
    Level.CUSTOMER: ("customer", "customer"),
}


async def test_the_levels_narrow_calls_in_the_documented_order_and_say_each_change_once(
    make_call, governor
):
    plain, of_plain = make_call()
    watched, of_watched = make_call()
    watched.watch(True)
    suspected, of_suspected = make_call()
    suspected.suspect()

    for level, (scope, looked_at_scope) in LEVELS.items():
        governor.wanted = level
        await a_tick()
        await a_tick()
        assert plain.scope.value == scope
        assert watched.scope.value == suspected.scope.value == looked_at_scope

    assert scopes(of_plain) == ["finals", "customer"]
    assert scopes(of_watched) == scopes(of_suspected) == ["finals", "customer"]
    governor.wanted = Level.THOROUGH
    await a_tick()
    assert scopes(of_plain)[2:] == ["full"]


async def test_every_lane_of_a_call_has_its_scope_and_one_of_them_says_it(make_call, governor):
    call, delivered = make_call(BOTH)

    governor.wanted = Level.CUSTOMER
    await a_tick()

    assert {lane.scope for lane in call.lanes.values()} == {RecognitionScope.CUSTOMER}
    assert scopes(delivered) == ["customer"]


async def test_a_call_that_is_opened_under_load_is_narrow_from_its_start(
    make_call, governor, service
):
    governor.wanted = Level.FINALS
    await a_tick()

    call, delivered = make_call()
    assert delivered == []
    await asyncio.sleep(0)

    assert call.scope is RecognitionScope.FINALS
    assert scopes(delivered) == ["finals"]


async def test_who_begins_to_watch_has_partials_at_once_and_who_ends_ends_them(make_call, governor):
    governor.wanted = Level.SUSPECTED
    await a_tick()
    call, delivered = make_call()

    call.watch(True)
    call.watch(False)
    call.suspect()
    await asyncio.sleep(0)

    assert scopes(delivered) == ["finals", "full", "finals", "full"]


async def test_a_call_that_is_over_may_still_be_watched_and_suspected(make_call, governor):
    governor.wanted = Level.SUSPECTED
    await a_tick()
    call, delivered = make_call()
    await call.lanes[Channel.CUSTOMER].close()

    call.watch(True)
    call.watch(False)
    call.suspect()
    await a_tick()

    assert scopes(delivered) == ["finals"]


async def test_without_partials_the_stream_engine_has_nothing_to_do(
    make_call, governor, speech, observer
):
    governor.wanted = Level.FINALS
    await a_tick()
    call, delivered = make_call()

    submit(call, speech.utterance("u1", 0, 1000))
    await call.lanes[Channel.CUSTOMER].drain()

    assert of(PartialHypothesis, delivered) == []
    assert [job[0] for job in observer.jobs] == ["final"]


async def test_below_the_last_level_agents_get_no_finals_and_it_is_said(
    make_call, governor, speech
):
    governor.wanted = Level.CUSTOMER
    await a_tick()
    call, delivered = make_call(BOTH)

    agent = replace(speech, channel=Channel.AGENT)
    submit(call, agent.utterance("a1", 0, 1000), Channel.AGENT)
    submit(call, speech.utterance("c1", 0, 1000))
    for lane in call.lanes.values():
        await lane.drain()

    assert [final.channel for final in of(FinalHypothesis, delivered)] == ["customer"]
    lost = [event for event in of(MediaDropped, delivered) if event.stage == "recognition"]
    assert [(event.channel, event.code) for event in lost] == [("agent", "load")]


# Accounts


async def test_each_tick_tells_the_governor_how_the_calls_fare(
    make_call, governor, speech, workers
):
    make_call()
    watched, _ = make_call()
    watched.watch(True)
    await a_tick()
    assert governor.ticks == [(2, 1, 0.0, 1.5)]
    assert governor.costs.passes == [(0.5, 2, 0.0)]

    for worker_id in workers.ready:
        workers.lose(worker_id, "crashed")
    submit(watched, speech.utterance("u1", 0, 1000))
    await a_tick()

    # Half a second since the last tick, and a final that has waited since just after it.
    assert governor.ticks[-1] == (2, 1, 0.49, 1.5)
    assert sorted(governor.costs.speech[-2:]) == [("customer", 0.0), ("customer", 1.0)]


async def test_an_agents_final_is_late_only_when_it_waits_longer_than_it_may(
    make_call, governor, speech, workers
):
    for worker_id in workers.ready:
        workers.lose(worker_id, "crashed")
    call, _ = make_call((Channel.AGENT,))
    submit(call, replace(speech, channel=Channel.AGENT).utterance("a1", 0, 500), Channel.AGENT)

    await asyncio.sleep(1.01)

    # Eight tenths more than a customer's: 1.2 s instead of 0.4 s.
    assert [wait_s for _, _, wait_s, _ in governor.ticks] == [0.0, 0.2]


async def test_work_is_counted_by_its_kind_with_the_audio_that_it_made_words_of(
    make_call, governor, speech, workers
):
    call, _ = make_call()
    submit(call, speech.utterance("u1", 0, 1000)[:-1])
    await asyncio.sleep(0.2)
    submit(call, [speech.ended("u1", 0, 1000)])
    await call.lanes[Channel.CUSTOMER].drain()

    assert governor.costs.works == [(Cost.LIVE, 0.1, 1.0), (Cost.THOROUGH, 0.1, 1.0)]


async def test_what_fails_is_not_counted(make_call, observer, governor, speech, workers, refused):
    workers.answer = lambda job: refused
    call, _ = make_call()
    submit(call, speech.utterance("u1", 0, 100))
    await call.lanes[Channel.CUSTOMER].drain()

    assert observer.jobs == []
    assert governor.costs.works == []


async def test_jobs_and_losses_are_told_to_who_counts(make_call, observer, speech, workers):
    call, _ = make_call()
    submit(call, speech.utterance("u1", 0, 100))
    await call.lanes[Channel.CUSTOMER].drain()
    workers.lose(1, "slow", spare=3)

    assert observer.jobs == [("final", 0.1, 0.0)]
    assert observer.lost == ["slow"]


async def test_who_counts_and_fails_costs_no_words(make_call, observer, speech):
    def job_done(work, cpu_s, wait_s):
        raise ValueError

    observer.job_done = job_done
    call, delivered = make_call()
    with capture_logs() as logs:
        submit(call, speech.utterance("u1", 0, 100))
        await call.lanes[Channel.CUSTOMER].drain()

    assert len(of(FinalHypothesis, delivered)) == 1
    assert [each["event"] for each in logs] == ["recognition_job_not_taken"]


async def test_a_tick_that_fails_is_not_the_last_one(governor, service):
    governor.wanted = None
    with capture_logs() as logs:
        await a_tick()
    governor.wanted = Level.QUICK
    await a_tick()

    assert [each["event"] for each in logs] == ["recognition_tick_failed"]
    assert service.level is Level.QUICK


async def test_the_lag_is_that_of_the_lane_that_waits_longest(make_call, service, speech, workers):
    for worker_id in workers.ready:
        workers.lose(worker_id, "crashed")
    first, _ = make_call()
    submit(first, speech.utterance("u1", 0, 100))
    await asyncio.sleep(1.0)
    second, _ = make_call()
    submit(second, speech.utterance("u1", 0, 100))
    await asyncio.sleep(0.5)

    assert service.lag_ms == 1500
    assert first.lag_ms == {Channel.CUSTOMER: 1500}
    assert second.lag_ms == {Channel.CUSTOMER: 500}


async def test_a_call_whose_lanes_are_closed_counts_no_more(make_call, governor):
    call, _ = make_call(BOTH)
    await call.lanes[Channel.CUSTOMER].close()
    await a_tick()
    await call.lanes[Channel.AGENT].close()
    await a_tick()

    assert [calls for calls, *_ in governor.ticks] == [1, 0]
