"""The recognition engines that a command or a node runs, chosen by the settings."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mamori.config.models import load_catalogue
from mamori.errors import ConfigError
from mamori.monitor.app.processor import Processor, usable_cores
from mamori.monitor.recognition.config import RecognitionConfig
from mamori.monitor.recognition.dependencies import (
    RecognitionObserver,
    WorkersListener,
    no_candidates,
)
from mamori.monitor.recognition.load import CostModel, Governor, GovernorConfig
from mamori.monitor.recognition.models.store import ModelStore
from mamori.monitor.recognition.selection import (
    EngineChoice,
    EngineWish,
    SelectionConfig,
    choose_engines,
)
from mamori.monitor.recognition.service import RecognitionService
from mamori.monitor.recognition.workers.pool import WorkerPool
from mamori.monitor.recognition.workers.spec import EngineSpec


@dataclass(frozen=True, slots=True)
class Recognition:
    """The service that decodes (None: no words), who decides on new calls, and why it is so."""

    service: RecognitionService | None
    choice: EngineChoice
    governor: Governor | None = None


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


async def open_live(
    choice: EngineChoice,
    *,
    workers: int | None,
    use_ratio: float,
    hint_phrases: Mapping[str, tuple[str, ...]],
    candidates: Callable[[str, str], Sequence[str]],
    observer: RecognitionObserver,
    node_cpu_s: Callable[[], float],
) -> Recognition:
    """Recognition for calls that are going on: it gives way when the machine is full.

    ``workers`` None: one for each core that this process may use. ``use_ratio`` is the share of
    the machine that may be used; ``node_cpu_s`` the processor time of this process so far.
    RecognitionError where the engines refuse their models.
    """
    if not choice.has_engine:
        return Recognition(None, choice)
    costs = CostModel(
        has_stream=bool(choice.stream_models), has_utterance=choice.utterance_model is not None
    )
    governor = Governor(costs, cores=usable_cores(), config=GovernorConfig(use_ratio=use_ratio))
    pool = _Pool(choice, workers, hint_phrases)
    processor = Processor(lambda: node_cpu_s() + pool.cpu_s, use_ratio=use_ratio)
    service = RecognitionService(
        pool.make,
        governor=governor,
        candidates=candidates,
        observer=observer,
        node_cpu_s=node_cpu_s,
        cores=processor.cores_left,
    )
    await service.start()
    return Recognition(service, choice, governor)


async def open_offline(
    choice: EngineChoice,
    *,
    workers: int | None,
    candidates: Callable[[str, str], Sequence[str]] = no_candidates,
) -> Recognition:
    """Recognition for recordings: the same events on any machine, however long it takes."""
    if not choice.has_engine:
        return Recognition(None, choice)
    service = RecognitionService(
        _Pool(choice, workers, {}).make,
        config=RecognitionConfig(offline=True),
        candidates=candidates,
    )
    await service.start()
    return Recognition(service, choice)


class _Pool:
    """Makes the pool of workers for the engines that were chosen."""

    def __init__(
        self,
        choice: EngineChoice,
        workers: int | None,
        hint_phrases: Mapping[str, tuple[str, ...]],
    ) -> None:
        self._spec = EngineSpec(
            stream_models=choice.stream_models,
            utterance_model=choice.utterance_model,
            hint_phrases=hint_phrases,
        )
        self._workers = workers or max(1, math.floor(usable_cores()))
        self._made: WorkerPool | None = None

    def make(self, listener: WorkersListener) -> WorkerPool:
        self._made = WorkerPool(self._spec, workers=self._workers, listener=listener)
        return self._made

    @property
    def cpu_s(self) -> float:
        return self._made.cpu_s if self._made is not None else 0.0
