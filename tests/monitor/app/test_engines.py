"""As many workers as cores to use, and no recognition where there is no engine."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import pytest

from mamori.errors import ConfigError
from mamori.monitor.app import engines
from mamori.monitor.recognition.selection import EngineChoice
from mamori.monitor.recognition.workers.spec import EngineSpec

CHOICE = EngineChoice(utterance_model=Path("whisper"))


class FakePool:
    made: ClassVar[list[int]] = []
    cpu_s = 0.0
    capabilities = ()
    ready = (1,)

    def __init__(self, spec: EngineSpec, *, workers: int, listener: object) -> None:
        assert spec.utterance_model == Path("whisper")
        FakePool.made.append(workers)

    async def start(self) -> None:
        pass

    async def stop(self) -> None:
        pass


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    FakePool.made = []
    monkeypatch.setattr(engines, "WorkerPool", FakePool)
    return FakePool.made


@pytest.mark.parametrize(
    ("wished", "cores", "workers"), [(None, 3.0, 3), (None, 2.5, 2), (None, 0.5, 1), (5, 2.0, 5)]
)
async def test_there_are_as_many_workers_as_cores_to_use(
    wished: int | None,
    cores: float,
    workers: int,
    made: list[int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(engines, "usable_cores", lambda: cores)

    recognition = await engines.open_offline(CHOICE, workers=wished)

    assert made == [workers]
    assert recognition.service is not None
    await recognition.service.stop()


async def test_without_an_engine_nothing_is_started(made: list[int], tmp_path: Path) -> None:
    choice = engines.choose(engine="none", languages=["ja"], models_dir=tmp_path)

    recognition = await engines.open_offline(choice, workers=None)

    assert recognition.service is None
    assert made == []


def test_an_engine_that_is_not_known_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"'julius' is not known \(allowed: auto, "):
        engines.choose(engine="julius", languages=["ja"], models_dir=tmp_path)
