"""What a channel wants done next, by when, and what each job holds."""

from __future__ import annotations

import numpy as np
import pytest
from tests.monitor.recognition.rig import CRASH, MS, RATE_HZ, Rig

from mamori.monitor.events import Channel, RecognitionScope
from mamori.monitor.recognition.config import RecognitionConfig
from mamori.monitor.recognition.port import Depth
from mamori.monitor.recognition.tasks import Work

FULL, FINALS = RecognitionScope.FULL, RecognitionScope.FINALS
CUSTOMER = RecognitionScope.CUSTOMER


@pytest.fixture
def rig():
    return Rig()


# What is wanted when


def test_a_silent_channel_wants_nothing(rig):
    assert rig.tasks() == []
    rig.start()
    assert rig.tasks() == []


@pytest.mark.parametrize(("heard_ms", "wants"), [(199, []), (200, [Work.LIVE]), (201, [Work.LIVE])])
def test_an_open_utterance_is_heard_from_a_whole_block_on(rig, heard_ms, wants):
    rig.start()
    rig.audio(heard_ms)
    assert rig.wants() == wants


def test_the_next_stretch_is_due_some_time_after_its_first_block_was_there(rig):
    rig.start()
    rig.audio(200)
    rig.wait(0.2)
    rig.audio(200)

    (task,) = rig.tasks()

    assert task.wanted_s == 100.0
    assert task.due_s == pytest.approx(100.6)
    assert task.needs_slot
    assert not task.is_final


@pytest.mark.parametrize(
    ("channel", "due_s"),
    [(Channel.CUSTOMER, 100.4), (Channel.MIXED, 100.4), (Channel.AGENT, 101.2)],
)
def test_a_final_is_due_after_the_end_of_speech_and_an_agents_later(channel, due_s):
    rig = Rig(channel=channel)
    rig.say()

    (task,) = rig.tasks()

    assert task.work is Work.FINAL
    assert task.wanted_s == 100.0
    assert task.due_s == pytest.approx(due_s)
    assert task.is_final


def test_at_most_a_job_an_engine_is_wanted(rig):
    rig.say()
    rig.say()
    rig.start()
    rig.audio(400)
    assert sorted(rig.wants()) == [Work.FINAL, Work.LIVE]

    rig.begin(Work.FINAL)
    assert rig.wants() == [Work.LIVE]
    rig.begin(Work.LIVE)
    assert rig.wants() == []


def test_a_channel_that_floods_is_put_behind_every_other_one(rig):
    rig.say()
    rig.state.allowance.charge(2.0, rig.around.clock_s)
    assert rig.tasks()[0].due_s == pytest.approx(100.4)

    rig.state.allowance.charge(1.0, rig.around.clock_s)
    assert rig.tasks()[0].due_s == pytest.approx(110.4)


# What a live job holds


def test_everything_that_waits_goes_with_one_job_in_whole_blocks(rig):
    rig.start()
    rig.audio(750)

    job = rig.hear()

    assert len(job.pcm) == 600 * MS
    assert (job.begins, job.finishes, job.voice, job.sample_rate_hz) == (True, False, "v1", RATE_HZ)
    assert rig.wants() == []
    rig.audio(49)
    assert rig.wants() == []
    rig.audio(1)
    assert len(rig.hear().pcm) == 200 * MS


@pytest.mark.parametrize(
    ("waiting_ms", "first_ms"), [(1_999, 1_800), (2_000, 2_000), (2_200, 2_000), (5_000, 2_000)]
)
def test_no_job_is_longer_than_the_longest(rig, waiting_ms, first_ms):
    rig.start()
    rig.audio(waiting_ms)
    assert len(rig.hear().pcm) == first_ms * MS


def test_what_a_longest_job_left_over_is_wanted_since_that_job_began(rig):
    rig.start()
    rig.audio(5_000)
    rig.wait(3.0)
    rig.hear()
    (task,) = rig.tasks()
    assert task.wanted_s == 103.0


def test_a_longest_job_that_is_no_whole_number_of_blocks_is_cut_to_blocks():
    rig = Rig(config=RecognitionConfig(partial_interval_ms=300))
    rig.start()
    rig.audio(5_000)
    assert len(rig.hear().pcm) == 1_800 * MS


