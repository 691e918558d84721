"""A pool starts or says why not, and stops for good."""

import asyncio
import importlib.util
import time
from pathlib import Path

import pytest

from mamori.monitor.recognition.port import RecognitionError, Transcript, WorkerLostError
from mamori.monitor.recognition.workers.pool import WorkerPool
from mamori.monitor.recognition.workers.spec import EngineSpec


def pids_of(pool):
    return [pid for _, pid in pool.processes()]


def still_there(pids):
    """Of these processes those that run or are zombies."""
    return [pid for pid in pids if Path(f"/proc/{pid}").exists()]


async def test_workers_decode_at_the_same_time(make_pool, jobs):
    pool = make_pool(workers=2)
    await pool.start()
    began_s = time.monotonic()

    await asyncio.gather(*(pool.decode(worker, jobs.read("SLEEP", 300)) for worker in pool.ready))

    assert time.monotonic() - began_s < 0.6


@pytest.mark.parametrize(
    ("factory", "code", "message"),
    [
        ("load_broken", "model_unusable", "the model at /nowhere does not load"),
        ("load_raising", "engine_unusable", "ImportError: libfake.so.1"),
        ("load_missing", "engine_unusable", "AttributeError"),
        ("load_dying", "template_lost", "ended before any worker was made"),
        ("load_with_a_thread", "template_threads", "has 2: a library has started threads"),
        ("load_workers_broken", "model_incomplete", "lacks model.bin"),
        ("load_workers_crashing", "workers_crash", "3 recognition workers ended"),
    ],
)
async def test_a_start_that_cannot_succeed_says_why_and_leaves_nothing(
    make_pool, until_gone, factory, code, message
):
    pool = make_pool(factory)

    with pytest.raises(RecognitionError, match=message) as refused:
        await pool.start()

    assert refused.value.code == code
    assert pool.processes() == []
    assert pool.ready == ()


async def test_models_that_never_load_are_given_up_in_time(make_pool):
    pool = make_pool("load_slowly", load_within_s=0.5)

    with pytest.raises(RecognitionError, match=r"did not load within 0\.5 s") as refused:
        await pool.start()

    assert refused.value.code == "template_slow"


async def test_workers_that_never_get_ready_are_given_up_in_time(make_pool):
    pool = make_pool("load_workers_hanging", ready_within_s=0.1)

    with pytest.raises(RecognitionError) as refused:
        await pool.start()

    assert refused.value.code == "workers_crash"


async def test_a_pool_is_started_once(pool):
    with pytest.raises(RuntimeError, match="started once"):
        await pool.start()


@pytest.mark.parametrize(
    ("option", "wrong", "least"), [("workers", 0, "1"), ("hung_after_s", 0, "more than 0")]
)
def test_an_option_out_of_range_is_named(option, wrong, least):
    with pytest.raises(ValueError, match=f"{option} must be .*{least}.* not {wrong}"):
        WorkerPool(EngineSpec(), **{"workers": 1, option: wrong})


async def test_stop_leaves_no_process_and_may_be_called_twice(pool, spare_of, until_gone):
    await spare_of(pool)
    pids = pids_of(pool)
    assert len(pids) == 3

    await pool.stop()
    await pool.stop()

    assert still_there(pids) == []
    assert pool.ready == ()


async def test_stop_kills_a_worker_that_hangs_and_frees_who_waits_for_it(pool, jobs):
    decoding = asyncio.ensure_future(pool.decode(1, jobs.read("HANG")))
    await asyncio.sleep(0)
    pids = pids_of(pool)

    await pool.stop()

    with pytest.raises(WorkerLostError):
        await decoding
    assert still_there(pids) == []


async def test_a_start_can_be_given_up(make_pool):
    pool = make_pool("load_slowly")
    starting = asyncio.ensure_future(pool.start())
    await asyncio.sleep(0.05)

    starting.cancel()

    with pytest.raises(asyncio.CancelledError):
        await starting
    assert pool.processes() == []


async def test_a_pool_that_was_never_started_can_be_stopped(make_pool):
    await make_pool().stop()


async def test_a_pool_whose_settings_do_not_fit_into_a_message_can_be_stopped():
    pool = WorkerPool(EngineSpec(hint_phrases={"ja": ("あ" * 400_000,)}), workers=1)
    with pytest.raises(ValueError, match="a frame may have a header of"):
        await pool.start()

    await pool.stop()

    assert pool.processes() == []


async def test_the_memory_of_every_process_is_told(pool, spare_of):
    spare = await spare_of(pool)

    template, worker, second = pool.memory()

    assert (template.worker_id, worker.worker_id, second.worker_id) == (None, 1, spare)
    assert worker.private_bytes < worker.pss_bytes < worker.rss_bytes
    assert template.pss_bytes < template.rss_bytes


@pytest.mark.skipif(importlib.util.find_spec("uvloop") is None, reason="needs uvloop")
def test_a_pool_runs_on_uvloop_too(engines_path, jobs):
    import uvloop

    async def decode_and_crash():
        pool = WorkerPool(EngineSpec(), workers=1, factory="fake_engines:load")
        await pool.start()
        done = await pool.decode(1, jobs.read(samples=160_000))
        with pytest.raises(WorkerLostError):
            await pool.decode(1, jobs.read("CRASH"))
        await pool.stop()
        return done.reply

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        reply = runner.run(decode_and_crash())

    assert isinstance(reply, Transcript)
    assert reply.text == "160000 samples"
