"""The engines of a real worker: what the template loads, what a fork starts, bad models."""

import numpy as np
import pytest

from mamori.monitor.recognition.port import (
    ReadJob,
    RecognitionError,
    StreamJob,
    StreamReply,
    Transcript,
)
from mamori.monitor.recognition.workers.engines import load_engines, warm_up_speech
from mamori.monitor.recognition.workers.pool import WorkerPool
from mamori.monitor.recognition.workers.spec import EngineSpec

SILENCE = np.zeros(8000, np.int16)


@pytest.mark.parametrize("rate_hz", [8000, 16_000])
def test_the_speech_for_warming_up_lasts_eight_seconds_and_is_audible(rate_hz):
    speech = warm_up_speech(rate_hz)
    assert speech.dtype == np.int16
    assert len(speech) == 8 * rate_hz
    assert np.abs(speech).max() > 1000


def test_without_models_nothing_is_offered_and_every_job_is_refused():
    engines = load_engines(EngineSpec())
    assert engines.start() == ()
    for job in (
        ReadJob(pcm=SILENCE, language="ko", sample_rate_hz=8000),
        StreamJob(slot=0, voice="a", pcm=SILENCE, language="ko", sample_rate_hz=8000),
    ):
        with pytest.raises(RecognitionError) as caught:
            engines.decode(job)
        assert caught.value.code == "no_engine"


def test_a_model_that_is_not_there_is_told_by_the_template(tmp_path):
    with pytest.raises(RecognitionError) as caught:
        load_engines(EngineSpec(stream_models={"ko": tmp_path / "missing"}))
    assert caught.value.code == "model_missing"


def test_a_whisper_model_that_is_incomplete_is_told_by_the_worker(tmp_path):
    engines = load_engines(EngineSpec(utterance_model=tmp_path))
    with pytest.raises(RecognitionError) as caught:
        engines.start()
    assert caught.value.code == "model_incomplete"


async def test_real_workers_hear_and_read_with_models_that_they_share(vosk_ko_dir, whisper_dir):
    spec = EngineSpec(
        stream_models={"ko": vosk_ko_dir}, utterance_model=whisper_dir, stream_slots=1
    )
    pool = WorkerPool(spec, workers=1, hung_after_s=30.0)
    await pool.start()
    try:
        (worker_id,) = pool.ready
        names = {engine.name for engine in pool.capabilities}
        assert names == {"vosk", "whisper-base"}
        speech = warm_up_speech(8000)
        read = await pool.decode(worker_id, ReadJob(pcm=speech, language="ja", sample_rate_hz=8000))
        assert isinstance(read.reply, Transcript)
        assert read.reply.text
        assert read.cpu_s > 0
        heard = await pool.decode(
            worker_id,
            StreamJob(
                slot=0,
                voice="a",
                pcm=speech,
                language="ko",
                sample_rate_hz=8000,
                begins=True,
                finishes=True,
            ),
        )
        assert isinstance(heard.reply, StreamReply)
        assert heard.reply.transcript is not None
        template, *workers = pool.memory()
        assert template.rss_bytes - template.private_bytes > 300_000_000
        assert all(worker.private_bytes < 500_000_000 for worker in workers)
    finally:
        await pool.stop()
