"""What of the machine there is for us, less what others take."""

from __future__ import annotations

import os

import pytest

from mamori.monitor.app import processor
from mamori.monitor.app.processor import Processor, machine_busy_s, usable_cores


class Machine:
    """Two cores with a clock and counters that a test moves."""

    def __init__(self):
        self.now_s = 0.0
        self.busy_s = 100.0
        self.own_s = 10.0

    def passes(self, wall_s, *, own, others):
        """So many seconds with so many cores taken by us and by others."""
        self.now_s += wall_s
        self.own_s += own * wall_s
        self.busy_s += (own + others) * wall_s

    def processor(self, use_ratio=0.7):
        return Processor(
            lambda: self.own_s,
            use_ratio=use_ratio,
            cores=lambda: 2.0,
            busy_s=lambda: self.busy_s,
            now_s=lambda: self.now_s,
        )


def test_what_we_take_ourselves_is_ours():
    machine = Machine()
    left = machine.processor()
    machine.passes(10, own=1.5, others=0.0)
    assert left.cores_left() == 2.0


def test_what_others_take_is_taken_off():
    machine = Machine()
    left = machine.processor()
    machine.passes(10, own=0.2, others=1.0)
    # 85 % of two cores may be busy; one of them is, by others: 0.7 are left, a share of 0.7 of 1.0.
    assert left.cores_left() == pytest.approx(1.0)


def test_a_short_burst_of_others_counts_for_little():
    machine = Machine()
    left = machine.processor()
    machine.passes(0.5, own=0.0, others=2.0)
    assert left.cores_left() == 2.0
    machine.passes(10, own=0.0, others=0.5)
    assert left.cores_left() == pytest.approx((1.7 - 0.5) / 0.7)


@pytest.mark.parametrize(("others", "left"), [(0.99, 0.71), (1.0, 0.7), (1.01, 0.7), (2.0, 0.7)])
def test_others_keep_half_of_the_machine_at_most(others, left):
    machine = Machine()
    processor = machine.processor()
    machine.passes(10, own=0.0, others=others)
    assert processor.cores_left() == pytest.approx(left / 0.7)


def test_where_nothing_is_known_of_others_the_cores_are_ours():
    left = Processor(lambda: 0.0, use_ratio=0.7, cores=lambda: 3.0, busy_s=lambda: None)
    assert left.cores_left() == 3.0


def test_the_counters_of_the_system_are_read():
    first = machine_busy_s()
    assert first is not None
    assert first > 0
    assert 0 < usable_cores() <= (os.cpu_count() or 1)


@pytest.mark.parametrize(
    ("written", "cores"),
    [
        ("max 100000", 3.0),
        ("150000 100000", 1.5),
        ("900000 100000", 3.0),
        ("1 100000", 0.1),
        ("?", 3.0),
    ],
)
def test_a_containers_quota_counts_where_it_is_less(written, cores, tmp_path, monkeypatch):
    quota = tmp_path / "cpu.max"
    quota.write_text(written)
    monkeypatch.setattr(processor, "_CGROUP_QUOTA", quota)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 5, 7})
    assert usable_cores() == cores
