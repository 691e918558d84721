"""A channel's speech becomes partials and finals, and what gets none says so."""

from __future__ import annotations

import pytest
from tests.monitor.recognition.rig import CRASH, HICCUP, MS, Rig

from mamori.monitor.events import (
    Channel,
    FinalHypothesis,
    MediaDropped,
    PhraseHint,
    RecognitionScope,
    SpeechEndCause,
    SpeechEnded,
)
from mamori.monitor.recognition.config import RecognitionConfig
from mamori.monitor.recognition.leases import Lease
from mamori.monitor.recognition.port import (
    LiveText,
    StreamReply,
    Transcript,
    TranscriptWord,
)
from mamori.monitor.recognition.tasks import Work

FULL, FINALS = RecognitionScope.FULL, RecognitionScope.FINALS
CUSTOMER = RecognitionScope.CUSTOMER


@pytest.fixture
def rig():
    return Rig()


@pytest.fixture
def stream_only():
    return Rig(reader=False)


@pytest.fixture
def reader_only():
    return Rig(stream=False)


# Words


def test_partials_come_while_the_utterance_is_spoken_and_the_exact_final_takes_their_place(rig):
    rig.start()
    rig.audio(400)
    rig.hear("go")
    rig.audio(400)
    rig.hear("good da")
    rig.end()
    rig.read("good day")

    assert rig.partials == [("u1", "go", 1), ("u1", "good da", 2)]
    assert rig.finals == [("u1", "good day", "eyes")]
    assert rig.drops == rig.live_drops == []
    assert rig.is_done


def test_a_partial_that_says_nothing_new_is_not_told(rig):
    rig.start()
    for text in ("", "go", "go", "good"):
        rig.audio(200)
        rig.hear(text)
    assert rig.partials == [("u1", "go", 1), ("u1", "good", 2)]


def test_a_phrase_that_seems_to_be_spoken_is_told_once_an_utterance(rig):
    rig.start()
    for heard in (("die",), ("die", "fool"), ("fool",)):
        rig.audio(200)
        rig.hear("x", hints=heard)

    hints = [event for event in rig.said if isinstance(event, PhraseHint)]

    assert [(hint.utterance_id, hint.phrase, hint.engine) for hint in hints] == [
        ("u1", "die", "ears"),
        ("u1", "fool", "ears"),
    ]


def test_a_final_is_placed_on_the_calls_clock(reader_only):
    rig = reader_only
    rig.media_ms = 5_000
    rig.start()
    rig.audio(1_000)
    rig.end()
    task, _ = rig.begin(Work.FINAL)
    word = TranscriptWord(text="day", start_samples=400, end_samples=1_600, confidence=0.5)

    rig.lane.finish(
        task, Transcript(text="day", words=(word,), confidence=0.75, marks=("low_confidence",))
    )

    (final,) = rig.said
    assert isinstance(final, FinalHypothesis)
    assert (final.offset_ms, final.end_offset_ms) == (5_000, 6_000)
    assert [(word.start_ms, word.end_ms) for word in final.words] == [(5_050, 5_200)]
    assert (final.confidence, final.marks, final.language) == (0.75, ("low_confidence",), "ja")


def test_the_stream_engine_alone_gives_finals_too(stream_only):
    rig = stream_only
    rig.start()
    rig.audio(400)
    rig.hear("go")
    rig.end()
    rig.hear("good day")

    assert rig.partials == [("u1", "go", 1)]
    assert rig.finals == [("u1", "good day", "ears")]
    assert rig.is_done


def test_where_nothing_was_said_there_is_no_final_and_nothing_is_lost(rig):
    rig.start()
    rig.audio(300)
    rig.hear("")
    rig.end()
    rig.read("")

    assert rig.said == []
    assert rig.lane.shed_samples == 0
    assert rig.is_done


def test_an_utterance_without_audio_is_nothing(rig):
    rig.start()
    rig.end()

    assert rig.said == []
    assert rig.wants() == []
    assert rig.is_done


