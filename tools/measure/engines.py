"""The recognition engines with the models that are on this machine, and what they hear."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from tools.measure.data import NotHereError
from tools.measure.line import read_mono, to_pcm
from tools.measure.sessions import started

from mamori.config.settings import load_settings
from mamori.errors import MamoriError
from mamori.monitor.app.engines import choose
from mamori.monitor.app.replay import frames
from mamori.monitor.events import Channel, FinalHypothesis, Pcm
from mamori.monitor.recognition.channel import ChannelRecogniser
from mamori.monitor.recognition.port import StreamEngine, UtteranceEngine
from mamori.monitor.recognition.selection import open_engines
from mamori.monitor.speech import ChannelSpeech, SpeechConfig

LANGUAGE: Final = "ko"  # the one language with real speech, transcripts and a model of Vosk
_DIRECT_BLOCK_SAMPLES: Final = 4_000


class _Recogniser(Protocol):
    """What is used of vosk.KaldiRecognizer."""

    def AcceptWaveform(self, data: bytes) -> bool: ...  # noqa: N802
    def Result(self) -> str: ...  # noqa: N802
    def FinalResult(self) -> str: ...  # noqa: N802


@dataclass(frozen=True, slots=True)
class Engines:
    """Both engines, loaded, and where the Vosk model lies."""

    vosk: StreamEngine
    whisper: UtteranceEngine
    vosk_model: Path


@contextmanager
def opened() -> Iterator[Engines]:
    """Both engines; NotHereError with the remedy where one or its model is absent."""
    models_dir = load_settings().recognition.models_dir
    try:
        choice = choose(engine="vosk+whisper", languages=(LANGUAGE,), models_dir=models_dir)
        engines = open_engines(choice, worker_threads=1)
    except MamoriError as error:
        raise NotHereError(str(error)) from error
    vosk, whisper = engines.stream, engines.utterance
    if vosk is None or whisper is None:
        raise NotHereError("needs Vosk and whisper with their models")
    logging.getLogger("faster_whisper").setLevel(logging.ERROR)
    try:
        yield Engines(vosk, whisper, choice.stream_models[LANGUAGE])
    finally:
        vosk.close()
        whisper.close()


def load(path: Path, rate_hz: int) -> Pcm:
    """The first channel of a recording at ``rate_hz``."""
    return to_pcm(read_mono(path, rate_hz))


def finals(
    pcm: Pcm,
    rate_hz: int,
    *,
    language: str = LANGUAGE,
    stream: StreamEngine | None = None,
    utterance: UtteranceEngine | None = None,
) -> list[FinalHypothesis]:
    """What a channel of a call makes of the recording: speech found, cut and recognised."""
    call = started((Channel.CUSTOMER,), language, rate_hz)
    common: dict[str, Any] = {
        "call_id": call.call_id,
        "channel": Channel.CUSTOMER,
        "sample_rate_hz": rate_hz,
    }
    speech = ChannelSpeech(SpeechConfig(), **common)
    recogniser = ChannelRecogniser(language=language, stream=stream, utterance=utterance, **common)
    events = [event for frame in frames(call, [pcm]) for event in speech.feed(frame)]
    results = [result for event in [*events, *speech.flush()] for result in recogniser.feed(event)]
    recogniser.close()
    return [result for result in results if isinstance(result, FinalHypothesis)]


def text_of(heard: list[FinalHypothesis]) -> str:
    """The words of all utterances."""
    return " ".join(final.text for final in heard)


def direct_texts(model_dir: Path, recordings: list[Pcm], rate_hz: int) -> list[str]:
    """Vosk called on whole recordings, without any part of ours."""
    import vosk

    model = vosk.Model(str(model_dir))
    texts = []
    for pcm in recordings:
        recogniser = vosk.KaldiRecognizer(model, float(rate_hz))
        texts.append(_direct_text(recogniser, pcm))
    return texts


def _direct_text(recogniser: _Recogniser, pcm: Pcm) -> str:
    texts = [
        json.loads(recogniser.Result())["text"]
        for at in range(0, len(pcm), _DIRECT_BLOCK_SAMPLES)
        if recogniser.AcceptWaveform(pcm[at : at + _DIRECT_BLOCK_SAMPLES].tobytes())
    ]
    return " ".join([*texts, json.loads(recogniser.FinalResult())["text"]])
