"""Pools of real processes with fake engines, and jobs that give them orders."""

from __future__ import annotations

import asyncio
import importlib.util
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from mamori.monitor.recognition.port import ReadJob, StreamJob
from mamori.monitor.recognition.workers.pool import WorkerPool
from mamori.monitor.recognition.workers.spec import EngineSpec

FOLDER = Path(__file__).parent
RATE_HZ = 16_000
# Far more than any step here takes, on a machine that others use too.
PATIENCE_S = 20


@dataclass
class Listener:
    """Hears of workers, and lets a test wait for what it hears."""

    ready: list[int] = field(default_factory=list)
    lost: list[tuple[int, str]] = field(default_factory=list)
    _heard: asyncio.Event = field(default_factory=asyncio.Event)

    def worker_ready(self, worker_id: int) -> None:
        self.ready.append(worker_id)
        self._heard.set()

    def worker_lost(self, worker_id: int, code: str) -> None:
        self.lost.append((worker_id, code))
        self._heard.set()

    async def until(self, is_so: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not is_so():
                self._heard.clear()
                await self._heard.wait()


@dataclass
class Jobs:
    """Jobs whose first samples are an order to the fake engines."""

    orders: ModuleType

    def read(self, order: str = "ANSWER", argument: int = 0, *, samples: int = 160) -> ReadJob:
        return ReadJob(
            pcm=self._pcm(order, argument, samples), language="ja", sample_rate_hz=RATE_HZ
        )

    def stream(self, order: str = "ANSWER", *, samples: int = 160, **fields: Any) -> StreamJob:
        return StreamJob(
            pcm=self._pcm(order, 0, samples),
            language="ko",
            sample_rate_hz=RATE_HZ,
            slot=0,
            voice="call-1",
            **fields,
        )

    def _pcm(self, order, argument, samples):
        pcm = np.zeros(samples, np.int16)
        pcm[:2] = self.orders.Order[order], argument
        return pcm


async def _until_gone(*pids: int) -> None:
    loop = asyncio.get_running_loop()
    for pid in pids:
        try:
            descriptor = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        ended = asyncio.Event()
        loop.add_reader(descriptor, ended.set)
        try:
            async with asyncio.timeout(PATIENCE_S):
                await ended.wait()
        finally:
            loop.remove_reader(descriptor)
            os.close(descriptor)


@pytest.fixture
def until_gone() -> Callable[..., Awaitable[None]]:
    """Wait until none of these processes runs any more."""
    return _until_gone


@pytest.fixture(scope="session")
def jobs() -> Jobs:
    spec = importlib.util.spec_from_file_location("fake_engines", FOLDER / "fake_engines.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return Jobs(module)


@pytest.fixture
def listener() -> Listener:
    return Listener()


@pytest.fixture(scope="module")
def engines_path() -> Iterator[None]:
    """Let templates find the fake engines, also those of another node."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(FOLDER))
        patch.setenv("PYTHONPATH", str(FOLDER), prepend=os.pathsep)
        yield


@pytest.fixture
async def make_pool(
    engines_path: None, listener: Listener
) -> AsyncIterator[Callable[..., WorkerPool]]:
    """Pools on fake engines by the name of their factory, stopped when the test is over."""
    pools: list[WorkerPool] = []

    def make(factory: str = "load", *, workers: int = 1, **options: Any) -> WorkerPool:
        pool = WorkerPool(
            EngineSpec(),
            workers=workers,
            listener=listener,
            factory=f"fake_engines:{factory}",
            **options,
        )
        pools.append(pool)
        return pool

    yield make
    for pool in pools:
        await pool.stop()


@pytest.fixture
async def pool(make_pool: Callable[..., WorkerPool]) -> WorkerPool:
    """A pool of one worker, started."""
    pool = make_pool()
    await pool.start()
    return pool


@pytest.fixture
def spare_of() -> Callable[..., Awaitable[int]]:
    """Wait until a pool of one worker has its spare warm; the spare's id."""

    async def wait(pool: WorkerPool, *, other_than: int = 0) -> int:
        async with asyncio.timeout(PATIENCE_S):
            # Nobody is told of a spare, as nobody may use it.
            while not (spares := set(pool.spares) - {other_than}):  # noqa: ASYNC110
                await asyncio.sleep(0.002)
        return spares.pop()

    return wait
