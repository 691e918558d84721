"""The long call: its audio, its samples, its table."""

import os

import numpy as np
import pytest
from bench.long_call import Sampler, long_audio, parse, report
from bench.speech import SAMPLE_RATE_HZ, noise_clips

from mamori.monitor.app.replay import Pace


def test_a_call_may_be_longer_than_a_block_and_is_no_repetition():
    customer, agent = long_audio(noise_clips(), duration_s=1260.0, seed=1)
    assert len(customer) == len(agent) == 1260 * SAMPLE_RATE_HZ
    block = 1200 * SAMPLE_RATE_HZ
    assert not np.array_equal(customer[: 60 * SAMPLE_RATE_HZ], customer[block:])


async def test_processes_are_looked_at_as_media_time_passes():
    sampler = Sampler(600.0, lambda: {"node": os.getpid()})
    pace: Pace = sampler.pace()
    until = pace.begin()
    for offset_ms in range(20, 1_300_000, 20_000):
        await until(offset_ms)
    assert [sample.at_s for sample in sampler.samples] == [0.0, 600.0, 1200.0]
    assert all(sample.pss_bytes["node"] > 0 for sample in sampler.samples)


def test_a_process_that_has_just_ended_is_left_out():
    sampler = Sampler(600.0, lambda: {"node": os.getpid(), "worker 1": 2**22 + 1})
    sampler.take(0.0)
    assert list(sampler.samples[0].pss_bytes) == ["node"]


def test_the_table_has_a_column_a_process_and_the_growth_below():
    mebibyte = 2**20
    text = report(
        "vosk",
        {
            "samples": [
                {"at_s": 0.0, "pss_bytes": {"node": 10 * mebibyte, "worker 1": 5 * mebibyte}},
                {"at_s": 600.0, "pss_bytes": {"node": 10 * mebibyte, "worker 2": 6 * mebibyte}},
            ],
            "slopes_bytes_per_hour": {"node": 0.0, "worker 2": None, "all": 1.5 * mebibyte},
            "replaced": 2,
            "workers_lost": 0,
            "finals": 7,
            "cpu_s": 3.0,
            "wall_s": 4.0,
        },
    )
    lines = [line.split() for line in text.splitlines()]
    assert ["0", "10", "5", "-", "15"] in lines
    assert ["10", "10", "-", "6", "16"] in lines
    assert ["MiB/h", "0.0", "-", "-", "1.5"] in lines
    assert "20 MiB or more back 2 times" in text


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--engines", "vosk,best"], "best: allowed are vosk, whisper, auto"),
        (["--hours", "0.04"], "--hours must be in [0.05, 24]"),
        (["--every-min", "61"], "--every-min must be in [0.5, 60]"),
        (["--workers", "0"], "--workers must be in [1, 64]"),
        (["--cap-mib", "0"], "--cap-mib must be at least 1"),
    ],
)
def test_an_option_out_of_range_is_refused_with_what_is_allowed(capsys, arguments, complaint):
    with pytest.raises(SystemExit) as ended:
        parse(arguments)
    assert ended.value.code == 2
    assert complaint in capsys.readouterr().err


def test_the_default_is_three_hours_on_one_worker_of_each_engine():
    options = parse([])
    assert (options.hours, options.every_min, options.workers) == (3.0, 10.0, 1)
    assert options.engines == ["vosk", "whisper"]
