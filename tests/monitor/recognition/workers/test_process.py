"""What the operating system says of a process's time."""

import os
import time

import pytest

from mamori.monitor.recognition.workers.process import cpu_s, pace_ratio

TICK_S = 1 / os.sysconf("SC_CLK_TCK")


def test_the_processor_time_of_a_process_is_told_to_the_hundredth_of_a_second():
    assert cpu_s(os.getpid()) == pytest.approx(time.process_time(), abs=5 * TICK_S)


def test_a_process_that_is_gone_has_used_nothing():
    assert cpu_s(2**22 + 1) == 0.0  # beyond the largest process number


def test_a_piece_of_work_takes_no_less_on_the_wall_than_of_the_processor():
    assert pace_ratio() > 0.9
