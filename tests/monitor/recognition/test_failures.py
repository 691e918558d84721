"""An engine that fails is asked again, three times; then the other one takes over, or nobody."""

from __future__ import annotations

import pytest
from tests.monitor.recognition.rig import BROKEN, CRASH, HICCUP, MS, Rig

from mamori.monitor.events import RecognitionScope, StageFailed
from mamori.monitor.recognition.port import LiveText, StreamReply, Transcript
from mamori.monitor.recognition.tasks import Work


@pytest.fixture
def rig():
    return Rig()


@pytest.fixture
def stream_only():
    return Rig(reader=False)


@pytest.fixture
def reader_only():
    return Rig(stream=False)


def crash(rig, work, times):
    for _ in range(times):
        rig.fail(work, CRASH)


# Lost workers


@pytest.mark.parametrize("crashes", [1, 2])
def test_an_utterance_is_read_again_after_its_worker_was_lost(reader_only, crashes):
    rig = reader_only
    rig.say(300)
    crash(rig, Work.FINAL, crashes)
    rig.read("words")

    assert rig.finals == [("u1", "words", "eyes")]
    assert rig.failures == [("crashed", True)] * crashes
    assert rig.drops == []


@pytest.mark.parametrize(("engines", "work"), [("reader", Work.FINAL), ("stream", Work.LIVE)])
def test_an_utterance_that_three_workers_were_lost_over_is_quarantined_and_the_next_one_read(
    engines, work
):
    rig = Rig(stream=engines == "stream", reader=engines == "reader")
    rig.say(300)
    rig.say(300)
    crash(rig, work, 3)

    assert rig.drops == [(0, "quarantined")]
    assert rig.lane.shed_samples == 300 * MS
    if engines == "reader":
        rig.read("words")
    else:
        rig.hear("words")
    assert [(uid, text) for uid, text, _ in rig.finals] == [("u2", "words")]
    assert rig.is_done


def test_after_three_workers_lost_over_it_the_stream_engine_reads_it(rig):
    rig.say(300)
    crash(rig, Work.FINAL, 3)
    rig.hear("words")
    rig.say(300)
    rig.read("more")

    assert rig.finals == [("u1", "words", "ears"), ("u2", "more", "eyes")]
    assert rig.drops == []


def test_an_utterance_that_both_engines_lost_three_workers_over_is_quarantined(rig):
    rig.say(300)
    crash(rig, Work.FINAL, 3)
    crash(rig, Work.LIVE, 3)

    assert rig.drops == [(0, "quarantined")]
    assert rig.is_done


def test_an_utterance_that_crashed_the_stream_engine_is_not_given_to_it_for_its_final(rig):
    rig.start()
    rig.audio(400)
    crash(rig, Work.LIVE, 3)
    rig.end()
    crash(rig, Work.FINAL, 3)
    assert rig.drops == [(0, "quarantined")]


def test_three_workers_lost_over_partials_end_the_partials_of_this_utterance_only(rig):
    rig.start()
    rig.audio(400)
    crash(rig, Work.LIVE, 3)
    rig.audio(400)
    assert rig.wants() == []
    rig.end()
    rig.read("words")
    rig.start()
    rig.audio(400)
    rig.hear("mo")

    assert rig.finals == [("u1", "words", "eyes")]
    assert rig.partials == [("u2", "mo", 1)]


def test_an_open_utterance_that_is_quarantined_says_so_at_its_end(stream_only):
    rig = stream_only
    rig.start()
    rig.audio(400)
    crash(rig, Work.LIVE, 3)
    assert rig.drops == []
    rig.audio(400)
    assert rig.wants() == []
    rig.end()

    assert rig.drops == [(0, "quarantined")]
    assert rig.lane.shed_samples == 800 * MS


def test_a_worker_lost_over_an_early_reading_counts_for_the_utterance(reader_only):
    rig = reader_only
    rig.start()
    rig.audio(1_000, quiet_ms=200)
    crash(rig, Work.EARLY, 1)
    rig.end()
    crash(rig, Work.FINAL, 2)
    assert rig.drops == [(0, "quarantined")]