def test_finals_come_in_the_order_of_speech(rig):
    for _ in range(3):
        rig.say(300)
    for text in ("one", "two", "three"):
        rig.read(text)
    assert [text for _, text, _ in rig.finals] == ["one", "two", "three"]


def test_finals_of_the_stream_engine_come_in_the_order_of_speech(stream_only):
    rig = stream_only
    rig.say(300)
    rig.say(300)
    rig.start()
    rig.audio(400)

    rig.hear("one")
    rig.hear("two")
    rig.hear("thr")

    assert [text for _, text, _ in rig.finals] == ["one", "two"]
    assert rig.partials == [("u3", "thr", 1)]


def test_a_partial_that_comes_after_the_end_is_not_told(rig):
    rig.start()
    rig.audio(400)
    task, job = rig.begin_live()
    rig.end()

    rig.answer_live(task, job, "late")
    rig.read("words")

    assert rig.partials == []
    assert rig.finals == [("u1", "words", "eyes")]
    assert rig.is_done


def test_a_final_never_changes_whatever_else_comes_of_the_utterance(rig):
    rig.start()
    rig.audio(1_000, quiet_ms=200)
    early, _ = rig.begin(Work.EARLY)
    live, live_job = rig.begin_live()
    rig.audio(200)
    rig.end()
    rig.read("words")

    rig.lane.finish(early, Transcript(text="other words"))
    rig.answer_live(live, live_job, "still other words")

    assert rig.finals == [("u1", "words", "eyes")]
    assert rig.partials == []
    assert rig.is_done


# Bad input


def test_audio_or_an_end_without_a_start_is_refused(rig):
    rig.say()
    with pytest.raises(ValueError, match="u1 is not open"):
        rig.audio(20)
    with pytest.raises(ValueError, match="u1 is not open"):
        rig.end()


def test_an_end_of_another_utterance_is_refused(rig):
    rig.start()
    rig.audio(200)
    other = SpeechEnded(
        call_id="c1",
        channel=Channel.CUSTOMER,
        utterance_id="u9",
        offset_ms=0,
        end_offset_ms=200,
        cause=SpeechEndCause.SILENCE,
    )
    with pytest.raises(ValueError, match="u9 is not open"):
        rig.lane.take(other)


def test_audio_that_goes_back_in_time_is_refused(rig):
    rig.start()
    rig.audio(200)
    rig.media_ms = 100
    with pytest.raises(ValueError, match="goes back"):
        rig.audio(200)


def test_an_utterance_that_is_followed_without_its_end_is_given_up(rig):
    rig.start()
    rig.audio(400)
    rig.hear("go")
    rig.start()

    assert rig.drops == [(0, "unfinished")]
    assert rig.lane.shed_samples == 400 * MS
    assert not rig.around.lent


def test_no_partial_comes_of_an_utterance_that_broke_off(rig):
    rig.start()
    rig.audio(400)
    task, job = rig.begin_live()
    rig.start()

    rig.answer_live(task, job, "late")

    assert rig.partials == []
    assert rig.drops == [(0, "unfinished")]


@pytest.mark.parametrize(
    ("length_ms", "drops"), [(30_000, []), (30_001, [(0, "utterance_too_long")])]
)
def test_an_utterance_longer_than_an_engine_takes_is_given_up_at_its_end(rig, length_ms, drops):
    rig.start()
    rig.audio(30_000)
    rig.hear("wor")
    rig.hear("words")
    if length_ms > 30_000:
        rig.audio(length_ms - 30_000)
        assert rig.wants() == []
        assert not rig.around.lent
    assert rig.drops == []

    rig.end()

    assert rig.drops == drops
    assert rig.lane.shed_samples == (length_ms * MS if drops else 0)
    assert rig.wants() == ([] if drops else [Work.FINAL])


# Early readings


