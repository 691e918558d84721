"""A set read by an engine that says what the test tells it, cut by the project's speech stage."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
from tools.measure import reading
from tools.measure.bands import Band
from tools.measure.material import Material, Recording
from tools.measure.reading import Heard, read, utterances
from tools.measure.spotting import PhraseList

from mamori.monitor.recognition.port import LOW_CONFIDENCE, RecognitionError, Transcript

ORDER = "바로 처리해 드리겠습니다"
LURE = "바로 처리해 드리겠을까요"
PHRASES = PhraseList("ko", (ORDER,), (LURE,))
NEARLY = "발로 초리해 드리게씀"
CALLS = Path(__file__).parents[2] / "src/mamori/monitor/demo/calls"


class Engine:
    """Answers in turn; an error is raised."""

    def __init__(self, *answers):
        self.answers, self.asked = list(answers), []

    def __call__(self, pcm, *, voice, phrases=()):
        self.asked.append(tuple(phrases))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, Transcript) else Transcript(text=answer)


@pytest.fixture
def material(monkeypatch):
    """One recording that is one utterance."""
    monkeypatch.setattr(reading, "utterances", lambda pcm, *_: [pcm])
    recording = Recording(name="digital silence", path=None, text=f"네 {ORDER}", phrase=ORDER)
    return Material(name="m", language="ko", recordings=(recording,), levelled=False)


def heard_by(engine, material, phrases=PHRASES, **options):
    clock = iter(range(1_000))
    return read(material, Band.MULAW, engine, phrases, cpu_s=lambda: float(next(clock)), **options)[
        0
    ]


def test_silence_is_no_utterance_and_speech_is_cut_where_it_pauses():
    wave, rate_hz = soundfile.read(sorted(CALLS.glob("*.wav"))[0], always_2d=True)
    assert utterances(np.zeros(rate_hz * 2, np.int16), "ja", rate_hz) == []
    talk = (wave[: 20 * rate_hz, 0] * 32_767).astype(np.int16)
    cut = utterances(talk, "ja", rate_hz)
    assert len(cut) > 1
    assert 0 < sum(map(len, cut)) < len(talk)


def test_a_phrase_that_was_understood_is_not_read_again_for(material):
    engine = Engine(ORDER, ORDER)
    heard = heard_by(engine, material, tempts=False)
    assert heard.found == {ORDER}
    assert all(ORDER not in shown for shown in engine.asked)


def test_a_phrase_that_was_nearly_understood_is_asked_for_once_more(material):
    engine = Engine(NEARLY, ORDER)
    heard = heard_by(engine, material, tempts=False)
    assert engine.asked[0] == ()
    assert ORDER in engine.asked[1]
    assert heard.found == set()
    assert heard.found_again == {ORDER}
    assert heard.text == NEARLY
    assert (heard.read_again, heard.cpu_s, heard.again_cpu_s) == (1, 1.0, 1.0)


def test_look_alikes_are_shown_alone_and_counted_apart(material):
    engine = Engine(NEARLY, NEARLY, LURE)
    heard = heard_by(engine, material)
    assert engine.asked[2] == (LURE,)
    assert heard.found_again == set()
    assert heard.lured == {LURE}
    assert heard.was_tempted


def test_an_engine_that_cannot_be_shown_phrases_is_asked_once(material):
    engine = Engine(NEARLY)
    assert heard_by(engine, material, reads_again=False).read_again == 0
    assert engine.asked == [()]


def test_without_phrases_and_without_words_nothing_is_read_again(material):
    for answer, phrases in ((NEARLY, None), ("", PHRASES)):
        engine = Engine(answer)
        heard_by(engine, material, phrases)
        assert len(engine.asked) == 1


def test_a_failed_reading_leaves_its_code_as_a_mark(material):
    heard = heard_by(Engine(RecognitionError("decode_failed", "no")), material)
    assert heard.transcripts[0].marks == ("decode_failed",)
    assert not heard.is_lost


@pytest.mark.parametrize(
    ("transcripts", "has_sure_words", "is_lost"),
    [
        ([], False, True),
        ([Transcript(text="")], False, True),
        ([Transcript(text="", marks=(LOW_CONFIDENCE,))], False, False),
        ([Transcript(text="네", marks=(LOW_CONFIDENCE,))], False, False),
        ([Transcript(text=""), Transcript(text="네")], True, False),
    ],
)
def test_lost_is_what_has_neither_words_nor_a_mark(transcripts, has_sure_words, is_lost):
    heard = Heard(recording=Recording(name="x", path=None), transcripts=transcripts)
    assert heard.has_sure_words is has_sure_words
    assert heard.is_lost is is_lost
