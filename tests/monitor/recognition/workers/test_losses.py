"""A pool of real processes survives what native code may do: crash, hang, be killed."""

import asyncio
import os
import signal
import time

import pytest
from tests.faults import slowed_ten_times

from mamori.monitor.recognition.port import WorkerLostError

HUNG_AFTER_S = 0.2


def pids_of(pool):
    return [pid for _, pid in pool.processes()]


def pid_of(pool, worker_id):
    return dict(pool.processes())[worker_id]


async def lost_code(decoding):
    with pytest.raises(WorkerLostError) as lost:
        await decoding
    assert lost.value.recoverable
    return lost.value.code


async def test_a_crash_costs_the_job_and_the_spare_takes_over(pool, jobs, listener, spare_of):
    spare = await spare_of(pool)

    assert await lost_code(pool.decode(1, jobs.read("CRASH"))) == "crashed"

    assert listener.lost == [(1, "crashed")]
    assert listener.ready == [1, spare]
    assert pool.ready == (spare,)
    assert (await pool.decode(spare, jobs.read())).reply.text == "160 samples"


async def test_a_worker_that_does_not_answer_in_time_is_killed(
    make_pool, jobs, listener, until_gone
):
    pool = make_pool(hung_after_s=HUNG_AFTER_S)
    await pool.start()
    pid = pid_of(pool, 1)
    began_s = time.monotonic()

    assert await lost_code(pool.decode(1, jobs.read("HANG"))) == "hung"

    assert time.monotonic() - began_s >= HUNG_AFTER_S
    assert listener.lost == [(1, "hung")]
    await until_gone(pid)


async def test_a_job_just_within_its_time_is_answered(make_pool, jobs):
    pool = make_pool(hung_after_s=0.5)
    await pool.start()

    done = await pool.decode(1, jobs.read("SLEEP", 300))

    assert done.reply.text == "160 samples"
    assert pool.ready == (1,)


async def test_a_node_that_stands_still_does_not_blame_the_worker(make_pool, jobs):
    pool = make_pool(hung_after_s=HUNG_AFTER_S)
    await pool.start()
    decoding = asyncio.ensure_future(pool.decode(1, jobs.read("SLEEP", 100)))
    await asyncio.sleep(0)

    time.sleep(2 * HUNG_AFTER_S)

    assert (await decoding).reply.text == "160 samples"


async def test_a_worker_killed_while_it_waits_is_noticed(pool, listener, spare_of):
    spare = await spare_of(pool)

    os.kill(pid_of(pool, 1), signal.SIGKILL)

    await listener.until(lambda: listener.ready == [1, spare])
    assert listener.lost == [(1, "crashed")]


async def test_a_spare_killed_while_it_waits_is_replaced_unheard(pool, listener, spare_of):
    spare = await spare_of(pool)
    os.kill(pid_of(pool, spare), signal.SIGKILL)

    assert await spare_of(pool, other_than=spare) > spare
    assert listener.lost == []


def a_sound_machine():
    return 2.5


def a_slow_machine():
    return 2.6


@pytest.fixture
def make_two(make_pool, spare_of):
    """Pools of two workers, started, and their spare warm."""

    async def make(pace_ratio):
        pool = make_pool(workers=2, pace_ratio=pace_ratio)
        await pool.start()
        await spare_of(pool)
        return pool

    return make


async def a_job_a_second(pool, jobs, worker_id):
    """Jobs as short as recognition gives them, each a second after the one before."""
    loop = asyncio.get_running_loop()
    while worker_id in pool.ready:
        next_s = loop.time() + 1
        await pool.decode(worker_id, jobs.read("BURN", 50))
        await asyncio.sleep(next_s - loop.time())


async def jobs_without_a_pause(pool, jobs, worker_id):
    while worker_id in pool.ready:
        await pool.decode(worker_id, jobs.read("BURN", 50))


async def one_long_job(pool, jobs, worker_id):
    await pool.decode(worker_id, jobs.read("BURN", 2_000))


