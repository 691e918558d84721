"""Daemon worker threads."""

import threading

import pytest

from mamori.monitor.recognition.workers import WorkerPool


def test_results_and_errors_come_back():
    pool = WorkerPool(1)
    assert pool.submit(divmod, 7, 3).result(10) == (2, 1)
    with pytest.raises(ZeroDivisionError):
        pool.submit(divmod, 7, 0).result(10)
    pool.shutdown()


def test_a_cancelled_job_does_not_run():
    pool = WorkerPool(1)
    gate = threading.Event()
    ran: list[int] = []
    first = pool.submit(gate.wait, 10)
    second = pool.submit(ran.append, 1)
    assert second.cancel()
    gate.set()
    assert first.result(10)
    assert pool.submit(int).result(10) == 0
    assert not ran
    pool.shutdown()


def test_after_the_shutdown_nothing_is_taken():
    pool = WorkerPool(1)
    pool.shutdown()
    with pytest.raises(RuntimeError):
        pool.submit(int)


def test_threads_are_daemons_and_end_after_the_shutdown():
    pool = WorkerPool(2)
    threads = {pool.submit(threading.current_thread).result(10) for _ in range(8)}
    assert all(thread.daemon for thread in threads)
    pool.shutdown()
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()


def test_a_replacement_works_while_a_thread_hangs():
    pool = WorkerPool(1)
    gate = threading.Event()
    hung = pool.submit(gate.wait, 30)
    behind = pool.submit(int)
    pool.replace_thread()
    assert behind.result(10) == 0
    assert not hung.done()
    gate.set()
    pool.shutdown()


def test_a_pool_has_at_least_one_thread():
    with pytest.raises(ValueError, match="at least 1"):
        WorkerPool(0)