def test_an_early_reading_holds_where_nothing_more_was_said(rig):
    rig.start()
    rig.audio(1_000, quiet_ms=200)
    rig.read("words", work=Work.EARLY)
    assert rig.finals == []

    rig.audio(200, quiet_ms=400)
    rig.end()

    assert rig.finals == [("u1", "words", "eyes")]
    assert Work.FINAL not in rig.wants()


def test_an_early_reading_under_way_at_the_end_is_waited_for(rig):
    rig.start()
    rig.audio(1_000, quiet_ms=200)
    task, _ = rig.begin(Work.EARLY)
    rig.audio(200, quiet_ms=400)
    rig.end()
    assert rig.wants() == []

    rig.lane.finish(task, Transcript(text="words"))

    assert rig.finals == [("u1", "words", "eyes")]


def test_an_early_reading_is_thrown_away_where_more_was_said(reader_only):
    rig = reader_only
    rig.start()
    rig.audio(1_000, quiet_ms=200)
    rig.read("wor", work=Work.EARLY)
    rig.audio(1_000)
    rig.end()
    assert rig.finals == []

    assert len(rig.read("words").pcm) == 2_000 * MS
    assert rig.finals == [("u1", "words", "eyes")]


def test_an_early_reading_under_way_is_not_waited_for_where_more_was_said(reader_only):
    rig = reader_only
    rig.start()
    rig.audio(1_000, quiet_ms=200)
    early, _ = rig.begin(Work.EARLY)
    rig.audio(1_000)
    rig.end()
    final, _ = rig.begin(Work.FINAL)

    rig.lane.finish(early, Transcript(text="wor"))
    assert rig.finals == []
    rig.lane.finish(final, Transcript(text="words"))

    assert rig.finals == [("u1", "words", "eyes")]


def test_an_early_reading_that_found_nothing_ends_the_utterance_as_silent(reader_only):
    rig = reader_only
    rig.start()
    rig.audio(1_000, quiet_ms=900)
    rig.read("", work=Work.EARLY)
    rig.end()
    assert rig.said == []
    assert rig.is_done


@pytest.mark.parametrize("ends_first", [False, True])
def test_an_early_reading_that_fails_is_asked_again_after_the_end_without_a_word(
    reader_only, ends_first
):
    rig = reader_only
    rig.start()
    rig.audio(1_000, quiet_ms=200)
    task, _ = rig.begin(Work.EARLY)
    if ends_first:
        rig.end()
    rig.lane.fail(task, HICCUP)
    if not ends_first:
        assert rig.wants() == []
        rig.end()

    rig.read("words")

    assert rig.finals == [("u1", "words", "eyes")]
    assert rig.failures == []


# Recognisers


def test_a_recogniser_is_given_back_when_the_utterance_has_ended(rig):
    rig.start()
    rig.audio(200)
    rig.hear("wor")
    assert set(rig.around.lent) == {Lease(1, 0)}
    rig.end()
    assert not rig.around.lent
    assert rig.around.leases.workers_of("v1") == {1}


def test_a_recogniser_at_work_is_given_back_when_its_job_ends(rig):
    rig.start()
    rig.audio(200)
    task, job = rig.begin_live()
    rig.end()
    assert rig.around.lent
    rig.answer_live(task, job, "wor")
    assert not rig.around.lent


def test_who_reads_the_final_keeps_its_recogniser_until_then(stream_only):
    rig = stream_only
    rig.start()
    rig.audio(200)
    rig.hear("wor")
    rig.end()
    assert rig.around.lent
    rig.hear("words")
    assert not rig.around.lent


def test_what_a_lost_worker_had_heard_is_heard_from_the_start_by_another_one(stream_only):
    rig = stream_only
    rig.start()
    rig.audio(400)
    rig.hear("go")
    rig.lose_worker(1)

    (task,) = rig.tasks()
    assert (task.worker_id, task.needs_slot) == (None, True)
    rig.audio(200)
    job = rig.hear("good d", worker_id=2)

    assert job.begins
    assert len(job.pcm) == 600 * MS
    assert rig.partials == [("u1", "go", 1), ("u1", "good d", 2)]