@pytest.mark.parametrize("work", [a_job_a_second, jobs_without_a_pause, one_long_job])
async def test_a_worker_that_lost_nine_tenths_of_its_processor_is_replaced_within_three_seconds(
    make_two, jobs, listener, until_gone, work
):
    pool = await make_two(a_sound_machine)
    pid = pid_of(pool, 1)
    began_s = time.monotonic()

    with slowed_ten_times(pid):
        working = asyncio.ensure_future(work(pool, jobs, 1))
        await listener.until(lambda: listener.lost)

    assert time.monotonic() - began_s < 3
    assert listener.lost == [(1, "slow")]
    assert pool.ready == (2, 3)
    await until_gone(pid)
    await asyncio.wait({working})
    assert working.exception() is None or isinstance(working.exception(), WorkerLostError)


@pytest.mark.parametrize(("pace_ratio", "lost"), [(a_sound_machine, 1), (a_slow_machine, 0)])
async def test_a_worker_that_is_slow_after_its_job_is_replaced_unless_the_machine_is(
    make_two, jobs, listener, pace_ratio, lost
):
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()

    def ask():
        loop.call_soon_threadsafe(asked.set)
        return pace_ratio()

    pool = await make_two(ask)

    done = await pool.decode(1, jobs.read("SLEEP", 810))

    assert done.reply.text == "160 samples"
    await asked.wait()
    await pool.decode(2, jobs.read("SLEEP", 50))
    assert listener.lost == [(1, "slow")] * lost


async def test_the_only_worker_is_never_slow(make_pool, jobs, listener, spare_of):
    pool = make_pool(pace_ratio=a_sound_machine)
    await pool.start()
    await spare_of(pool)

    await pool.decode(1, jobs.read("SLEEP", 810))

    await pool.decode(1, jobs.read("SLEEP", 50))
    assert listener.lost == []


async def test_a_worker_that_stands_still_is_hung_and_not_slow(make_pool, jobs, spare_of):
    pool = make_pool(workers=2, hung_after_s=1.5, pace_ratio=a_sound_machine)
    await pool.start()
    await spare_of(pool)

    assert await lost_code(pool.decode(1, jobs.read("HANG"))) == "hung"


async def test_no_id_is_ever_used_again(pool, jobs, listener, spare_of):
    seen = [1]
    for _ in range(3):
        await spare_of(pool)
        await lost_code(pool.decode(pool.ready[0], jobs.read("CRASH")))
        seen.append(pool.ready[0])

    assert seen == sorted(set(seen))
    assert [worker_id for worker_id, _ in listener.lost] == seen[:-1]


async def test_a_worker_that_is_gone_is_lost_to_whoever_asks_it(pool, jobs):
    await lost_code(pool.decode(1, jobs.read("CRASH")))

    assert await lost_code(pool.decode(1, jobs.read())) == "crashed"


async def test_one_workers_crash_does_not_touch_the_others(make_pool, jobs):
    pool = make_pool(workers=2)
    await pool.start()
    steady = asyncio.ensure_future(pool.decode(2, jobs.read("SLEEP", 50)))

    await lost_code(pool.decode(1, jobs.read("CRASH")))

    assert (await steady).reply.text == "160 samples"


async def test_a_crash_without_a_spare_ready_is_made_good_when_it_is(pool, jobs, listener):
    await lost_code(pool.decode(1, jobs.read("CRASH")))

    await listener.until(lambda: len(pool.ready) == 1)
    assert (await pool.decode(pool.ready[0], jobs.read())).reply.text == "160 samples"


async def test_the_time_of_a_worker_that_crashed_is_counted(pool, jobs, listener, spare_of):
    await spare_of(pool)
    await pool.decode(1, jobs.read("BURN", 50))
    before_s = pool.cpu_s

    await lost_code(pool.decode(1, jobs.read("CRASH")))

    await spare_of(pool)  # by then the template has told how the other ended
    assert pool.cpu_s >= before_s >= 0.05


async def test_without_its_template_the_workers_end_and_all_are_made_anew(
    pool, jobs, listener, until_gone
):
    template, *workers = pids_of(pool)
    decoding = asyncio.ensure_future(pool.decode(1, jobs.read("HANG")))
    await asyncio.sleep(0)

    os.kill(template, signal.SIGKILL)

    assert await lost_code(decoding) == "crashed"
    await until_gone(template, *workers)
    await listener.until(lambda: len(pool.ready) == 1)
    assert pool.ready[0] not in {1, 2}
    assert (await pool.decode(pool.ready[0], jobs.read())).reply.text == "160 samples"
