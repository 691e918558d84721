"""Processor time and memory of a tree of processes."""

import os
import subprocess
import sys

import pytest
from bench.tree import parse_pss, pss_bytes, tree_pss_bytes, tree_usage

_CHILD = (
    "import subprocess, sys\n"
    "burn = 'import time\\nwhile time.process_time() < 0.3: pass'\n"
    "subprocess.run([sys.executable, '-c', burn], check=True)\n"
    "alive = subprocess.Popen([sys.executable, '-c', 'input()'], stdin=subprocess.PIPE)\n"
    "print('ready', flush=True)\n"
    "sys.stdin.readline()\n"
)


def test_a_tree_counts_those_who_live_and_the_time_of_those_who_ended():
    with subprocess.Popen(
        [sys.executable, "-c", _CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        usage = tree_usage(process.pid)
        pss = tree_pss_bytes(process.pid)
        process.stdin.write(b"\n")
    assert usage.node_processes == len(pss) == 2
    assert usage.node_cpu_s >= 0.3
    assert sum(pss.values()) <= usage.node_rss_bytes


def test_a_process_takes_memory():
    assert pss_bytes(os.getpid()) > 2**20


def test_the_proportional_size_is_read_in_bytes():
    assert (
        parse_pss("00400000-7fff [rollup]\nRss:  2000 kB\nPss:   512 kB\nPss_Anon: 1 kB\n") == 2**19
    )


def test_a_system_that_does_not_tell_is_an_error():
    with pytest.raises(OSError, match="holds no Pss"):
        parse_pss("Rss: 2000 kB\n")
