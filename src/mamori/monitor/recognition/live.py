"""A stream engine at work on one channel: its decoder, fed in blocks of one length."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeVar

import numpy as np

from mamori.monitor.events import Pcm
from mamori.monitor.recognition.port import (
    RecognitionError,
    StreamDecoder,
    StreamEngine,
    Transcript,
)

_T = TypeVar("_T")


def ask_engine(call: Callable[[], _T]) -> _T:
    """The stage boundary: whatever an engine raises leaves as a RecognitionError."""
    try:
        return call()
    except RecognitionError:
        raise
    except Exception as error:
        raise RecognitionError("engine_failed", type(error).__name__, recoverable=True) from error


class LiveDecoder:
    """Feeds a stream engine's decoder, opened when it is first needed.

    The audio goes to it in blocks of ``block_samples`` counted from the utterance's first sample,
    however it arrived, so the same utterance is decoded the same way at any speed. Every method but
    ``abort`` may raise RecognitionError; the decoder must then be aborted.
    """

    def __init__(
        self, engine: StreamEngine, *, language: str, sample_rate_hz: int, block_samples: int
    ) -> None:
        self.name = engine.capabilities.name
        self._engine = engine
        self._language = language
        self._sample_rate_hz = sample_rate_hz
        self._block_samples = block_samples
        self._decoder: StreamDecoder | None = None
        self._pending: list[Pcm] = []
        self._pending_samples = 0
        self._text = ""

    def accept(self, pcm: Pcm) -> str | None:
        """Take the next stretch of the utterance; the partial text, where it changed."""
        self._pending.append(pcm)
        self._pending_samples += len(pcm)
        if self._pending_samples < self._block_samples:
            return None
        audio = np.concatenate(self._pending)
        whole = len(audio) - len(audio) % self._block_samples
        self._pending = [audio[whole:]]
        self._pending_samples = len(audio) - whole
        text = ""
        for start in range(0, whole, self._block_samples):
            text = self._decode(audio[start : start + self._block_samples])
        if not text or text == self._text:
            return None
        self._text = text
        return text

    def finish(self) -> Transcript:
        """Decode what is left and end the utterance; the next ``accept`` begins a new one."""
        if self._pending_samples:
            self._decode(np.concatenate(self._pending))
        self._forget()
        return ask_engine(self._opened().finish)

    def abort(self) -> None:
        """Give up the utterance, and the decoder, which holds a part of it."""
        self._forget()
        decoder, self._decoder = self._decoder, None
        if decoder is not None:
            decoder.close()

    def _decode(self, block: Pcm) -> str:
        return ask_engine(partial(self._opened().accept, block))

    def _opened(self) -> StreamDecoder:
        if self._decoder is None:
            self._decoder = ask_engine(
                partial(
                    self._engine.open_decoder,
                    language=self._language,
                    sample_rate_hz=self._sample_rate_hz,
                )
            )
        return self._decoder

    def _forget(self) -> None:
        self._pending = []
        self._pending_samples = 0
        self._text = ""
