"""The recognition engines that a command or a node runs, chosen by the settings."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mamori.config.models import load_catalogue
from mamori.errors import ConfigError
from mamori.monitor.recognition.models.store import ModelStore
from mamori.monitor.recognition.selection import (
    EngineChoice,
    EngineWish,
    OpenedEngines,
    SelectionConfig,
    choose_engines,
    open_engines,
)
from mamori.monitor.recognition.service import RecognitionService


@dataclass(frozen=True, slots=True)
class Recognition:
    """The service that decodes (None: no words), and why it is as it is."""

    service: RecognitionService | None
    choice: EngineChoice


def choose(
    *, engine: str, languages: Sequence[str], models_dir: Path, fetch: bool = False
) -> EngineChoice:
    """Choose and verify the models; blocks for seconds, so it runs off the event loop.

    ConfigError for an engine that is not known; MamoriError with the remedy where an engine asked
    for by name is not there.
    """
    try:
        wish = EngineWish(engine)
    except ValueError:
        allowed = ", ".join(EngineWish)
        raise ConfigError([f"engine: {engine!r} is not known (allowed: {allowed})"]) from None
    store = ModelStore(models_dir, load_catalogue())
    config = SelectionConfig(engine=wish, languages=tuple(languages), fetch=fetch)
    return choose_engines(config, store)


def open_recognition(
    *,
    engine: str,
    languages: Sequence[str],
    models_dir: Path,
    fetch: bool = False,
    worker_threads: int | None = None,
) -> Recognition:
    """Choose, verify and load the engines; blocks, and raises as ``choose`` does.

    ``worker_threads`` None: one for each core that this process may use, which in a container or
    under ``taskset`` are fewer than the machine has.
    """
    choice = choose(engine=engine, languages=languages, models_dir=models_dir, fetch=fetch)
    threads = worker_threads or len(os.sched_getaffinity(0))
    engines = open_engines(choice, worker_threads=threads)
    return Recognition(_service(engines, threads), choice)


def _service(engines: OpenedEngines, worker_threads: int) -> RecognitionService | None:
    if engines.stream is None and engines.utterance is None:
        return None
    return RecognitionService(engines.stream, engines.utterance, worker_threads=worker_threads)
