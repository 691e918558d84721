"""Processor time of what is gone is counted once, and never less than before."""

import os

import pytest

from mamori.monitor.recognition.workers.accounts import CpuAccount, measure_memory


@pytest.fixture
def account():
    account = CpuAccount()
    account.lose_worker(1, 2.0)
    return account


def test_a_lost_worker_counts_as_it_last_told(account):
    assert account.total_s == 2.0


@pytest.mark.parametrize(("used_s", "total_s"), [(5.0, 5.0), (2.0, 2.0), (1.9, 2.0)])
def test_a_reaped_worker_counts_as_the_kernel_says_but_never_less_than_told(
    account, used_s, total_s
):
    account.reap_worker(1, used_s)

    assert account.total_s == total_s


def test_a_worker_may_be_reaped_that_told_nothing(account):
    account.reap_worker(2, 3.0)

    assert account.total_s == 5.0


def test_with_its_template_a_worker_is_settled_as_it_last_told(account):
    account.lose_template(0.5)

    assert account.total_s == 2.5


def test_the_memory_of_a_process_is_shared_and_private():
    memory = measure_memory(3, os.getpid())

    assert memory is not None
    assert memory.worker_id == 3
    assert 0 < memory.private_bytes <= memory.pss_bytes <= memory.rss_bytes


def test_a_process_that_is_gone_has_no_memory():
    pid = os.spawnv(os.P_NOWAIT, "/bin/true", ["true"])
    os.waitpid(pid, 0)

    assert measure_memory(None, pid) is None