def test_lost_workers_are_not_held_against_the_engine(reader_only):
    rig = reader_only
    for _ in range(2):
        rig.say(300)
        crash(rig, Work.FINAL, 3)
    rig.say(300)
    rig.read("words")
    assert rig.finals == [("u3", "words", "eyes")]
    assert ("recognition_off", False) not in rig.failures


# Engines that refuse


def test_what_the_utterance_engine_refuses_the_stream_engine_reads(rig):
    rig.say(300)
    rig.fail(Work.FINAL, HICCUP)
    rig.hear("words")
    rig.say(300)
    rig.read("more")

    assert rig.finals == [("u1", "words", "ears"), ("u2", "more", "eyes")]
    assert rig.failures == [("engine_failed", True)]


def test_what_the_only_engine_refuses_is_given_up_with_its_reason(reader_only):
    rig = reader_only
    rig.say(300)
    rig.fail(Work.FINAL, HICCUP)
    assert rig.drops == [(0, "engine_failed")]
    assert rig.is_done


def test_after_three_refusals_in_a_row_an_engine_is_not_asked_again(rig):
    for _ in range(3):
        rig.say(300)
        rig.fail(Work.FINAL, HICCUP)
        rig.hear("words")
    rig.say(300)
    assert rig.wants() == [Work.LIVE]
    rig.hear("more")

    assert [engine for _, _, engine in rig.finals] == ["ears"] * 4
    details = [event.detail for event in rig.said if isinstance(event, StageFailed)]
    assert details == [
        "eyes failed and is asked again",
        "eyes failed and is asked again",
        "eyes failed and is not asked again",
    ]


def test_two_refusals_and_a_success_begin_the_count_anew(rig):
    for _ in range(3):
        for _ in range(2):
            rig.say(300)
            rig.fail(Work.FINAL, HICCUP)
            rig.hear("words")
        rig.say(300)
        rig.read("words")
    assert rig.state.reader.is_on


def test_an_engine_that_cannot_recover_is_not_asked_again(rig):
    rig.say(300)
    rig.say(300)
    rig.fail(Work.FINAL, BROKEN)

    assert rig.wants() == [Work.LIVE]
    rig.hear("one")
    rig.hear("two")
    assert rig.finals == [("u1", "one", "ears"), ("u2", "two", "ears")]


def test_the_open_utterance_becomes_the_stream_engines_too(rig):
    rig.say(300)
    rig.start()
    rig.audio(400)
    rig.hear("th")
    rig.fail(Work.FINAL, BROKEN)
    rig.end()
    rig.hear("one", worker_id=2)
    rig.hear("that")

    assert rig.finals == [("u1", "one", "ears"), ("u2", "that", "ears")]
    assert rig.is_done


def test_without_partials_the_stream_engine_takes_over_finals_all_the_same(rig):
    rig.lane.scope = RecognitionScope.FINALS
    rig.say(300)
    rig.start()
    rig.audio(400)
    rig.fail(Work.FINAL, BROKEN)
    rig.hear("one")
    rig.hear("that")
    rig.end()
    rig.hear("that")
    assert rig.finals == [("u1", "one", "ears"), ("u2", "that", "ears")]
    assert rig.partials == []


def test_partials_that_are_refused_end_for_this_utterance(rig):
    rig.start()
    rig.audio(400)
    rig.fail(Work.LIVE, HICCUP)
    rig.audio(400)
    assert rig.wants() == []
    assert not rig.around.lent
    rig.end()
    rig.read("words")
    rig.start()
    rig.audio(400)
    assert rig.wants() == [Work.LIVE]
    assert rig.finals == [("u1", "words", "eyes")]


def test_three_refused_utterances_in_a_row_end_all_partials(rig):
    for _ in range(3):
        rig.start()
        rig.audio(400)
        rig.fail(Work.LIVE, HICCUP)
        rig.end()
        rig.read("words")
    rig.start()
    rig.audio(400)
    assert rig.wants() == []
    rig.end()
    rig.read("words")

    assert len(rig.finals) == 4
    assert rig.live_drops == []


