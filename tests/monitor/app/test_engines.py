"""As many engines' workers as threads that decode, and no more of them than cores to use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mamori.monitor.app import engines
from mamori.monitor.recognition.selection import EngineChoice, OpenedEngines


@pytest.mark.parametrize(("wished", "threads"), [(None, 3), (1, 1), (5, 5)])
def test_the_engines_are_opened_for_the_threads_that_will_decode(
    wished: int | None, threads: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def open_engines(choice: EngineChoice, *, worker_threads: int) -> OpenedEngines:
        asked.append(worker_threads)
        return OpenedEngines()

    # A container that may use three cores of a larger machine.
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 5, 7})
    monkeypatch.setattr(engines, "open_engines", open_engines)

    recognition = engines.open_recognition(
        engine="none", languages=["ja"], models_dir=tmp_path, worker_threads=wished
    )

    assert asked == [threads]
    assert recognition.service is None
