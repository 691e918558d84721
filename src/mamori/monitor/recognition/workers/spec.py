"""What worker processes are started with: which models, and what else their engines need."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

from mamori.monitor.recognition.port import EngineCapabilities, Job, Reply

DEFAULT_FACTORY: Final = "mamori.monitor.recognition.workers.engines:load_engines"
"""Where the template finds the engines: ``module:function``, an EngineFactory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSpec:
    """The engines of every worker.

    ``stream_models`` and ``hint_phrases`` are by ISO 639-1 code; ``utterance_model`` is a folder or
    None. ``stream_slots`` recognisers a language are warmed for each worker (0 or more), at
    ``warm_rate_hz``; past ``memory_cap_bytes`` of memory of its own a worker replaces recognisers.
    """

    stream_models: Mapping[str, Path] = field(default_factory=dict)
    utterance_model: Path | None = None
    hint_phrases: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    # Two of four calls speak at a time, and a worker hears half of them.
    stream_slots: int = 2
    warm_rate_hz: int = 8000
    # Whisper takes 0.2 GB; a recogniser grows by 256 MB in 10 minutes of speech and by 267 MB in
    # 26: this holds a handful of them.
    memory_cap_bytes: int = 1_500_000_000

    def __post_init__(self) -> None:
        if self.stream_slots < 0:
            raise ValueError(f"stream_slots must be at least 0, not {self.stream_slots}")
        if self.warm_rate_hz not in {8000, 16000}:
            raise ValueError(f"warm_rate_hz must be 8000 or 16000, not {self.warm_rate_hz}")
        if self.memory_cap_bytes < 1:
            raise ValueError(f"memory_cap_bytes must be at least 1, not {self.memory_cap_bytes}")

    def to_json(self) -> dict[str, Any]:
        """A JSON object that ``from_json`` reads; paths become absolute."""
        return {
            "stream_models": {
                language: str(path.absolute()) for language, path in self.stream_models.items()
            },
            "utterance_model": self.utterance_model and str(self.utterance_model.absolute()),
            "hint_phrases": {
                language: list(phrases) for language, phrases in self.hint_phrases.items()
            },
            "stream_slots": self.stream_slots,
            "warm_rate_hz": self.warm_rate_hz,
            "memory_cap_bytes": self.memory_cap_bytes,
        }

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> EngineSpec:
        """The spec that ``to_json`` wrote; KeyError or TypeError on anything else."""
        model = fields["utterance_model"]
        return cls(
            stream_models={
                language: Path(path) for language, path in fields["stream_models"].items()
            },
            utterance_model=None if model is None else Path(model),
            hint_phrases={
                language: tuple(phrases) for language, phrases in fields["hint_phrases"].items()
            },
            stream_slots=fields["stream_slots"],
            warm_rate_hz=fields["warm_rate_hz"],
            memory_cap_bytes=fields["memory_cap_bytes"],
        )


class EngineSet(Protocol):
    """The engines of a worker; made in the template, used in its forks, always by one thread."""

    def start(self) -> tuple[EngineCapabilities, ...]:
        """In the worker: load what does not survive a fork, and warm up; RecognitionError."""
        ...

    def decode(self, job: Job) -> Reply:
        """Do one job; RecognitionError."""
        ...


class EngineFactory(Protocol):
    """Loads in the template what its forks share, starting no thread; RecognitionError."""

    def __call__(self, spec: EngineSpec) -> EngineSet:
        """The engines of ``spec``."""
        ...