def test_an_utterance_heard_to_its_end_begins_the_count_of_partials_anew(rig):
    for _ in range(3):
        for _ in range(2):
            rig.start()
            rig.audio(400)
            rig.fail(Work.LIVE, HICCUP)
            rig.end()
            rig.read("words")
        rig.start()
        rig.audio(400)
        rig.hear("wor")
        rig.end()
        rig.read("words")
    assert rig.state.stream.is_on


def test_without_the_stream_engine_the_utterance_engine_reads_what_waited_for_it(rig):
    """The first utterance fell to the stream engine, which breaks down over the next one."""
    rig.say(300)
    rig.start()
    rig.audio(400)
    hearing, _ = rig.begin_live()
    rig.fail(Work.FINAL, HICCUP)
    rig.lane.fail(hearing, BROKEN)
    rig.end()

    rig.read("one")
    rig.read("two")

    assert rig.finals == [("u1", "one", "eyes"), ("u2", "two", "eyes")]
    assert rig.is_done


def test_what_crashed_the_engine_that_takes_over_is_quarantined(rig):
    """Three workers were lost over the open utterance's partials; then the other engine breaks."""
    rig.say(300)
    rig.start()
    rig.audio(400)
    crash(rig, Work.LIVE, 3)
    rig.fail(Work.FINAL, BROKEN)
    rig.hear("one")
    rig.end()

    assert rig.finals == [("u1", "one", "ears")]
    assert rig.drops == [(300, "quarantined")]


# Nobody left


def test_where_no_engine_is_left_that_is_said_once_and_everything_is_given_up(rig):
    rig.start()
    rig.audio(400)
    rig.fail(Work.LIVE, BROKEN)
    rig.end()
    rig.say(300)
    rig.fail(Work.FINAL, BROKEN)

    assert rig.drops == [(0, "engine_broken"), (400, "recognition_off")]
    assert rig.is_done

    rig.start()
    rig.audio(400)
    assert rig.wants() == []
    rig.end()
    assert rig.drops[2:] == [(700, "recognition_off")]
    assert rig.failures.count(("recognition_off", False)) == 1
    assert rig.lane.shed_samples == rig.submitted_samples


def test_the_end_of_recognition_is_told_where_it_came(reader_only):
    rig = reader_only
    rig.media_ms = 5_000
    rig.say(300)
    rig.fail(Work.FINAL, BROKEN)

    (stopped,) = [
        event
        for event in rig.said
        if isinstance(event, StageFailed) and event.code == "recognition_off"
    ]

    assert (stopped.offset_ms, stopped.recoverable) == (5_300, False)


def test_an_open_utterance_gives_its_recogniser_back_when_recognition_ends(stream_only):
    rig = stream_only
    rig.start()
    rig.audio(400)
    rig.hear("go")
    rig.audio(200)
    rig.fail(Work.LIVE, BROKEN)
    assert not rig.around.lent
    assert rig.drops == []
    rig.end()
    assert rig.drops == [(0, "engine_broken")]


# Answers that come for what is over


def test_a_failure_of_what_was_given_up_is_not_told(rig):
    rig.say(300)
    task, _ = rig.begin(Work.FINAL)
    rig.lane.abandon("shutdown")
    rig.lane.fail(task, BROKEN)
    assert rig.failures == []
    assert rig.state.reader.is_on


def test_an_utterance_in_the_hands_of_both_engines_gets_one_final(rig):
    """An early reading that nobody waits for is the third to lose its worker, under the final."""
    rig.start()
    rig.audio(1_000, quiet_ms=200)
    early, _ = rig.begin(Work.EARLY)
    rig.audio(400)
    rig.end()
    crash(rig, Work.FINAL, 2)
    reading, _ = rig.begin(Work.FINAL)
    rig.lane.fail(early, CRASH)
    hearing, _ = rig.begin_live()

    rig.lane.finish(reading, Transcript(text="words"))
    transcript = Transcript(text="other words")
    rig.lane.finish(hearing, StreamReply(live=LiveText(text=""), transcript=transcript))

    assert rig.finals == [("u1", "words", "eyes")]
    assert rig.is_done
