"""Real whisper-base on silence, tones and bad input; speech is in test_real_speech.py."""

import math
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from mamori.monitor.recognition.engines import whisper as whisper_module
from mamori.monitor.recognition.engines.speech_gate import SpeechPresence
from mamori.monitor.recognition.engines.whisper import WhisperEngine
from mamori.monitor.recognition.port import Depth, EngineKind, RecognitionError
from mamori.monitor.recognition.workers.engines import warm_up_speech


def silence(seconds, rate_hz=8000):
    return np.zeros(round(seconds * rate_hz), np.int16)


def tone(seconds, rate_hz=8000):
    times = np.arange(round(seconds * rate_hz)) / rate_hz
    return np.rint(8000 * np.sin(2 * np.pi * 400 * times)).astype(np.int16)


SPOKEN = warm_up_speech(8000)


def test_it_is_an_utterance_engine_for_four_languages(whisper):
    assert whisper.capabilities.kind is EngineKind.UTTERANCE
    assert whisper.capabilities.languages == {"ja", "ko", "en", "zh"}
    assert not whisper.capabilities.word_times


@pytest.mark.parametrize("language", ["ja", "ko", "en", "zh"])
def test_silence_and_a_dial_tone_have_no_words(whisper, language):
    for audio in (silence(2.0), tone(2.0), silence(0.0), silence(0.01)):
        assert whisper.transcribe(audio, language=language, sample_rate_hz=8000).text == ""


def test_a_language_it_was_not_offered_for_is_refused(whisper):
    with pytest.raises(RecognitionError) as caught:
        whisper.transcribe(silence(1.0), language="xx", sample_rate_hz=8000)
    assert caught.value.code == "language_unavailable"


def test_thirty_seconds_are_read_and_one_sample_more_is_refused(whisper):
    whisper.transcribe(silence(30.0), language="ja", sample_rate_hz=8000)
    with pytest.raises(RecognitionError, match=r"30 s, not 30\.0 s") as caught:
        whisper.transcribe(np.zeros(240_001, np.int16), language="ja", sample_rate_hz=8000)
    assert caught.value.code == "utterance_too_long"
    assert caught.value.recoverable


def test_a_failing_decode_is_a_recoverable_error(whisper, monkeypatch):
    def explode(*_):
        raise RuntimeError

    monkeypatch.setattr(whisper_module, "_read", explode)
    with pytest.raises(RecognitionError) as caught:
        whisper.transcribe(SPOKEN, language="ja", sample_rate_hz=8000)
    assert (caught.value.code, caught.value.recoverable) == ("decode_failed", True)


@pytest.mark.parametrize("missing", ["model.bin", "config.json", "tokenizer.json"])
def test_a_folder_without_one_of_the_models_files_is_refused(tmp_path, missing):
    for name in {"model.bin", "config.json", "tokenizer.json"} - {missing}:
        (tmp_path / name).touch()
    with pytest.raises(RecognitionError, match=missing) as caught:
        WhisperEngine(tmp_path)
    assert caught.value.code == "model_incomplete"


@pytest.mark.parametrize("broken", ["model.bin", "tokenizer.json"])
def test_a_broken_model_is_refused(tmp_path, whisper_dir, broken):
    for path in Path(whisper_dir).iterdir():
        (tmp_path / path.name).symlink_to(path)
    (tmp_path / broken).unlink()
    (tmp_path / broken).write_bytes(b"no model")
    with pytest.raises(RecognitionError) as caught:
        WhisperEngine(tmp_path)
    assert caught.value.code == "model_unusable"


def test_a_closed_engine_refuses(whisper_dir):
    engine = WhisperEngine(whisper_dir)
    engine.close()
    with pytest.raises(RecognitionError) as caught:
        engine.transcribe(silence(1.0), language="ja", sample_rate_hz=8000)
    assert caught.value.code == "engine_closed"


SPEECH = SpeechPresence(share=0.9, peak=1.0)
PAST = "<|startofprev|>"


class Tokenizer:
    """A token a character; marks are whole tokens."""

    def token_to_id(self, mark):
        return mark

    def encode(self, text, *, add_special_tokens):
        assert not add_special_tokens
        return SimpleNamespace(ids=list(text))

    def decode(self, tokens):
        return "".join(tokens)


