"""Engines asked as a node's worker asks them; the engines themselves are fakes."""

from pathlib import Path

import numpy as np
import pytest
from tools.measure.bands import Band
from tools.measure.engines import Engine, Models, Worker

from mamori.monitor.recognition.port import Depth, Transcript

MODELS = Models(vosk={"ko": Path("ko")}, whisper=Path("base"))


class Decoder:
    def __init__(self):
        self.log = []

    def accept(self, pcm):
        self.log.append(len(pcm))

    def finish(self):
        self.log.append("finish")
        return Transcript(text="네")

    def forget(self):
        self.log.append("forget")


class Streams:
    def __init__(self, models):
        self.opened = []

    def open_decoder(self, *, language, sample_rate_hz):
        self.opened.append((language, sample_rate_hz, Decoder()))
        return self.opened[-1][2]


class Reads:
    def __init__(self, model_dir):
        self.asked = []

    def transcribe(self, pcm, **asked):
        self.asked.append(asked)
        return Transcript(text="네")


@pytest.fixture
def made():
    """What was loaded, and the worker that loads it."""
    loaded = []

    def loading(kind):
        def load(models):
            loaded.append(kind(models))
            return loaded[-1]

        return load

    worker = Worker(MODELS, utterance_engine=loading(Reads), stream_engine=loading(Streams))
    return worker, loaded


def test_which_engines_read_a_language_follows_from_the_models():
    assert MODELS.engines("ko") == tuple(Engine)
    assert MODELS.engines("ja") == (Engine.QUICK, Engine.THOROUGH)
    assert Models(vosk={"ko": Path("ko")}).engines("ko") == (Engine.VOSK,)
    assert Models().engines("ko") == ()


@pytest.mark.parametrize(
    ("engine", "depth"), [(Engine.QUICK, Depth.QUICK), (Engine.THOROUGH, Depth.THOROUGH)]
)
def test_a_reader_is_asked_at_its_depth_and_at_the_line_s_rate(made, engine, depth):
    worker, loaded = made
    ask, is_new = worker.ask(engine, Band.TELEPHONE, "ja")
    ask(np.zeros(800, np.int16), voice="a", phrases=["x"])
    assert is_new
    assert loaded[0].asked == [
        {"language": "ja", "sample_rate_hz": 8_000, "depth": depth, "phrases": ("x",)}
    ]


def test_a_stream_is_fed_in_pieces_and_forgets_a_voice_before_the_next(made):
    worker, loaded = made
    ask, _ = worker.ask(Engine.VOSK, Band.MULAW, "ko")
    for voice in ("a", "a", "b"):
        ask(np.zeros(1_601, np.int16), voice=voice)
    once = [1_600, 1, "finish"]
    assert loaded[0].opened[0][2].log == ["forget", *once, *once, "forget", *once]


def test_each_engine_is_loaded_once_and_each_recogniser_opened_once_for_a_rate(made):
    worker, loaded = made
    news = [worker.ask(Engine.VOSK, line, "ko")[1] for line in Band]
    assert news == [True, True, False]
    assert [rate_hz for _, rate_hz, _ in loaded[0].opened] == [16_000, 8_000]
    assert len(loaded) == 1


def test_without_a_model_there_is_nobody_to_ask():
    with pytest.raises(ValueError, match="no whisper model"):
        Worker(Models()).ask(Engine.QUICK, Band.MULAW, "ko")
