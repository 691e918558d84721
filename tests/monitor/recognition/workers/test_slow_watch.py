"""What is held against a worker: not the time in which the machine had no core for it."""

import asyncio
from types import SimpleNamespace

import pytest

from mamori.monitor.recognition.port import Done, Transcript
from mamori.monitor.recognition.workers import slow_watch
from mamori.monitor.recognition.workers.process import queued_for_core_s
from mamori.monitor.recognition.workers.slow_watch import SlowWatch


class Machine:
    """What /proc says of the only process there is."""

    def __init__(self):
        self.cpu_s = 5.0
        self.queued_s = 2.0


@pytest.fixture
def machine(monkeypatch):
    machine = Machine()
    monkeypatch.setattr(slow_watch, "cpu_s", lambda pid: machine.cpu_s)
    monkeypatch.setattr(slow_watch, "queued_for_core_s", lambda pid: machine.queued_s)
    return machine


@pytest.fixture
def slow():
    return []


@pytest.fixture
def stuck():
    return []


@pytest.fixture
async def watch(slow, stuck):
    watch = SlowWatch(slow.append, stuck.append, lambda: True, lambda: 1.0)
    yield watch
    await watch.stop()


async def run_job(watch, machine, *, own_ratio, queued_ratio, seconds=2.0):
    """A job that gets a tenth of a core; the rest of the time it is stopped, or waits for one."""
    worker = SimpleNamespace(worker_id=1, pid=1, cpu_s=machine.cpu_s)
    began_s, began_queued_s = machine.cpu_s, machine.queued_s
    for tick in range(1, round(seconds / 0.15) + 1):
        running_s = 0.15 * tick
        machine.cpu_s = began_s + own_ratio * running_s
        machine.queued_s = began_queued_s + queued_ratio * running_s
        watch.look(worker, running_s)
    await asyncio.sleep(0)
    if watch._asking is not None:
        await asyncio.wait({watch._asking})


async def test_a_worker_that_is_stopped_most_of_the_time_is_slow(watch, machine, slow):
    await run_job(watch, machine, own_ratio=0.1, queued_ratio=0.0)
    assert slow == [1]


async def test_a_worker_that_waits_for_a_core_most_of_the_time_is_not(watch, machine, slow):
    await run_job(watch, machine, own_ratio=0.1, queued_ratio=0.9)
    await run_job(watch, machine, own_ratio=0.1, queued_ratio=0.8)
    assert slow == []


@pytest.mark.parametrize(("seconds", "is_stuck"), [(1.95, False), (2.1, True)])
async def test_a_worker_that_stands_still_at_a_job_is_stuck(
    watch, machine, slow, stuck, seconds, is_stuck
):
    await run_job(watch, machine, own_ratio=0.0, queued_ratio=0.0, seconds=seconds)
    assert bool(stuck) == is_stuck
    assert slow == []


async def test_one_that_only_waits_for_a_core_is_not(watch, machine, stuck):
    await run_job(watch, machine, own_ratio=0.0, queued_ratio=1.0, seconds=6.0)
    assert stuck == []


async def test_what_another_job_waited_for_a_core_says_nothing_of_the_next(watch, machine, stuck):
    worker = SimpleNamespace(worker_id=1, pid=1, cpu_s=machine.cpu_s)
    watch.look(worker, 0.05)
    machine.queued_s += 5.0
    watch.ended(worker, Done(reply=Transcript(text=""), cpu_s=0.1, wall_s=5.1, queued_s=5.0))
    for tick in range(1, 15):
        watch.look(worker, 0.15 * tick)
    assert stuck == [1]


@pytest.mark.parametrize(("queued_s", "lost"), [(0.0, [1]), (1.6, [])])
async def test_the_same_holds_of_jobs_that_have_ended(watch, machine, slow, queued_s, lost):
    worker = SimpleNamespace(worker_id=1, pid=1, cpu_s=machine.cpu_s)
    reply = Transcript(text="")
    watch.ended(worker, Done(reply=reply, cpu_s=0.2, wall_s=2.0, queued_s=queued_s))
    if watch._asking is not None:
        await asyncio.wait({watch._asking})
    assert slow == lost


def test_a_process_that_is_gone_waits_for_nothing():
    assert queued_for_core_s(2**22 + 1) == 0.0
