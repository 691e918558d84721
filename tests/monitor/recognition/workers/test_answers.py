"""A worker in its own process answers, refuses, and goes on after an error."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from mamori.monitor.recognition.port import (
    LiveText,
    RecognitionError,
    StreamReply,
    Transcript,
    TranscriptWord,
)
from mamori.monitor.recognition.workers.pool import WorkerPool
from mamori.monitor.recognition.workers.spec import EngineSpec

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def pool(engines_path) -> AsyncIterator[WorkerPool]:
    """One pool for all of these: a worker outlives each of them."""
    pool = WorkerPool(EngineSpec(), workers=1, factory="fake_engines:load")
    await pool.start()
    yield pool
    await pool.stop()


async def test_a_whole_utterance_is_answered_by_its_transcript(pool, jobs):
    done = await pool.decode(1, jobs.read(samples=160))

    word = TranscriptWord(text="160 samples", start_samples=0, end_samples=160)
    assert done.reply == Transcript(
        text="160 samples", words=(word,), confidence=0.5, marks=("ja", "thorough")
    )


async def test_a_stretch_of_an_utterance_is_answered_by_live_text(pool, jobs):
    done = await pool.decode(1, jobs.stream(samples=80))

    assert done.reply == StreamReply(live=LiveText(text="80 samples", hints=("call-1",)))


async def test_the_last_stretch_is_answered_by_the_transcript_as_well(pool, jobs):
    done = await pool.decode(1, jobs.stream(samples=80, finishes=True))

    assert done.reply.transcript == Transcript(text="80 samples")


async def test_half_a_minute_of_audio_goes_in_one_job(pool, jobs):
    done = await pool.decode(1, jobs.read(samples=30 * 16_000))

    assert done.reply.text == "480000 samples"


async def test_a_job_tells_its_processor_time_and_the_pool_adds_it_up(pool, jobs):
    before_s = pool.cpu_s

    done = await pool.decode(1, jobs.read("BURN", 30))

    assert 0.03 <= done.cpu_s <= pool.cpu_s - before_s
    assert done.wall_s >= 0.03


async def test_waiting_takes_time_but_no_processor_time(pool, jobs):
    done = await pool.decode(1, jobs.read("SLEEP", 30))

    assert done.wall_s >= 0.03
    assert done.cpu_s < 0.03


async def test_the_pool_tells_what_its_engines_can_do(pool, jobs):
    assert [engine.name for engine in pool.capabilities] == ["fake-stream", "fake-reader"]
    assert pool.capabilities[0].languages == {"ja", "ko"}


async def test_the_engines_own_error_arrives_as_it_was(pool, jobs):
    with pytest.raises(RecognitionError) as refused:
        await pool.decode(1, jobs.read("REFUSE"))

    assert (refused.value.code, str(refused.value)) == ("language_unavailable", "there is no xx")
    assert refused.value.recoverable


async def test_any_other_exception_arrives_without_its_text_and_the_worker_goes_on(pool, jobs):
    with pytest.raises(RecognitionError) as failed:
        await pool.decode(1, jobs.read("RAISE"))

    assert (failed.value.code, str(failed.value)) == (
        "engine_failed",
        "the engine raised ValueError",
    )
    assert (await pool.decode(1, jobs.read())).reply.text == "160 samples"


async def test_a_worker_takes_one_job_at_a_time(pool, jobs):
    first = asyncio.ensure_future(pool.decode(1, jobs.read("SLEEP", 20)))
    await asyncio.sleep(0)

    with pytest.raises(ValueError, match="worker 1 must be ready and without a job"):
        await pool.decode(1, jobs.read())

    await first
    await pool.decode(1, jobs.read())


@pytest.mark.parametrize("worker_id", [0, -1, 99])
async def test_a_worker_that_never_was_is_a_mistake_of_the_caller(pool, jobs, worker_id):
    with pytest.raises(ValueError, match=f"there is no worker {worker_id}, ready are"):
        await pool.decode(worker_id, jobs.read())


async def test_the_warm_spare_takes_no_jobs(pool, jobs, spare_of):
    spare = await spare_of(pool)

    with pytest.raises(ValueError, match=f"worker {spare} must be ready"):
        await pool.decode(spare, jobs.read())


async def test_a_caller_that_gives_up_leaves_the_worker_at_work_and_then_free(pool, jobs):
    caller = asyncio.ensure_future(pool.decode(1, jobs.read("SLEEP", 50)))
    await asyncio.sleep(0)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    with pytest.raises(ValueError, match="without a job"):
        await pool.decode(1, jobs.read())

    while True:
        try:
            done = await pool.decode(1, jobs.read(samples=99))
        except ValueError:
            await asyncio.sleep(0.005)
        else:
            break
    assert done.reply.text == "99 samples"
