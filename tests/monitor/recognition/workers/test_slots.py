"""Recognisers lent by slot: whose voice they know, how audio is cut, and when they are replaced."""

from dataclasses import dataclass, field

import numpy as np
import pytest

from mamori.monitor.recognition.port import (
    EngineCapabilities,
    EngineKind,
    LiveText,
    RecognitionError,
    StreamJob,
    Transcript,
)
from mamori.monitor.recognition.workers.slots import StreamSlots

CAPABILITIES = EngineCapabilities(
    name="fake", kind=EngineKind.STREAM, languages=frozenset({"ko"}), word_times=True
)


@dataclass
class Decoder:
    """Notes what is done to it."""

    done: list = field(default_factory=list)

    def accept(self, pcm):
        self.done.append(len(pcm))
        return LiveText(text=f"{sum(each for each in self.done if isinstance(each, int))}")

    def finish(self):
        self.done.append("finish")
        return Transcript(text="finished")

    def drop(self):
        self.done.append("drop")

    def forget(self):
        self.done.append("forget")

    def close(self):
        self.done.append("close")


@dataclass
class Engine:
    opened: list = field(default_factory=list)
    decoders: list = field(default_factory=list)
    capabilities: EngineCapabilities = CAPABILITIES

    def open_decoder(self, *, language, sample_rate_hz):
        if language == "xx":
            raise RecognitionError("language_unavailable", "no")
        self.opened.append((language, sample_rate_hz))
        self.decoders.append(Decoder())
        return self.decoders[-1]

    def close(self):
        pass


class Rig:
    def __init__(self):
        self.engine = Engine()
        self.memory_bytes = 0
        self.replaced = 0
        self.slots = StreamSlots(
            self.engine,
            memory_cap_bytes=1000,
            memory_bytes=lambda: self.memory_bytes,
            on_replaced=self._count,
        )

    def _count(self):
        self.replaced += 1

    def hear(self, ms=200, *, slot=0, voice="a", language="ko", rate_hz=8000, **what):
        pcm = np.zeros(ms * rate_hz // 1000, np.int16)
        return self.slots.do(
            StreamJob(
                slot=slot, voice=voice, pcm=pcm, language=language, sample_rate_hz=rate_hz, **what
            )
        )


@pytest.fixture
def rig():
    return Rig()


def test_a_recogniser_hears_200_ms_at_a_time_and_the_rest(rig):
    rig.hear(500, begins=True)
    assert rig.engine.decoders[0].done == [1600, 1600, 800]


def test_the_answer_is_the_last_text_and_the_transcript_where_it_finishes(rig):
    assert rig.hear(400, begins=True).live.text == "3200"
    assert rig.hear(200).transcript is None
    reply = rig.hear(0, finishes=True)
    assert (reply.live.text, reply.transcript.text) == ("4800", "finished")


def test_each_slot_has_a_recogniser_of_its_own(rig):
    rig.hear(slot=0, begins=True)
    rig.hear(slot=1, voice="b", begins=True)
    rig.hear(slot=0)
    assert [decoder.done for decoder in rig.engine.decoders] == [[1600, 1600], [1600]]


def test_the_same_voice_is_remembered_and_another_one_forgotten(rig):
    rig.hear(begins=True, finishes=True)
    rig.hear(begins=True, finishes=True)
    rig.hear(voice="b", begins=True)
    assert rig.engine.decoders[0].done == [1600, "finish", 1600, "finish", "forget", 1600]


def test_an_utterance_that_was_never_finished_is_dropped_and_its_voice_kept(rig):
    rig.hear(begins=True)
    rig.hear(begins=True)
    assert rig.engine.decoders[0].done == [1600, "drop", 1600]


def test_an_unfinished_utterance_of_another_voice_is_forgotten(rig):
    rig.hear(begins=True)
    rig.hear(voice="b", begins=True)
    assert rig.engine.decoders[0].done == [1600, "forget", 1600]


def test_a_slot_for_another_language_or_rate_is_opened_anew(rig):
    rig.hear(begins=True)
    rig.hear(begins=True, language="ja")
    rig.hear(begins=True, language="ja", rate_hz=16_000)
    assert rig.engine.opened == [("ko", 8000), ("ja", 8000), ("ja", 16_000)]
    assert [decoder.done[-1] for decoder in rig.engine.decoders[:2]] == ["close", "close"]


def test_a_language_that_is_not_there_is_refused_and_the_slot_stays_usable(rig):
    with pytest.raises(RecognitionError):
        rig.hear(begins=True, language="xx")
    assert rig.hear(begins=True).live.text == "1600"


def test_where_the_next_recogniser_does_not_open_the_one_before_it_is_not_lent_again(rig):
    rig.hear(begins=True)
    with pytest.raises(RecognitionError):
        rig.hear(begins=True, language="xx")
    rig.hear(begins=True)
    assert [decoder.done for decoder in rig.engine.decoders] == [[1600, "close"], [1600]]


class TestWarm:
    def test_warm_recognisers_have_heard_speech_and_forgotten_the_voice(self, rig):
        rig.slots.warm("ko", np.zeros(2000, np.int16), sample_rate_hz=8000, recognisers=2)
        assert [decoder.done for decoder in rig.engine.decoders] == [[1600, 400, "forget"]] * 2

    def test_they_are_lent_before_new_ones_are_opened(self, rig):
        rig.slots.warm("ko", np.zeros(1600, np.int16), sample_rate_hz=8000, recognisers=1)
        rig.hear(slot=0, begins=True)
        assert len(rig.engine.opened) == 1
        rig.hear(slot=1, begins=True)
        assert len(rig.engine.opened) == 2

    def test_they_are_of_one_language_and_rate(self, rig):
        rig.slots.warm("ko", np.zeros(1600, np.int16), sample_rate_hz=8000, recognisers=1)
        rig.hear(begins=True, rate_hz=16_000)
        assert rig.engine.opened == [("ko", 8000), ("ko", 16_000)]


class TestMemory:
    """A recogniser that has grown is replaced between utterances, past the cap."""

    @pytest.mark.parametrize(
        ("memory_bytes", "heard_ms", "is_replaced"),
        [
            (1000, 60_000, False),
            (1001, 60_000, True),
            (1001, 59_800, False),
            (1001, 60_200, True),
        ],
    )
    def test_past_the_cap_and_after_a_minute_of_audio(
        self, rig, memory_bytes, heard_ms, is_replaced
    ):
        rig.hear(heard_ms, begins=True, finishes=True)
        rig.memory_bytes = memory_bytes
        rig.hear(begins=True)
        assert len(rig.engine.decoders) == 1 + is_replaced
        assert rig.replaced == is_replaced
        assert (rig.engine.decoders[0].done[-1] == "close") == is_replaced

    def test_never_in_the_middle_of_an_utterance(self, rig):
        rig.memory_bytes = 10_000
        rig.hear(60_000, begins=True)
        rig.hear(200)
        assert len(rig.engine.decoders) == 1

    def test_a_new_one_is_not_replaced_at_once(self, rig):
        rig.memory_bytes = 10_000
        for _ in range(3):
            rig.hear(60_000, begins=True, finishes=True)
        assert len(rig.engine.decoders) == 3
        rig.hear(200, begins=True, finishes=True)
        rig.hear(200, begins=True, finishes=True)
        assert len(rig.engine.decoders) == 4
