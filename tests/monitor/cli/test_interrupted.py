"""Commands that Ctrl+C or the reader of a pipe ends, as real processes."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mamori.monitor.demo import demo_calls

MAMORI = Path(sys.executable).parent / "mamori"
CALL = next(call for call in demo_calls() if call.call_id == "demo-dismissal-demand")


@pytest.fixture
def start(tmp_path):
    """Starts ``mamori`` with a data folder of its own; it is killed at the end of the test."""
    processes = []

    def start_one(*arguments):
        environ = {k: v for k, v in os.environ.items() if not k.startswith("MAMORI_")}
        environ |= {
            "MAMORI_NODE__DATA_DIR": str(tmp_path / "data"),
            "MAMORI_NODE__LANGUAGE": "en",
            "MAMORI_RECOGNITION__ENGINE": "none",
            "PYTHONUNBUFFERED": "1",
        }
        process = subprocess.Popen(
            [MAMORI, *map(str, arguments)],
            env=environ,
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        return process

    yield start_one
    for process in processes:
        process.kill()
        process.communicate()


def interrupt(process):
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    return process.returncode, stderr


def test_a_replay_that_is_interrupted_ends_with_130_and_no_traceback(start):
    process = start("replay", "--language", "ko", "--speed", "1", "--json", CALL.file)
    assert "call_started" in process.stdout.readline()

    assert interrupt(process) == (130, "")


def test_a_demo_that_is_interrupted_before_its_end_ends_with_130(start):
    process = start("demo", "--exit")
    assert any("demo calls in real time" in line for line in process.stdout)

    assert interrupt(process) == (130, "")


@pytest.mark.parametrize("options", [["--json"], []])
def test_a_reader_that_leaves_after_one_line_ends_a_replay_quietly_with_0(start, options):
    process = start("replay", "--language", "ko", *options, CALL.transcript)
    assert process.stdout.readline()
    process.stdout.close()

    assert process.wait(60) == 0
    assert process.stderr.read() == ""
