"""Second readings: few, of customers, with at most six phrases; the text of record stays."""

from __future__ import annotations

import pytest
from tests.monitor.recognition.rig import BROKEN, CRASH, HICCUP, Rig

from mamori.monitor.events import Channel, RereadHypothesis
from mamori.monitor.recognition.port import Transcript
from mamori.monitor.recognition.rereads import Rereads
from mamori.monitor.recognition.tasks import Work


@pytest.fixture
def rig():
    """One that suspects two phrases in everything."""
    return Rig(stream=False, suspects=("die", "fool"))


def rereads(rig):
    return [event for event in rig.said if isinstance(event, RereadHypothesis)]


def test_a_suspected_phrase_has_the_utterance_read_once_more_and_the_final_stays(rig):
    rig.say(300)
    first = rig.read("pie")
    (task,) = rig.tasks()
    assert task.due_s == pytest.approx(rig.around.clock_s + 2.0)
    assert not task.is_final

    second = rig.read("die", work=Work.REREAD)

    assert second.phrases == ("die", "fool")
    assert first.phrases == ()
    assert second.pcm.tolist() == first.pcm.tolist()
    assert rig.finals == [("u1", "pie", "eyes")]
    (reread,) = rereads(rig)
    assert (reread.utterance_id, reread.text, reread.phrases) == ("u1", "die", ("die", "fool"))
    assert (reread.offset_ms, reread.end_offset_ms, reread.engine) == (0, 300, "eyes")
    assert rig.wants() == []


def test_a_second_reading_may_follow_an_early_one(rig):
    rig.start()
    rig.audio(1_000, quiet_ms=200)
    rig.read("pie", work=Work.EARLY)
    rig.end()
    assert rig.wants() == [Work.REREAD]


def test_a_second_reading_without_words_says_nothing(rig):
    rig.say(300)
    rig.read("pie")
    rig.read("", work=Work.REREAD)
    assert rereads(rig) == []
    assert rig.wants() == []


def test_where_nothing_is_suspected_or_nothing_was_said_there_is_none(rig):
    rig.say(300)
    rig.read("")
    assert rig.wants() == []
    rig.around.suspects = ()
    rig.say(300)
    rig.read("good day")
    assert rig.wants() == []


def test_a_mixed_channel_is_read_again_and_an_agents_is_not():
    for channel, wants in ((Channel.MIXED, [Work.REREAD]), (Channel.AGENT, [])):
        rig = Rig(stream=False, channel=channel, suspects=("die",))
        rig.say(300)
        rig.read("pie")
        assert rig.wants() == wants


def test_what_the_stream_engine_read_is_not_read_again():
    rig = Rig(reader=False, suspects=("die",))
    rig.say(300)
    rig.hear("pie")
    assert rig.wants() == []

    rig = Rig(suspects=("die",))
    rig.say(300)
    rig.fail(Work.FINAL, HICCUP)
    rig.hear("pie")
    assert rig.wants() == []


@pytest.mark.parametrize(("suspected", "shown"), [(5, 5), (6, 6), (7, 6)])
def test_at_most_six_phrases_are_shown(suspected, shown):
    phrases = tuple(f"p{number}" for number in range(suspected))
    rig = Rig(stream=False, suspects=phrases)
    rig.say(300)
    rig.read("pie")

    job = rig.read("p1", work=Work.REREAD)

    assert job.phrases == phrases[:shown]
    assert rereads(rig)[0].phrases == phrases[:shown]


def test_a_final_goes_before_a_second_reading(rig):
    rig.say(300)
    rig.read("pie")
    rig.say(300)
    assert rig.wants() == [Work.FINAL]
    rig.read("lie")
    rig.read("die", work=Work.REREAD)
    rig.read("lied", work=Work.REREAD)
    assert [event.utterance_id for event in rereads(rig)] == ["u1", "u2"]


@pytest.mark.parametrize(
    ("utterances", "kept"),
    [(3, ["u1", "u2", "u3"]), (4, ["u1", "u2", "u3", "u4"]), (5, ["u2", "u3", "u4", "u5"])],
)
def test_four_wait_and_a_fifth_displaces_the_oldest(rig, utterances, kept):
    for _ in range(utterances):
        rig.say(300)
        rig.read("pie")

    while rig.wants():
        rig.read("die", work=Work.REREAD)

    assert [event.utterance_id for event in rereads(rig)] == kept


def test_the_answer_for_one_that_was_displaced_is_thrown_away(rig):
    rig.say(300)
    rig.read("pie")
    final = rig.finals[0]
    task, _ = rig.begin(Work.REREAD)
    rig.state.rereads.clear()

    rig.lane.finish(task, Transcript(text="die"))

    assert rereads(rig) == []
    assert rig.finals == [final]


@pytest.mark.parametrize("error", [HICCUP, BROKEN, CRASH])
def test_a_second_reading_that_fails_is_left_alone_without_a_word(rig, error):
    rig.say(300)
    rig.read("pie")
    rig.fail(Work.REREAD, error)

    assert rig.wants() == []
    assert rig.failures == []
    assert rig.state.reader.is_on


def test_without_the_utterance_engine_none_is_wanted_any_more():
    rig = Rig(suspects=("die",))
    rig.say(300)
    rig.read("pie")
    rig.say(300)
    rig.fail(Work.FINAL, BROKEN)
    assert not rig.state.rereads
    rig.hear("words")
    assert rig.wants() == []


def test_when_the_channel_is_abandoned_none_is_wanted_any_more(rig):
    rig.say(300)
    rig.read("pie")
    task, _ = rig.begin(Work.REREAD)
    rig.lane.abandon("shutdown")
    rig.lane.finish(task, Transcript(text="die"))
    assert rig.wants() == []
    assert rereads(rig) == []


def test_at_first_none_waits():
    rereads = Rereads()
    assert len(rereads) == 0
    assert not rereads


class TestDropped:
    """A second reading that comes to nothing is counted."""

    def test_one_that_was_displaced(self, rig):
        for _ in range(5):
            rig.say(300)
            rig.read("pie")
        assert rig.state.rereads.take_dropped() == 1
        assert rig.state.rereads.take_dropped() == 0

    @pytest.mark.parametrize("error", [HICCUP, CRASH, BROKEN])
    def test_one_that_failed(self, rig, error):
        rig.say(300)
        rig.read("pie")
        rig.fail(Work.REREAD, error)
        assert rig.state.rereads.take_dropped() == 1

    def test_those_that_wait_when_nobody_waits_for_them(self, rig):
        for _ in range(2):
            rig.say(300)
            rig.read("pie")
        rig.lane.abandon("shutdown")
        assert rig.state.rereads.take_dropped() == 2

    def test_none_that_was_read(self, rig):
        rig.say(300)
        rig.read("pie")
        rig.read("die", work=Work.REREAD)
        assert rig.state.rereads.take_dropped() == 0
