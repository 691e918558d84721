"""Vosk: both shapes of its answers, its clock, its own endpoints, its gate, and bad models."""

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from mamori.monitor.recognition.engines import vosk as vosk_module
from mamori.monitor.recognition.engines.speech_gate import SpeechPresence
from mamori.monitor.recognition.engines.vosk import VoskEngine
from mamori.monitor.recognition.port import EngineKind, RecognitionError, TranscriptWord


def plain(text, *words):
    if not words:
        return json.dumps({"text": text})
    keys = ("word", "start", "end", "conf")
    return json.dumps({"text": text, "result": [dict(zip(keys, w, strict=True)) for w in words]})


class ScriptedRecogniser:
    """Says what the test put into ``script``: (ended, partial) for each stretch, then results."""

    def __init__(self, model, rate_hz):
        self.rate_hz = rate_hz
        self.accepts = []
        self.results = []
        self.fed_bytes = 0
        self.partial = ""
        self.calls = []
        model.recogniser = self

    def SetWords(self, wanted):  # noqa: N802 - vosk's name
        assert wanted

    def AcceptWaveform(self, data):  # noqa: N802 - vosk's name
        self.fed_bytes += len(data)
        ended, self.partial = self.accepts.pop(0) if self.accepts else (False, "")
        if isinstance(ended, Exception):
            raise ended
        return ended

    def PartialResult(self):  # noqa: N802 - vosk's name
        return json.dumps({"partial": self.partial})

    def Result(self):  # noqa: N802 - vosk's name
        self.calls.append("Result")
        return self.results.pop(0) if self.results else plain("")

    def FinalResult(self):  # noqa: N802 - vosk's name
        self.calls.append("FinalResult")
        return plain("")


class ScriptedGate:
    """Finds in the utterance what the test says."""

    def __init__(self):
        self.presence = SpeechPresence(share=0.9, peak=1.0)
        self.heard_samples = 0

    def hear(self, audio):
        self.heard_samples += len(audio)

    def reset(self):
        self.heard_samples = 0


@pytest.fixture
def scripted(monkeypatch, tmp_path):
    """An engine on a scripted recogniser, and that recogniser once a decoder is open."""
    model = SimpleNamespace()
    fake = SimpleNamespace(
        Model=lambda path: model,
        KaldiRecognizer=ScriptedRecogniser,
        SetLogLevel=lambda level: None,
    )
    monkeypatch.setitem(sys.modules, "vosk", fake)
    gate = ScriptedGate()
    monkeypatch.setattr(vosk_module, "SpeechGate", lambda rate_hz: gate)
    model.vosk_model_find_word = lambda word: -1
    model.gate = gate

    def open_decoder(language="ko"):
        decoder = VoskEngine({language: tmp_path}).open_decoder(
            language=language, sample_rate_hz=8000
        )
        return decoder, model.recogniser

    return SimpleNamespace(open=open_decoder, gate=gate)


SECOND = np.zeros(8000, np.int16)


def test_the_recogniser_is_told_the_true_rate(scripted):
    _, recogniser = scripted.open()
    assert recogniser.rate_hz == 8000.0


def test_text_words_and_confidence_come_from_the_plain_shape(scripted):
    decoder, recogniser = scripted.open()
    recogniser.results = [plain("가 나", ("가", 0.1, 0.4, 0.5), ("나", 0.5, 0.75, 1.0))]
    decoder.accept(SECOND)
    transcript = decoder.finish()
    assert transcript.text == "가 나"
    assert transcript.confidence == 0.75
    assert transcript.words == (
        TranscriptWord(text="가", start_samples=800, end_samples=3200, confidence=0.5),
        TranscriptWord(text="나", start_samples=4000, end_samples=6000, confidence=1.0),
    )


def test_the_best_alternative_is_taken_from_the_other_shape(scripted):
    decoder, recogniser = scripted.open()
    best = {
        "text": "가",
        "confidence": 251.3,
        "result": [{"word": "가", "start": 0.1, "end": 0.4}],
    }
    recogniser.results = [json.dumps({"alternatives": [best, {"text": "나", "confidence": 1}]})]
    decoder.accept(SECOND)
    transcript = decoder.finish()
    assert (transcript.text, transcript.confidence) == ("가", None)
    assert [word.confidence for word in transcript.words] == [None]


