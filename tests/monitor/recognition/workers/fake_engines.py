"""Engines for real worker processes that do as the audio tells them; reached by PYTHONPATH.

The first sample of a job is an order: see Order. Its second sample is the order's argument.
"""

import os
import signal
import threading
import time
from dataclasses import dataclass
from enum import IntEnum

from mamori.monitor.recognition.port import (
    EngineCapabilities,
    EngineKind,
    LiveText,
    ReadJob,
    RecognitionError,
    StreamReply,
    Transcript,
    TranscriptWord,
)

CAPABILITIES = (
    EngineCapabilities(
        name="fake-stream",
        kind=EngineKind.STREAM,
        languages=frozenset({"ja", "ko"}),
        word_times=True,
    ),
    EngineCapabilities(
        name="fake-reader",
        kind=EngineKind.UTTERANCE,
        languages=frozenset({"ja"}),
        word_times=False,
    ),
)


class Order(IntEnum):
    ANSWER = 0
    CRASH = 1
    HANG = 2
    RAISE = 3
    REFUSE = 4
    BURN = 5
    """Use as many milliseconds of processor time as the second sample says."""
    SLEEP = 6
    """Sleep for as many milliseconds as the second sample says."""
    PRINT = 7
    """Write a caller's words to both outputs, as a library might."""


@dataclass
class FakeEngines:
    decoded: int = 0

    def start(self):
        return CAPABILITIES

    def decode(self, job):
        self.decoded += 1
        order = Order(int(job.pcm[0])) if len(job.pcm) else Order.ANSWER
        text = f"{len(job.pcm)} samples"
        match order:
            case Order.CRASH:
                os.kill(os.getpid(), signal.SIGSEGV)
            case Order.HANG:
                signal.pause()
            case Order.RAISE:
                raise ValueError("words of a caller")
            case Order.REFUSE:
                raise RecognitionError("language_unavailable", "there is no xx", recoverable=True)
            case Order.BURN:
                until_s = time.process_time() + int(job.pcm[1]) / 1000
                while time.process_time() < until_s:
                    pass
            case Order.SLEEP:
                time.sleep(int(job.pcm[1]) / 1000)
            case Order.PRINT:
                os.write(1, b"words of a caller")
                os.write(2, b"words of a caller")
        if isinstance(job, ReadJob):
            word = TranscriptWord(text=text, start_samples=0, end_samples=len(job.pcm))
            return Transcript(
                text=text, words=(word,), confidence=0.5, marks=(job.language, job.depth)
            )
        return StreamReply(
            live=LiveText(text=text, hints=(job.voice,)),
            transcript=Transcript(text=text) if job.finishes else None,
        )


def load(spec):
    return FakeEngines()


def load_with_a_thread(spec):
    threading.Thread(target=signal.pause, daemon=True).start()
    return FakeEngines()


def load_broken(spec):
    raise RecognitionError("model_unusable", "the model at /nowhere does not load")


def load_raising(spec):
    raise ImportError("libfake.so.1: cannot open shared object file")


def load_dying(spec):
    os._exit(3)


def load_slowly(spec):
    signal.pause()


class StartsBroken(FakeEngines):
    def start(self):
        raise RecognitionError("model_incomplete", "the whisper model lacks model.bin")


def load_workers_broken(spec):
    return StartsBroken()


class StartsCrashing(FakeEngines):
    def start(self):
        os.kill(os.getpid(), signal.SIGSEGV)


def load_workers_crashing(spec):
    return StartsCrashing()


class StartsHanging(FakeEngines):
    def start(self):
        signal.pause()


def load_workers_hanging(spec):
    return StartsHanging()
