"""Phrases listened for: what a vocabulary can spell, the garbage around it, real Vosk."""

import json

import numpy as np
import pytest
import soundfile

from mamori.monitor.recognition.engines.vosk import VoskEngine
from mamori.monitor.recognition.engines.vosk_hint import PhraseGrammar

WORDS = {"사과", "하세요", "사", "과", "해", "무릎", "꿇고", "꿇", "고"}


def grammar(*phrases, language="ko", words=WORDS):
    return PhraseGrammar(phrases, language, knows=words.__contains__)


def test_a_phrase_is_put_together_of_as_few_pieces_as_there_are():
    assert grammar("무릎 꿇고 사과해").pieces == {
        "무릎 꿇고 사과해": ("무릎", "꿇고", "사과", "해")
    }


def test_a_phrase_that_the_vocabulary_cannot_spell_is_left_out():
    found = grammar("환불해 주세요", "사과해")
    assert list(found.pieces) == ["사과해"]


@pytest.mark.parametrize(
    ("phrase", "is_taken"), [("사과", False), ("사과해", True), ("꿇고 사과", True)]
)
def test_a_phrase_has_three_characters_at_least(phrase, is_taken):
    assert (phrase in grammar(phrase).pieces) == is_taken


def test_nothing_to_listen_for_is_no_grammar():
    assert not grammar()
    assert not grammar("환불해")
    assert grammar("사과해")


def test_the_grammar_has_the_phrases_the_one_syllable_words_and_the_unknown_word():
    sentences = json.loads(grammar("무릎 꿇고", "사과해").to_json())
    assert sentences[:2] == ["무릎 꿇고", "사과 해"]
    assert set(sentences[2:-1]) == {"사", "과", "해", "꿇", "고"}
    assert sentences[-1] == "<UNK>"


def test_in_japanese_kana_and_kanji_are_garbage():
    sentences = json.loads(
        grammar("殺すぞ", language="ja", words={"殺す", "ぞ", "あ", "ア", "金"}).to_json()
    )
    assert set(sentences[1:-1]) == {"ぞ", "あ", "ア", "金"}


@pytest.mark.parametrize(
    ("text", "heard"),
    [
        ("사과 해", ("사과해",)),
        ("과 사과 해 고", ("사과해",)),
        ("사과", ()),
        ("사과 고 해", ()),
        ("사과 하세요", ()),
        ("", ()),
    ],
)
def test_a_phrase_is_heard_where_its_pieces_stand_together(text, heard):
    assert grammar("사과해").heard_in(text) == heard


@pytest.fixture(scope="module")
def engine(vosk_ko_dir):
    engine = VoskEngine({"ko": vosk_ko_dir}, hints={"ko": ("무릎 꿇고 사과해", "죽여 버린다")})
    yield engine
    engine.close()


class TestRealVosk:
    def test_noise_holds_no_phrase(self, engine):
        decoder = engine.open_decoder(language="ko", sample_rate_hz=8000)
        noise = np.random.default_rng(1).normal(0, 2000, 16_000).astype(np.int16)
        assert decoder.accept(noise).hints == ()

    def test_an_utterance_without_them_gives_no_hints(self, engine, shared_data):
        path = min((shared_data / "ko_asr").glob("kih00041*"))
        pcm, rate_hz = soundfile.read(path, dtype="int16")
        assert rate_hz == 16_000
        decoder = engine.open_decoder(language="ko", sample_rate_hz=rate_hz)
        hints = {
            hint
            for i in range(0, len(pcm), 3200)
            for hint in decoder.accept(pcm[i : i + 3200]).hints
        }
        assert hints == set()
        assert decoder.finish().text