def test_another_worker_that_is_lost_changes_nothing(rig):
    rig.start()
    rig.audio(400)
    rig.hear("go")
    rig.lose_worker(2)
    rig.audio(200)
    (task,) = rig.tasks()
    assert (task.worker_id, task.needs_slot) == (1, False)


@pytest.mark.parametrize("told_first", ["of the job", "of the worker"])
def test_a_worker_lost_under_a_live_job_leaves_the_utterance_to_another_one(
    stream_only, told_first
):
    rig = stream_only
    rig.start()
    rig.audio(400)
    task, _ = rig.begin_live()
    if told_first == "of the job":
        rig.lane.fail(task, CRASH)
        rig.lose_worker(1)
    else:
        rig.lose_worker(1)
        assert rig.wants() == []
        rig.lane.fail(task, CRASH)

    job = rig.hear("go", worker_id=2)

    assert job.begins
    assert len(job.pcm) == 400 * MS
    assert rig.failures == [("crashed", True)]


def test_a_worker_lost_just_after_its_answer_is_not_waited_for(stream_only):
    rig = stream_only
    rig.start()
    rig.audio(400)
    task, job = rig.begin_live()
    rig.lose_worker(1)
    rig.answer_live(task, job, "go")

    (next_task,) = rig.tasks()
    assert next_task.needs_slot
    rig.end()
    assert rig.hear("good", worker_id=2).begins
    assert rig.partials == [("u1", "go", 1)]
    assert rig.finals == [("u1", "good", "ears")]


# Scope


def test_where_only_finals_are_wanted_nothing_is_heard_live_and_that_is_told(rig):
    rig.lane.scope = FINALS
    rig.start()
    rig.audio(1_000)
    assert rig.wants() == []
    rig.end()
    rig.read("words")

    assert rig.live_drops == [(0, "load")]
    assert rig.drops == []
    assert rig.finals == [("u1", "words", "eyes")]
    assert rig.lane.shed_samples == 0


def test_narrowing_in_the_middle_of_an_utterance_ends_its_partials(rig):
    rig.start()
    rig.audio(400)
    rig.hear("go")
    rig.lane.scope = FINALS

    assert not rig.around.lent
    rig.audio(400)
    assert rig.wants() == []
    rig.end()
    rig.read("good day")

    assert rig.live_drops == [(0, "load")]
    assert rig.finals == [("u1", "good day", "eyes")]


def test_narrowing_under_a_live_job_gives_its_recogniser_back_when_it_ends(rig):
    rig.start()
    rig.audio(400)
    task, job = rig.begin_live()
    rig.lane.scope = FINALS
    assert rig.around.lent

    rig.answer_live(task, job, "go")

    assert rig.partials == []
    assert not rig.around.lent


def test_widening_gives_partials_to_the_next_utterance(rig):
    rig.lane.scope = FINALS
    rig.start()
    rig.audio(400)
    rig.lane.scope = FULL
    assert rig.wants() == []
    rig.end()
    rig.read("one")

    rig.start()
    rig.audio(400)
    rig.hear("two")

    assert rig.partials == [("u2", "two", 1)]


def test_an_ended_utterance_is_still_read_when_the_scope_narrows():
    rig = Rig(channel=Channel.AGENT)
    rig.say(300)
    rig.lane.scope = CUSTOMER
    rig.read("words")
    assert rig.finals == [("u1", "words", "eyes")]


def test_what_gets_no_final_for_want_of_room_is_given_up_at_its_end():
    rig = Rig(channel=Channel.AGENT)
    rig.start()
    rig.audio(400)
    rig.hear("go")
    rig.lane.scope = CUSTOMER
    rig.audio(400)
    assert rig.drops == []
    rig.end()

    assert rig.drops == [(0, "load")]
    assert rig.live_drops == []
    assert rig.lane.shed_samples == 800 * MS
    assert rig.is_done


