"""The engines that Mamori comes with, in worker processes: what is shared, and what is not."""

from __future__ import annotations

import importlib
from importlib import resources
from pathlib import Path
from typing import Final

import numpy as np
import soundfile
import soxr

from mamori.monitor.events import Pcm
from mamori.monitor.recognition.engines.vosk import VoskEngine
from mamori.monitor.recognition.engines.whisper import WhisperEngine
from mamori.monitor.recognition.port import (
    Depth,
    EngineCapabilities,
    Job,
    ReadJob,
    RecognitionError,
    Reply,
)
from mamori.monitor.recognition.workers.process import private_bytes, trim_heap
from mamori.monitor.recognition.workers.slots import StreamSlots
from mamori.monitor.recognition.workers.spec import EngineSpec

_DEMO: Final = "mamori.monitor.demo"
_WARM_CALL: Final = "calls/broken_boiler.wav"
# Enough to touch every part of an engine once, and most of what a recogniser grows by at first.
_WARM_S: Final = 8


def load_engines(spec: EngineSpec) -> WorkerEngines:
    """Load what forks can share: Vosk's models and warm recognisers, and whisper's libraries.

    Whisper's own model is loaded in each worker: it runs threads that would not survive a fork.
    RecognitionError where a model is not there or does not load.
    """
    slots = None
    vosk = None
    if spec.stream_models:
        vosk = VoskEngine(
            spec.stream_models, is_draft=spec.utterance_model is not None, hints=spec.hint_phrases
        )
        slots = StreamSlots(
            vosk,
            memory_cap_bytes=spec.memory_cap_bytes,
            memory_bytes=private_bytes,
            on_replaced=trim_heap,
        )
        for language in spec.stream_models:
            slots.warm(
                language,
                warm_up_speech(spec.warm_rate_hz),
                sample_rate_hz=spec.warm_rate_hz,
                recognisers=spec.stream_slots,
            )
    if spec.utterance_model is not None:
        importlib.import_module("faster_whisper")
    return WorkerEngines(spec, vosk, slots)


class WorkerEngines:
    """An EngineSet of Vosk, whisper or both."""

    def __init__(
        self, spec: EngineSpec, vosk: VoskEngine | None, slots: StreamSlots | None
    ) -> None:
        self._spec = spec
        self._vosk = vosk
        self._slots = slots
        self._whisper: WhisperEngine | None = None

    def start(self) -> tuple[EngineCapabilities, ...]:
        """Load whisper and have it read once; RecognitionError."""
        found = [] if self._vosk is None else [self._vosk.capabilities]
        model: Path | None = self._spec.utterance_model
        if model is not None:
            self._whisper = WhisperEngine(model)
            rate_hz = self._spec.warm_rate_hz
            self._whisper.transcribe(
                warm_up_speech(rate_hz)[:rate_hz],
                language="ja",
                sample_rate_hz=rate_hz,
                depth=Depth.QUICK,
            )
            found.append(self._whisper.capabilities)
        return tuple(found)

    def decode(self, job: Job) -> Reply:
        """Do one job; RecognitionError."""
        if not isinstance(job, ReadJob):
            if self._slots is None:
                raise RecognitionError("no_engine", "no stream engine was loaded")
            return self._slots.do(job)
        if self._whisper is None:
            raise RecognitionError("no_engine", "no utterance engine was loaded")
        return self._whisper.transcribe(
            job.pcm,
            language=job.language,
            sample_rate_hz=job.sample_rate_hz,
            depth=job.depth,
            phrases=job.phrases,
        )


def warm_up_speech(sample_rate_hz: int) -> Pcm:
    """Eight seconds of the customer of a demo call: speech that is always there."""
    with (
        resources.files(_DEMO).joinpath(_WARM_CALL).open("rb") as file,
        soundfile.SoundFile(file) as call,
    ):
        frames = call.read(_WARM_S * call.samplerate, dtype="int16", always_2d=True)
        audio = soxr.resample(frames[:, 0], call.samplerate, sample_rate_hz)
    return np.ascontiguousarray(audio, np.int16)
