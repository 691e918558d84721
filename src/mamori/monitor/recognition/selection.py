"""Which engines run with which models, and why.

``auto`` takes what is here, and what may be fetched where that is allowed, and says so in reasons;
what fails is left out. An engine asked for by name must be here with a model for every language.
A model is only ever taken verified.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

from mamori.monitor.recognition.models.errors import ModelError, ModelFault
from mamori.monitor.recognition.models.reasons import Reason, ReasonCode
from mamori.monitor.recognition.models.report import ModelReport, ModelStatus
from mamori.monitor.recognition.models.spec import EngineName, ModelSpec


class EngineWish(StrEnum):
    """What the settings may ask for."""

    AUTO = "auto"
    VOSK = "vosk"
    WHISPER = "whisper"
    BOTH = "vosk+whisper"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectionConfig:
    """The wish: which engine, for which languages of calls, and whether models may be fetched.

    ``fetch`` counts for ``auto`` alone; joining installed pieces needs no network and no leave.
    """

    engine: EngineWish
    languages: tuple[str, ...]
    fetch: bool = False

    def __post_init__(self) -> None:
        if self.engine is not EngineWish.NONE and not self.languages:
            raise ValueError("languages is empty, allowed is 1 or more codes")


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineChoice:
    """What runs: a stream model per language, at most one utterance model, and the reasons."""

    stream_models: Mapping[str, Path] = field(default_factory=dict)
    utterance_model: Path | None = None
    reasons: tuple[Reason, ...] = ()

    @property
    def has_engine(self) -> bool:
        """Whether there will be words."""
        return bool(self.stream_models) or self.utterance_model is not None


class Models(Protocol):
    """What the choice needs of a ``ModelStore``."""

    @property
    def catalogue(self) -> Sequence[ModelSpec]:
        """Every known model, the preferred ones first."""
        ...

    def check(self, name: str) -> ModelReport:
        """Verify the model."""
        ...

    def preparable(self, name: str) -> bool:
        """Whether ``get`` needs no network."""
        ...

    def get(self, name: str) -> Path:
        """Fetch or join the model."""
        ...


_MODULES: Mapping[EngineName, str] = MappingProxyType(
    {EngineName.VOSK: "vosk", EngineName.WHISPER: "faster_whisper"}
)
_INSTALL: Mapping[EngineName, str] = MappingProxyType(
    {
        EngineName.VOSK: 'pip install "mamori[vosk]"',
        EngineName.WHISPER: 'pip install "mamori[whisper-base]"',
    }
)


def importable(module: str) -> bool:
    """Whether a top-level module is installed; it is not imported."""
    return importlib.util.find_spec(module) is not None


def choose_engines(
    config: SelectionConfig,
    models: Models,
    *,
    is_installed: Callable[[str], bool] = importable,
) -> EngineChoice:
    """What runs for ``config``; it reads every byte of the models it takes.

    ``ModelError`` with a remedy where an engine asked for by name, or a model of it for one of the
    languages, is not here or is damaged. ``auto`` raises nothing.
    """
    if config.engine is EngineWish.NONE:
        return EngineChoice(reasons=(Reason(ReasonCode.SWITCHED_OFF),))
    search = _Search(config, models)
    wanted = {
        engine
        for engine in EngineName
        if config.engine in {EngineWish.AUTO, EngineWish.BOTH, EngineWish(engine.value)}
    }
    # In the order of the engines, so that the reasons always come in the same order.
    ready = [
        engine
        for engine in EngineName
        if engine in wanted and search.engine_is_there(engine, is_installed)
    ]
    stream_models: dict[str, Path] = {}
    if EngineName.VOSK in ready:
        for language in config.languages:
            folder = search.model_for(EngineName.VOSK, (language,))
            if folder is not None:
                stream_models[language] = folder
    utterance_model: Path | None = None
    if EngineName.WHISPER in ready:
        utterance_model = search.model_for(EngineName.WHISPER, config.languages)
    if stream_models and utterance_model:
        search.say(ReasonCode.BOTH_ENGINES)
    if not stream_models and not utterance_model:
        search.say(ReasonCode.NO_ENGINE, languages=", ".join(config.languages))
    return EngineChoice(
        stream_models=MappingProxyType(stream_models),
        utterance_model=utterance_model,
        reasons=tuple(search.reasons),
    )


class _Search:
    """One run of the choice; collects the reasons."""

    def __init__(self, config: SelectionConfig, models: Models) -> None:
        self.reasons: list[Reason] = []
        self._auto = config.engine is EngineWish.AUTO
        # Asking by name is no leave to download either: `models get` is.
        self._may_fetch = self._auto and config.fetch
        self._models = models
        self._taken: dict[str, Path] = {}

    def say(self, code: ReasonCode, **params: str) -> None:
        self.reasons.append(Reason(code, MappingProxyType(params)))

    def engine_is_there(self, engine: EngineName, is_installed: Callable[[str], bool]) -> bool:
        if is_installed(_MODULES[engine]):
            return True
        if not self._auto:
            raise ModelError(
                ModelFault.ENGINE_MISSING, f"{engine} is not installed: {_INSTALL[engine]}"
            )
        self.say(ReasonCode.ENGINE_NOT_INSTALLED, engine=engine.value, remedy=_INSTALL[engine])
        return False

    def model_for(self, engine: EngineName, languages: tuple[str, ...]) -> Path | None:
        """The best model here or to be had; None, with reasons, where ``auto`` has none."""
        candidates = [
            spec
            for spec in self._models.catalogue
            if spec.engine is engine and set(languages) <= set(spec.languages)
        ]
        for spec in candidates:
            folder = self._present(spec)
            if folder is not None:
                return self._take(spec, languages, folder)
        for spec in candidates:
            folder = self._obtained(spec)
            if folder is not None:
                return self._take(spec, languages, folder)
        remedy = _remedy(engine, candidates)
        if not self._auto:
            raise ModelError(
                ModelFault.MISSING,
                f"{engine} has no model for {', '.join(languages)}: {remedy}",
                recoverable=bool(candidates),
            )
        self.say(
            ReasonCode.MODEL_ABSENT,
            engine=engine.value,
            languages=", ".join(languages),
            remedy=remedy,
        )
        return None

    def _take(self, spec: ModelSpec, languages: tuple[str, ...], folder: Path) -> Path:
        self._taken[spec.name] = folder
        self.say(
            ReasonCode.MODEL_TAKEN,
            engine=spec.engine.value,
            model=spec.name,
            languages=", ".join(languages),
            folder=str(folder),
        )
        return folder

    def _present(self, spec: ModelSpec) -> Path | None:
        if spec.name in self._taken:
            return self._taken[spec.name]
        report = self._models.check(spec.name)
        if report.status is ModelStatus.MISSING:
            return None
        try:
            folder = report.must_be_usable()
        except ModelError as failure:
            if not self._auto:
                raise
            self.say(ReasonCode.MODEL_REFUSED, model=spec.name, detail=str(failure))
            return None
        if report.status is ModelStatus.UNPINNED:
            self.say(ReasonCode.MODEL_UNPINNED, model=spec.name)
        return folder

    def _obtained(self, spec: ModelSpec) -> Path | None:
        joined = self._models.preparable(spec.name)
        if not joined and not (self._may_fetch and spec.auto_fetch):
            return None
        try:
            return self._models.get(spec.name)
        except ModelError as failure:
            if not self._auto:
                raise
            if failure.fault is ModelFault.UNREACHABLE:
                # One line and one wait are enough: the next model has the same network.
                self._may_fetch = False
            self.say(ReasonCode.MODEL_NOT_OBTAINED, model=spec.name, detail=str(failure))
            return None


def _remedy(engine: EngineName, candidates: list[ModelSpec]) -> str:
    if not candidates:
        return "the catalogue lists none"
    if engine is EngineName.WHISPER:
        return _INSTALL[engine]
    best = next((spec for spec in candidates if spec.auto_fetch), candidates[0])
    return f"mamori models get {best.name}"