class ScriptedModel:
    """Answers one text and log-probability a decode; remembers what it was shown."""

    def __init__(self, *answers):
        self.hf_tokenizer = Tokenizer()
        self.model = self
        self.answers = list(answers)
        self.windows_s = []
        self.prompts = []
        self.most_tokens = []

    def feature_extractor(self, audio, padding):
        assert padding == 0
        return np.zeros((80, len(audio) // 160), np.float32)

    def encode(self, features):
        self.windows_s.append(features.shape[-1] / 100)

    def generate(self, encoded, prompts, *, beam_size, max_length, return_scores):
        self.prompts.append(prompts[0])
        self.most_tokens.append(max_length)
        text, logprob = self.answers.pop(0)
        tokens = list(text)
        score = logprob * (len(tokens) + 1) / max(len(tokens), 1)
        return [SimpleNamespace(sequences_ids=[tokens], scores=[score])]


@pytest.fixture
def read(monkeypatch, tmp_path):
    """Read two seconds of something, on a scripted model, with so much speech in it."""

    def read_with(*answers, seconds=2.0, presence=SPEECH, **wanted):
        model = ScriptedModel(*answers)
        gate = SimpleNamespace(presence_in=lambda audio: presence)
        monkeypatch.setattr(whisper_module, "_load", lambda folder: model)
        monkeypatch.setattr(whisper_module, "SpeechGate", lambda rate_hz: gate)
        for name in ("model.bin", "config.json", "tokenizer.json"):
            (tmp_path / name).touch()
        engine = WhisperEngine(tmp_path)
        asked = {"language": "ko", "sample_rate_hz": 8000, **wanted}
        return engine.transcribe(silence(seconds), **asked), model

    return read_with


class TestDepth:
    """How much the encoder sees."""

    @pytest.mark.parametrize(
        ("language", "seconds", "window_s"),
        [
            ("ko", 2.0, 7.0),
            ("ja", 8.0, 13.0),
            ("en", 2.0, 10.0),
            ("ko", 25.0, 30.0),
            ("ko", 28.0, 30.0),
        ],
    )
    def test_a_quick_reading_sees_the_utterance_and_some_seconds_of_zeros(
        self, read, language, seconds, window_s
    ):
        _, model = read(("안녕", -0.1), language=language, seconds=seconds, depth=Depth.QUICK)
        assert model.windows_s == [window_s]

    def test_a_thorough_reading_sees_thirty_seconds(self, read):
        _, model = read(("안녕", -0.1), depth=Depth.THOROUGH)
        assert model.windows_s == [30.0]


class TestDoubt:
    """A doubtful text is read once more with the full window, and marked."""

    def test_a_believable_text_is_read_once(self, read):
        transcript, model = read(("안녕", -1.0), depth=Depth.QUICK)
        assert (transcript.text, transcript.marks) == ("안녕", ())
        assert len(model.windows_s) == 1

    def test_the_second_text_is_marked_as_retried(self, read):
        transcript, model = read(("안냥", -1.01), ("안녕", -0.2), depth=Depth.QUICK)
        assert (transcript.text, transcript.marks) == ("안녕", ("retried",))
        assert model.windows_s == [7.0, 30.0]

    def test_what_stays_doubtful_is_kept_and_marked_where_there_is_speech(self, read):
        transcript, _ = read(("안냥", -1.5), ("안녕", -1.2), depth=Depth.QUICK)
        assert (transcript.text, transcript.marks) == ("안녕", ("retried", "low_confidence"))

    def test_a_thorough_reading_is_not_repeated(self, read):
        transcript, model = read(("안녕", -1.2), depth=Depth.THOROUGH)
        assert transcript.marks == ("low_confidence",)
        assert len(model.windows_s) == 1

    @pytest.mark.parametrize(("share", "is_kept"), [(0.29, False), (0.3, True), (0.31, True)])
    def test_what_stays_doubtful_is_dropped_where_there_is_hardly_any_speech(
        self, read, share, is_kept
    ):
        presence = SpeechPresence(share=share, peak=0.9)
        transcript, _ = read(("안녕", -1.2), presence=presence)
        assert bool(transcript.text) == is_kept

    def test_a_syllable_over_and_over_is_no_text(self, read):
        transcript, _ = read(("아" * 40, -0.5))
        assert transcript.text == ""

    @pytest.mark.parametrize(("peak", "decodes"), [(0.10, 0), (0.11, 1), (0.12, 1)])
    def test_without_any_voice_nothing_is_decoded(self, read, peak, decodes):
        presence = SpeechPresence(share=0.0, peak=peak)
        _, model = read(("안녕", -0.2), presence=presence)
        assert len(model.windows_s) == decodes

    def test_confidence_is_the_mean_probability_of_a_token(self, read):
        transcript, _ = read(("안녕", -0.5))
        assert transcript.confidence == pytest.approx(math.exp(-0.5))


class TestPhrases:
    """Phrases stand before the model's eyes as what was said just before."""

    def test_without_phrases_nothing_was_said_before(self, read):
        _, model = read(("안녕", -0.1))
        assert model.prompts[0][0] == "<|startoftranscript|>"

    @pytest.mark.parametrize(
        ("language", "said"),
        [("ko", " 사과해, 꿇어"), ("ja", " 사과해、꿇어"), ("zh", " 사과해、꿇어")],
    )
    def test_phrases_come_first(self, read, language, said):
        _, model = read(("안녕", -0.1), language=language, phrases=("사과해", "꿇어"))
        prompt = model.prompts[0]
        assert prompt[0] == PAST
        assert "".join(prompt[1 : prompt.index("<|startoftranscript|>")]) == said

    def test_phrases_that_do_not_fit_are_left_out(self, read):
        _, model = read(("안녕", -0.1), phrases=("가" * 221, "나", "다" * 3))
        prompt = model.prompts[0]
        said = "".join(prompt[1 : prompt.index("<|startoftranscript|>")])
        assert said == " " + "가" * 221
        assert len(said) <= 223

    def test_they_leave_the_text_its_room(self, read):
        _, alone = read(("안녕", -0.1))
        _, with_phrases = read(("안녕", -0.1), phrases=("사과해",))
        shown = len(with_phrases.prompts[0]) - len(alone.prompts[0])
        assert with_phrases.most_tokens[0] - alone.most_tokens[0] == shown


def test_no_decode_is_asked_of_an_empty_utterance(whisper):
    assert whisper.transcribe(silence(0.0), language="ja", sample_rate_hz=8000).text == ""