@pytest.mark.parametrize("answer", ['{"text": ""}', '{"alternatives": []}'])
def test_an_answer_without_words_is_an_empty_transcript(scripted, answer):
    decoder, recogniser = scripted.open()
    recogniser.results = [answer]
    decoder.accept(SECOND)
    transcript = decoder.finish()
    assert (transcript.text, transcript.words, transcript.confidence) == ("", (), None)


def test_what_vosk_ends_by_itself_within_the_utterance_is_kept(scripted):
    decoder, recogniser = scripted.open()
    recogniser.accepts = [(False, "가"), (True, ""), (False, "다"), (False, "")]
    recogniser.results = [plain("가 나", ("가", 0.5, 1.0, 1.0)), plain("다", ("다", 2.0, 2.5, 1.0))]
    assert decoder.accept(SECOND).text == "가"
    assert decoder.accept(SECOND).text == "가 나"
    assert decoder.accept(SECOND).text == "가 나 다"
    transcript = decoder.finish()
    assert transcript.text == "가 나 다"
    assert [word.start_samples for word in transcript.words] == [4000, 16_000]


def test_the_next_utterance_starts_empty_and_on_its_own_clock(scripted):
    decoder, recogniser = scripted.open()
    decoder.accept(SECOND)
    recogniser.results = [plain("가", ("가", 0.1, 0.4, 1.0))]
    decoder.finish()
    started_s = recogniser.fed_bytes / 2 / 8000
    decoder.accept(SECOND)
    recogniser.results = [plain("나", ("나", started_s + 0.25, started_s + 0.5, 1.0))]
    transcript = decoder.finish()
    assert transcript.text == "나"
    assert [(w.start_samples, w.end_samples) for w in transcript.words] == [(2000, 4000)]


def test_word_times_stay_within_the_utterance_and_confidence_within_one(scripted):
    decoder, recogniser = scripted.open()
    decoder.accept(SECOND)
    recogniser.results = [plain("가 나", ("가", -0.1, 0.4, 1.002), ("나", 0.9, 1.3, -0.1))]
    words = decoder.finish().words
    assert [(w.start_samples, w.end_samples) for w in words] == [(0, 3200), (7200, 8000)]
    assert [w.confidence for w in words] == [1.0, 0.0]


def test_the_end_is_padded_so_that_the_last_word_is_not_lost(scripted):
    decoder, recogniser = scripted.open()
    decoder.accept(SECOND)
    recogniser.results = [plain("")]
    decoder.finish()
    assert recogniser.fed_bytes == 2 * (8000 + 3200)


def test_what_vosk_ends_by_itself_in_the_padding_is_kept(scripted):
    decoder, recogniser = scripted.open()
    recogniser.accepts = [(False, "가"), (True, "")]
    recogniser.results = [plain("가"), plain("")]
    decoder.accept(SECOND)
    assert decoder.finish().text == "가"


@pytest.mark.parametrize("language", ["ja", "zh"])
def test_languages_without_spaces_are_written_without_spaces(scripted, language):
    decoder, recogniser = scripted.open(language)
    recogniser.accepts = [(False, "お 名前"), (False, "")]
    recogniser.results = [plain("お 名前 を")]
    assert decoder.accept(SECOND).text == "お名前"
    assert decoder.finish().text == "お名前を"


@pytest.mark.parametrize("sound", ["<UNK>", "[unk]", "[5]"])
def test_sounds_that_are_no_words_are_left_out(scripted, sound):
    decoder, recogniser = scripted.open()
    recogniser.accepts = [(False, f"{sound} 가"), (False, "")]
    recogniser.results = [plain(f"{sound} 가", (sound, 0.0, 0.1, 1.0), ("가", 0.1, 0.4, 1.0))]
    assert decoder.accept(SECOND).text == "가"
    transcript = decoder.finish()
    assert transcript.text == "가"
    assert [word.text for word in transcript.words] == ["가"]


