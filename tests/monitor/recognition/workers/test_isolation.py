"""What a worker process has of the node: its audio, and nothing else."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

# A node in small: it starts a pool, tells the process numbers, and waits in the middle of a job.
NODE = """
import asyncio
import sys

import numpy as np

from mamori.monitor.recognition.port import ReadJob
from mamori.monitor.recognition.workers.pool import WorkerPool
from mamori.monitor.recognition.workers.spec import EngineSpec


async def main():
    pool = WorkerPool(EngineSpec(), workers=2, factory="fake_engines:load")
    await pool.start()
    print(*(pid for _, pid in pool.processes()), file=sys.stderr, flush=True)
    hang = ReadJob(pcm=np.array([2, 0], np.int16), language="ja", sample_rate_hz=8000)
    await pool.decode(1, hang)


asyncio.run(main())
"""


def proc(pid, name):
    return Path("/proc", str(pid), name)


def descriptors(pid):
    return {int(entry.name): str(entry.readlink()) for entry in proc(pid, "fd").iterdir()}


def status(pid, name):
    lines = proc(pid, "status").read_text().splitlines()
    return next(line.split()[1] for line in lines if line.startswith(f"{name}:"))


@pytest.fixture
async def secretive_pool(make_pool, monkeypatch, tmp_path):
    """A pool of a node that has a secret, and a file that any child would inherit."""
    monkeypatch.setenv("MAMORI_STORE__PASSWORD", "s3cret")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s3cret")
    with (tmp_path / "open-file").open("wb") as file:
        os.set_inheritable(file.fileno(), True)
        pool = make_pool()
        await pool.start()
        yield pool


async def test_the_environment_holds_what_the_interpreter_needs_and_no_secret(secretive_pool):
    for _, pid in secretive_pool.processes():
        variables = proc(pid, "environ").read_bytes().decode().split("\0")
        names = {variable.partition("=")[0] for variable in variables} - {""}

        assert "s3cret" not in "".join(variables)
        assert {"OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MALLOC_ARENA_MAX"} <= names
        assert names - {"PYTHONPATH", "LD_LIBRARY_PATH", "LANG"} == {
            "OMP_NUM_THREADS",
            "OPENBLAS_NUM_THREADS",
            "MALLOC_ARENA_MAX",
            "HF_HUB_OFFLINE",
        }


async def test_modules_are_found_where_the_node_finds_them_and_not_in_the_folder_it_is_in(pool):
    for _, pid in pool.processes():
        variables = proc(pid, "environ").read_bytes().decode().split("\0")
        path = next(v for v in variables if v.startswith("PYTHONPATH=")).partition("=")[2]

        assert path.split(os.pathsep) == [folder for folder in sys.path if folder]


async def test_no_process_inherits_a_descriptor_of_the_node(secretive_pool, tmp_path):
    for _, pid in secretive_pool.processes():
        assert str(tmp_path / "open-file") not in descriptors(pid).values()


async def test_a_worker_has_one_socket_and_no_input_or_output(pool):
    opened = descriptors(dict(pool.processes())[1])

    assert [opened.pop(standard) for standard in (0, 1, 2)] == ["/dev/null"] * 3
    (only,) = opened.values()
    assert only.startswith("socket:")


async def test_what_a_library_prints_during_a_job_goes_nowhere(pool, jobs, capfd):
    await pool.decode(1, jobs.read("PRINT"))

    captured = capfd.readouterr()
    assert "words of a caller" not in captured.out + captured.err


async def test_every_process_is_one_thread_and_dumps_no_core(pool):
    for _, pid in pool.processes():
        limits = proc(pid, "limits").read_text().splitlines()
        core = next(line for line in limits if line.startswith("Max core file size"))

        assert status(pid, "Threads") == "1"
        assert core.split()[4:6] == ["0", "0"]


async def test_workers_give_way_to_the_node(make_pool):
    pool = make_pool(niceness=2)
    await pool.start()
    template, worker = (os.getpriority(os.PRIO_PROCESS, pid) for _, pid in pool.processes()[:2])

    assert worker == min(template + 2, 19)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_a_signal_to_the_whole_group_leaves_the_end_to_the_node(pool, jobs, number):
    for _, pid in pool.processes():
        os.kill(pid, number)

    assert (await pool.decode(1, jobs.read())).reply.text == "160 samples"


async def test_nothing_outlives_a_node_that_is_killed(engines_path, until_gone):
    node = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", NODE), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    assert node.stderr is not None
    try:
        pids = [int(pid) for pid in (await node.stderr.readline()).split()]
        assert len(pids) == 3
    finally:
        node.kill()
        await node.communicate()

    await until_gone(*pids)