def test_the_stream_engine_alone_hears_without_partials_where_only_finals_are_wanted(stream_only):
    rig = stream_only
    rig.lane.scope = FINALS
    rig.start()
    rig.audio(400)
    rig.hear("go")
    rig.end()
    rig.hear("good")

    assert rig.partials == []
    assert rig.live_drops == [(0, "load")]
    assert rig.finals == [("u1", "good", "ears")]


def test_the_stream_engine_alone_does_not_hear_what_gets_no_final():
    rig = Rig(reader=False, channel=Channel.AGENT)
    rig.lane.scope = CUSTOMER
    rig.start()
    rig.audio(400)
    assert rig.wants() == []


def test_partials_that_were_too_late_to_come_are_told_as_shed(rig):
    rig.say(400)
    rig.read("words")
    assert rig.live_drops == [(0, "load")]


def test_without_a_stream_engine_no_partials_are_missed(reader_only):
    rig = reader_only
    rig.lane.scope = FINALS
    rig.say(400)
    rig.read("words")
    assert rig.live_drops == []


def test_of_a_recording_nothing_is_shed():
    rig = Rig(config=RecognitionConfig(offline=True))
    for _ in range(4):
        rig.say(20_000)
    rig.wait(600.0)
    rig.lane.expire()
    for text in "abcd":
        rig.read(text)

    assert [text for _, text, _ in rig.finals] == ["a", "b", "c", "d"]
    assert rig.drops == rig.live_drops == []


# Too late, and over


def test_what_has_waited_too_long_is_given_up(rig):
    rig.say(300)
    rig.wait(9.9)
    rig.lane.expire()
    assert rig.drops == []
    rig.wait(0.1)
    rig.lane.expire()

    assert rig.drops == [(0, "overload")]
    assert rig.lane.shed_samples == 300 * MS
    assert rig.is_done


def test_what_was_given_up_while_its_stretch_was_heard_gets_no_final(stream_only):
    rig = stream_only
    rig.start()
    rig.audio(400)
    task, job = rig.begin_live()
    rig.end()
    rig.lane.abandon("shutdown")

    rig.answer_live(task, job, "late")

    assert rig.said == [event for event in rig.said if isinstance(event, MediaDropped)]
    assert rig.drops == [(0, "shutdown")]
    assert rig.is_done


def test_abandoning_gives_up_whatever_has_no_final_open_or_ended_and_at_work(rig):
    rig.say(300)
    reading, _ = rig.begin(Work.FINAL)
    rig.say(300)
    rig.start()
    rig.audio(400)
    hearing, job = rig.begin_live()

    rig.lane.abandon("shutdown")

    assert rig.drops == [(0, "shutdown"), (300, "shutdown"), (600, "shutdown")]
    assert rig.lane.shed_samples == rig.submitted_samples
    assert rig.is_done
    assert rig.wants() == []

    rig.lane.finish(reading, Transcript(text="late"))
    rig.answer_live(hearing, job, "late")
    assert rig.finals == rig.partials == []
    assert len(rig.drops) == 3


def test_abandoning_twice_gives_up_once(rig):
    rig.say(300)
    rig.lane.abandon("shutdown")
    rig.lane.abandon("shutdown")
    assert rig.drops == [(0, "shutdown")]


def test_a_final_heard_after_its_worker_was_lost_counts_once(stream_only):
    rig = stream_only
    rig.say(300)
    task, _ = rig.begin_live()
    rig.lose_worker(1)

    reply = StreamReply(live=LiveText(text="w"), transcript=Transcript(text="words"))
    rig.lane.finish(task, reply)

    assert rig.finals == [("u1", "words", "ears")]
    assert rig.is_done