@pytest.mark.parametrize(
    ("rest_ms", "jobs"),
    [
        (0, [(0, True)]),
        (150, [(150, True)]),
        (2_000, [(2_000, True)]),
        (2_001, [(2_000, False), (1, True)]),
    ],
)
def test_an_ended_utterance_is_heard_to_its_last_sample(rest_ms, jobs):
    rig = Rig(reader=False)
    rig.start()
    rig.audio(200)
    rig.hear()
    if rest_ms:
        rig.audio(rest_ms)
    rig.end()

    heard = [rig.hear("words") for _ in jobs]

    assert [(len(job.pcm) // MS, job.finishes) for job in heard] == jobs
    assert rig.finals == [("u1", "words", "ears")]


def test_jobs_put_together_are_the_utterance_with_its_holes():
    rig = Rig(reader=False)
    rig.start()
    rig.audio(330)
    first = rig.hear()
    rig.audio(500, hole_ms=60)
    second = rig.hear()
    rig.end()
    last = rig.hear("words")

    heard = np.concatenate([first.pcm, second.pcm, last.pcm])

    assert len(heard) == 890 * MS
    assert not heard[330 * MS : 390 * MS].any()
    assert heard[: 330 * MS].all()
    assert heard[390 * MS :].all()


def test_the_next_stretch_is_bound_to_the_worker_that_hears_the_utterance(rig):
    rig.start()
    rig.audio(200)
    rig.hear(worker_id=2)
    rig.audio(200)

    (task,) = rig.tasks()

    assert (task.worker_id, task.needs_slot) == (2, False)
    job = rig.hear()
    assert (job.slot, job.begins) == (0, False)


def test_a_reading_gets_the_whole_utterance(rig):
    rig.start()
    rig.audio(300)
    rig.audio(300, hole_ms=40)
    rig.end()

    task, job = rig.begin(Work.FINAL, depth=Depth.QUICK)

    assert len(job.pcm) == 640 * MS
    assert (job.language, job.sample_rate_hz) == ("ja", RATE_HZ)
    assert (job.depth, job.phrases) == (Depth.QUICK, ())
    assert task.is_final


# Early readings


@pytest.mark.parametrize(
    ("quiet_ms", "wants"), [(199, []), (200, [Work.EARLY]), (201, [Work.EARLY])]
)
def test_a_pause_of_half_the_hangover_may_be_read(quiet_ms, wants):
    rig = Rig(stream=False)
    rig.start()
    rig.audio(1_000, quiet_ms=quiet_ms)
    assert rig.wants() == wants


def test_an_early_reading_is_the_least_urgent(rig):
    rig.start()
    rig.audio(1_000, quiet_ms=200)
    live, early = sorted(rig.tasks(), key=lambda task: task.due_s)
    assert (live.work, early.work) == (Work.LIVE, Work.EARLY)
    assert early.due_s == pytest.approx(110.0)


def test_a_pause_is_read_once(rig):
    rig = Rig(stream=False)
    rig.start()
    rig.audio(1_000, quiet_ms=200)
    rig.read(work=Work.EARLY)

    rig.audio(100, quiet_ms=300)
    assert rig.wants() == []
    rig.audio(300)
    rig.audio(200, quiet_ms=200)
    assert rig.wants() == [Work.EARLY]


def test_nothing_is_read_early_while_an_earlier_utterance_waits():
    rig = Rig(stream=False)
    rig.say()
    rig.start()
    rig.audio(1_000, quiet_ms=300)
    assert rig.wants() == [Work.FINAL]
    rig.begin(Work.FINAL)
    assert rig.wants() == []


def test_what_gets_no_final_is_not_read_early():
    rig = Rig(stream=False, channel=Channel.AGENT)
    rig.lane.scope = CUSTOMER
    rig.start()
    rig.audio(1_000, quiet_ms=300)
    assert rig.wants() == []


def test_a_recording_is_not_read_early():
    rig = Rig(stream=False, config=RecognitionConfig(offline=True))
    rig.start()
    rig.audio(1_000, quiet_ms=300)
    assert rig.wants() == []


def test_what_crashed_a_worker_is_not_read_early_again():
    rig = Rig(stream=False)
    rig.start()
    rig.audio(1_000, quiet_ms=200)
    rig.fail(Work.EARLY, CRASH)
    rig.audio(300)
    rig.audio(200, quiet_ms=200)
    assert rig.wants() == []


# How much is wanted


@pytest.mark.parametrize(
    ("scope", "channel", "partials", "finals"),
    [
        (FULL, Channel.CUSTOMER, True, True),
        (FULL, Channel.AGENT, True, True),
        (FINALS, Channel.CUSTOMER, False, True),
        (FINALS, Channel.AGENT, False, True),
        (CUSTOMER, Channel.CUSTOMER, False, True),
        (CUSTOMER, Channel.MIXED, False, True),
        (CUSTOMER, Channel.AGENT, False, False),
    ],
)
def test_each_scope_gives_so_much(scope, channel, partials, finals):
    rig = Rig(channel=channel)
    rig.lane.scope = scope
    assert (rig.state.wants_partials, rig.state.wants_finals) == (partials, finals)


# How long things wait


def test_lag_is_how_long_the_oldest_speech_waits_for_words(rig):
    rig.start()
    rig.audio(200)
    rig.wait(0.3)
    assert rig.state.lag_s(rig.around.clock_s) == pytest.approx(0.3)
    rig.hear()
    assert rig.state.lag_s(rig.around.clock_s) == 0.0

    rig.end()
    rig.wait(0.5)
    rig.begin(Work.FINAL)
    rig.wait(0.2)
    assert rig.state.lag_s(rig.around.clock_s) == pytest.approx(0.7)


def test_speech_that_gets_no_words_has_no_lag(rig):
    rig.lane.scope = FINALS
    rig.start()
    rig.audio(1_000)
    rig.wait(5.0)
    assert rig.state.lag_s(rig.around.clock_s) == 0.0


def test_late_is_what_nobody_reads_yet(rig):
    rig.say()
    rig.wait(0.5)
    assert rig.state.late_s(rig.around.clock_s) == pytest.approx(0.5)
    rig.begin(Work.FINAL)
    assert rig.state.late_s(rig.around.clock_s) == 0.0


def test_an_agent_is_late_only_beyond_the_time_that_it_may_wait_longer():
    rig = Rig(channel=Channel.AGENT)
    rig.say()
    rig.wait(0.8)
    assert rig.state.late_s(rig.around.clock_s) == pytest.approx(0.0)
    rig.wait(0.1)
    assert rig.state.late_s(rig.around.clock_s) == pytest.approx(0.1)


def test_a_channel_that_floods_is_not_late(rig):
    rig.state.allowance.charge(3.0, rig.around.clock_s)
    rig.say()
    rig.wait(0.1)
    assert rig.state.late_s(rig.around.clock_s) == 0.0


def overdue(rig):
    return [each.utterance_id for each in rig.state.overdue(rig.around.clock_s)]


@pytest.mark.parametrize(("waited_s", "found"), [(9.99, []), (10.0, ["u1"]), (10.01, ["u1"])])
def test_what_has_waited_for_the_longest_wait_is_overdue(rig, waited_s, found):
    rig.say()
    rig.wait(waited_s)
    assert overdue(rig) == found


def test_what_a_worker_has_is_not_overdue(rig):
    rig.say()
    rig.say()
    rig.begin(Work.FINAL)
    rig.wait(11.0)
    assert overdue(rig) == ["u2"]


def test_what_is_still_spoken_is_not_overdue(rig):
    rig.start()
    rig.audio(1_000)
    rig.wait(11.0)
    assert overdue(rig) == []


@pytest.mark.parametrize(
    ("lengths_ms", "found"),
    [
        ([10_000, 10_000, 9_999], []),
        ([10_000, 10_000, 10_000], []),
        ([10_000, 10_000, 10_001], ["u1"]),
        ([1_000, 20_000, 20_000], ["u1", "u2"]),
    ],
)
def test_beyond_the_longest_backlog_the_oldest_are_overdue(lengths_ms, found):
    rig = Rig(config=RecognitionConfig(longest_backlog_ms=30_000))
    for length_ms in lengths_ms[:-1]:
        rig.say(length_ms)
    rig.start()
    rig.audio(lengths_ms[-1])
    rig.lane.expire()
    rig.end()
    assert [code for _, code in rig.drops] == ["overload"] * len(found)
    assert [each.utterance_id for each in rig.state.queue] == [
        f"u{number + 1}" for number in range(len(lengths_ms)) if f"u{number + 1}" not in found
    ]


def test_what_a_worker_has_stays_although_the_backlog_is_too_long(rig):
    rig.say(20_000)
    rig.begin(Work.FINAL)
    rig.say(10_000)
    rig.start()
    rig.audio(10_000)
    rig.end()
    assert [each.utterance_id for each in rig.state.queue] == ["u1", "u3"]


def test_of_a_recording_nothing_is_overdue():
    rig = Rig(config=RecognitionConfig(offline=True))
    for _ in range(5):
        rig.say(20_000)
    rig.wait(1_000.0)
    assert overdue(rig) == []