@pytest.mark.parametrize(
    ("confidence", "marks"),
    [(0.69, ("low_confidence",)), (0.7, ()), (0.71, ())],
)
def test_words_below_the_confidence_bound_are_marked(scripted, confidence, marks):
    decoder, recogniser = scripted.open()
    recogniser.results = [plain("가", ("가", 0.1, 0.4, confidence))]
    decoder.accept(SECOND)
    assert decoder.finish().marks == marks


def test_audio_that_vosk_refuses_is_a_recoverable_error(scripted):
    decoder, recogniser = scripted.open()
    recogniser.accepts = [(Exception("Failed to process waveform"), "")]
    with pytest.raises(RecognitionError) as caught:
        decoder.accept(SECOND)
    assert (caught.value.code, caught.value.recoverable) == ("decode_failed", True)


class TestGate:
    """Nothing is decoded before silero has heard speech."""

    def test_what_was_held_is_decoded_once_there_is_speech(self, scripted):
        decoder, recogniser = scripted.open()
        scripted.gate.presence = SpeechPresence(share=0.0, peak=0.49)
        assert decoder.accept(SECOND).text == ""
        assert recogniser.fed_bytes == 0
        scripted.gate.presence = SpeechPresence(share=0.01, peak=0.5)
        recogniser.accepts = [(False, "가")]
        assert decoder.accept(SECOND).text == "가"
        assert recogniser.fed_bytes == 2 * 16_000

    @pytest.mark.parametrize(("peak", "is_decoded"), [(0.10, False), (0.11, True), (0.12, True)])
    def test_an_utterance_that_may_hold_a_voice_is_decoded_at_its_end(
        self, scripted, peak, is_decoded
    ):
        decoder, recogniser = scripted.open()
        scripted.gate.presence = SpeechPresence(share=0.0, peak=peak)
        decoder.accept(SECOND)
        recogniser.results = [plain("가", ("가", 0.1, 0.4, 0.9))]
        assert decoder.finish().text == ("가" if is_decoded else "")
        assert bool(recogniser.fed_bytes) == is_decoded

    @pytest.mark.parametrize(
        ("share", "confidence", "is_kept"),
        [(0.29, 0.69, False), (0.29, 0.7, True), (0.3, 0.69, True), (0.31, 0.69, True)],
    )
    def test_doubtful_words_without_much_speech_are_no_words(
        self, scripted, share, confidence, is_kept
    ):
        decoder, recogniser = scripted.open()
        scripted.gate.presence = SpeechPresence(share=share, peak=1.0)
        decoder.accept(SECOND)
        recogniser.results = [plain("가", ("가", 0.1, 0.4, confidence))]
        assert bool(decoder.finish().text) == is_kept

    def test_the_gate_hears_each_utterance_anew(self, scripted):
        decoder, _ = scripted.open()
        decoder.accept(SECOND)
        decoder.finish()
        assert scripted.gate.heard_samples == 0

    def test_the_clock_of_words_counts_what_was_held(self, scripted):
        decoder, recogniser = scripted.open()
        scripted.gate.presence = SpeechPresence(share=0.0, peak=0.2)
        decoder.accept(SECOND)
        scripted.gate.presence = SpeechPresence(share=0.5, peak=1.0)
        decoder.accept(SECOND)
        recogniser.results = [plain("가", ("가", 1.25, 1.5, 1.0))]
        (word,) = decoder.finish().words
        assert (word.start_samples, word.end_samples) == (10_000, 12_000)


