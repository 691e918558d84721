"""How often an engine may fail on a channel before it is left alone. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from mamori.monitor.recognition.port import RecognitionError

STRIKES: Final = 3
"""Failures in a row after which an engine is not asked again on a channel, and crashes over one
utterance after which it is not tried again."""


@dataclass(slots=True)
class EngineState:
    """One kind of engine on one channel; ``name`` None where none knows the language."""

    name: str | None
    is_on: bool = field(init=False)
    _failures: int = 0

    def __post_init__(self) -> None:
        self.is_on = self.name is not None

    def worked(self) -> None:
        """It did an utterance."""
        self._failures = 0

    def failed(self, error: RecognitionError) -> str:
        """It refused an utterance; what follows, for the event that says so."""
        self._failures += 1
        self.is_on = self.is_on and error.recoverable and self._failures < STRIKES
        return f"{self.name} failed and is {'asked again' if self.is_on else 'not asked again'}"
