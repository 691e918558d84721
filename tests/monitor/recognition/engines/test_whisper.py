"""Real whisper-base on silence, tones and bad input; speech is in test_real_speech.py."""

import threading
from pathlib import Path

import numpy as np
import pytest

from mamori.monitor.recognition import whisper_engine
from mamori.monitor.recognition.port import EngineKind, RecognitionError
from mamori.monitor.recognition.whisper_engine import WhisperEngine


def silence(seconds, rate_hz=8000):
    return np.zeros(round(seconds * rate_hz), np.int16)


def tone(seconds, rate_hz=8000):
    times = np.arange(round(seconds * rate_hz)) / rate_hz
    return np.rint(8000 * np.sin(2 * np.pi * 400 * times)).astype(np.int16)


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

    monkeypatch.setattr(whisper_engine, "_read", explode)
    with pytest.raises(RecognitionError) as caught:
        whisper.transcribe(silence(1.0), language="ja", sample_rate_hz=8000)
    assert (caught.value.code, caught.value.recoverable) == ("decode_failed", True)


def test_two_threads_may_decode_at_once(whisper):
    texts = []

    def read():
        texts.append(whisper.transcribe(tone(1.0), language="ja", sample_rate_hz=8000).text)

    threads = [threading.Thread(target=read) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert texts == ["", ""]


@pytest.mark.parametrize("missing", ["model.bin", "config.json", "tokenizer.json"])
def test_a_folder_without_one_of_the_models_files_is_refused(tmp_path, missing):
    for name in {"model.bin", "config.json", "tokenizer.json"} - {missing}:
        (tmp_path / name).touch()
    with pytest.raises(RecognitionError, match=missing) as caught:
        WhisperEngine(tmp_path, num_workers=1)
    assert caught.value.code == "model_incomplete"


@pytest.mark.parametrize("broken", ["model.bin", "tokenizer.json"])
def test_a_broken_model_is_refused(tmp_path, whisper_dir, broken):
    for path in Path(whisper_dir).iterdir():
        (tmp_path / path.name).symlink_to(path)
    (tmp_path / broken).unlink()
    (tmp_path / broken).write_bytes(b"no model")
    with pytest.raises(RecognitionError) as caught:
        WhisperEngine(tmp_path, num_workers=1)
    assert caught.value.code == "model_unusable"


def test_a_closed_engine_refuses(whisper_dir):
    engine = WhisperEngine(whisper_dir, num_workers=1)
    engine.close()
    with pytest.raises(RecognitionError) as caught:
        engine.transcribe(silence(1.0), language="ja", sample_rate_hz=8000)
    assert caught.value.code == "engine_closed"


def test_at_least_one_worker_decodes(whisper_dir):
    with pytest.raises(ValueError, match="num_workers must be at least 1, not 0"):
        WhisperEngine(whisper_dir, num_workers=0)