class TestUtterancesThatNobodyFinishes:
    def test_dropping_keeps_the_voice(self, scripted):
        decoder, recogniser = scripted.open()
        decoder.accept(SECOND)
        decoder.drop()
        assert recogniser.calls == ["Result"]

    def test_dropping_what_was_never_decoded_costs_nothing(self, scripted):
        decoder, recogniser = scripted.open()
        decoder.drop()
        assert recogniser.calls == []

    def test_forgetting_drops_the_voice(self, scripted):
        decoder, recogniser = scripted.open()
        decoder.accept(SECOND)
        decoder.forget()
        assert recogniser.calls == ["FinalResult"]

    def test_forgetting_what_never_heard_anything_costs_nothing(self, scripted):
        decoder, recogniser = scripted.open()
        decoder.forget()
        assert recogniser.calls == []

    @pytest.mark.parametrize("how", ["drop", "forget"])
    def test_nothing_of_it_is_in_the_next_one(self, scripted, how):
        decoder, recogniser = scripted.open()
        recogniser.accepts = [(True, "")]
        recogniser.results = [plain("가", ("가", 0.1, 0.4, 1.0))]
        decoder.accept(SECOND)
        getattr(decoder, how)()
        decoder.accept(SECOND)
        recogniser.results = [plain("나", ("나", 1.1, 1.4, 1.0))]
        transcript = decoder.finish()
        assert transcript.text == "나"
        assert [word.start_samples for word in transcript.words] == [800]


class TestDrafts:
    """Where whisper writes the finals, partials are searched for more narrowly."""

    def test_the_search_is_narrowed_and_nothing_else_of_the_model_changes(
        self, monkeypatch, tmp_path
    ):
        (tmp_path / "conf").mkdir()
        (tmp_path / "conf" / "model.conf").write_text(
            "--max-active=3000\n--beam=10.0\n--lattice-beam=2.0\n"
        )
        (tmp_path / "conf" / "mfcc.conf").write_text("mfcc")
        (tmp_path / "am").mkdir()
        (tmp_path / "am" / "final.mdl").write_text("model")
        seen: dict[str, Any] = {}

        def load(folder):
            seen.update(
                {
                    "conf": (Path(folder) / "conf" / "model.conf").read_text().splitlines(),
                    "mfcc": (Path(folder) / "conf" / "mfcc.conf").read_text(),
                    "model": (Path(folder) / "am" / "final.mdl").read_text(),
                    "folder": Path(folder),
                }
            )
            return SimpleNamespace(vosk_model_find_word=lambda word: -1)

        fake = SimpleNamespace(Model=load, SetLogLevel=lambda level: None)
        monkeypatch.setitem(sys.modules, "vosk", fake)
        VoskEngine({"ko": tmp_path}, is_draft=True)
        assert seen["conf"] == ["--lattice-beam=2.0", "--max-active=1000", "--beam=8.0"]
        assert (seen["mfcc"], seen["model"]) == ("mfcc", "model")
        assert not seen["folder"].exists()
        assert (tmp_path / "conf" / "model.conf").read_text().startswith("--max-active=3000")


class TestModels:
    def test_it_is_a_stream_engine_for_the_languages_of_its_models(self, vosk_ko):
        assert vosk_ko.capabilities.kind is EngineKind.STREAM
        assert vosk_ko.capabilities.languages == {"ko"}
        assert vosk_ko.capabilities.word_times

    def test_a_folder_that_is_not_there_is_refused(self, tmp_path):
        with pytest.raises(RecognitionError) as caught:
            VoskEngine({"ko": tmp_path / "missing"})
        assert caught.value.code == "model_missing"

    def test_a_folder_that_is_no_model_is_refused_when_it_is_loaded(self, tmp_path):
        with pytest.raises(RecognitionError) as caught:
            VoskEngine({"ko": tmp_path})
        assert caught.value.code == "model_unusable"

    def test_a_language_without_a_model_is_refused_and_the_offer_is_named(self, vosk_ko):
        with pytest.raises(RecognitionError, match="models for ko, not for ja") as caught:
            vosk_ko.open_decoder(language="ja", sample_rate_hz=8000)
        assert caught.value.code == "language_unavailable"

    def test_a_closed_engine_opens_nothing(self, scripted, tmp_path):
        engine = VoskEngine({"ko": tmp_path})
        engine.close()
        with pytest.raises(RecognitionError) as caught:
            engine.open_decoder(language="ko", sample_rate_hz=8000)
        assert caught.value.code == "engine_closed"

    def test_silence_has_no_words(self, vosk_ko):
        decoder = vosk_ko.open_decoder(language="ko", sample_rate_hz=8000)
        assert decoder.accept(np.zeros(16_000, np.int16)).text == ""
        assert decoder.finish().text == ""
        decoder.close()
