"""One channel: partials, finals, fallbacks and times on the call's clock."""

import pytest

from mamori.monitor.events import (
    Channel,
    FinalHypothesis,
    PartialHypothesis,
    StageFailed,
    Word,
)
from mamori.monitor.recognition.channel import ChannelRecogniser
from mamori.monitor.recognition.port import RecognitionError, Transcript


def recogniser(stream=None, utterance=None, *, language="ko", partial_interval_ms=200):
    return ChannelRecogniser(
        call_id="call-1",
        channel=Channel.CUSTOMER,
        language=language,
        sample_rate_hz=8000,
        stream=stream,
        utterance=utterance,
        partial_interval_ms=partial_interval_ms,
    )


def feed_all(channel, events):
    return [result for event in events for result in channel.feed(event)]


def finals(events):
    return [event for event in events if isinstance(event, FinalHypothesis)]


def partials(events):
    return [event for event in events if isinstance(event, PartialHypothesis)]


def failures(events):
    return [event for event in events if isinstance(event, StageFailed)]


def failing(code="broken", *, recoverable=True, times=None):
    """An answer of a reader that fails ``times`` times (for ever when None), then works."""

    def answer(n):
        if times is None or n < times:
            raise RecognitionError(code, "it failed", recoverable=recoverable)
        return Transcript(text="read words")

    return answer


class TestBothEngines:
    def test_partials_are_the_streams_and_the_final_is_the_readers(
        self, speech, make_stream, make_reader
    ):
        events = feed_all(
            recogniser(make_stream(), make_reader()), speech.utterance("u1", 1000, 2000)
        )
        assert {event.engine for event in partials(events)} == {"fake-stream"}
        assert [event.text for event in finals(events)] == ["read words"]
        assert finals(events)[0].engine == "fake-reader"
        assert finals(events)[0] is events[-1]
        assert {event.utterance_id for event in events} == {"u1"}

    def test_the_final_covers_the_utterance_and_carries_confidence_language_and_marks(
        self, speech, make_stream, make_reader
    ):
        reader = make_reader(
            answer=lambda n: Transcript(text="x", confidence=0.25, marks=("low_confidence",))
        )
        (final,) = finals(
            feed_all(recogniser(make_stream(), reader), speech.utterance("u1", 1000, 2000))
        )
        assert (final.offset_ms, final.end_offset_ms) == (1000, 2000)
        assert (final.confidence, final.language) == (0.25, "ko")
        assert final.marks == ("low_confidence",)
        assert final.words == ()

    def test_the_reader_hears_every_sample_of_the_utterance(self, speech, make_reader):
        reader = make_reader()
        feed_all(recogniser(utterance=reader), speech.utterance("u1", 1000, 2010, chunk_ms=30))
        assert reader.heard == [1010 * 8]

    def test_where_the_reader_fails_the_streams_text_becomes_the_final(
        self, speech, make_stream, make_reader
    ):
        events = feed_all(
            recogniser(make_stream(), make_reader(answer=failing())),
            speech.utterance("u1", 0, 1000),
        )
        assert [(event.engine, event.text) for event in finals(events)] == [
            ("fake-stream", "live words")
        ]
        (failure,) = failures(events)
        assert (failure.stage, failure.code, failure.recoverable) == ("recognition", "broken", True)
        assert (failure.offset_ms, failure.channel) == (1000, Channel.CUSTOMER)

    def test_an_unexpected_exception_of_an_engine_is_a_failure_with_a_code(
        self, speech, make_stream, make_reader
    ):
        def explode(n):
            raise MemoryError

        events = feed_all(
            recogniser(make_stream(), make_reader(answer=explode)), speech.utterance("u1", 0, 1000)
        )
        assert [failure.code for failure in failures(events)] == ["engine_failed"]
        assert len(finals(events)) == 1

    @pytest.mark.parametrize(("times", "asked"), [(2, 5), (3, 3)])
    def test_a_reader_that_fails_three_times_in_a_row_is_not_asked_again(
        self, speech, make_stream, make_reader, times, asked
    ):
        reader = make_reader(answer=failing(times=times))
        channel = recogniser(make_stream(), reader)
        for n in range(5):
            feed_all(channel, speech.utterance(f"u{n}", n * 1000, n * 1000 + 500))
        assert len(reader.heard) == asked

    def test_a_reader_that_cannot_recover_is_not_asked_again(
        self, speech, make_stream, make_reader
    ):
        reader = make_reader(answer=failing(recoverable=False))
        channel = recogniser(make_stream(), reader)
        for n in range(3):
            feed_all(channel, speech.utterance(f"u{n}", n * 1000, n * 1000 + 500))
        assert len(reader.heard) == 1

    def test_where_the_stream_fails_the_reader_still_gives_the_final(
        self, speech, make_stream, make_reader
    ):
        def explode():
            raise RuntimeError

        stream = make_stream(on_accept=explode)
        events = feed_all(recogniser(stream, make_reader()), speech.utterance("u1", 0, 1000))
        assert [final.engine for final in finals(events)] == ["fake-reader"]
        assert [failure.code for failure in failures(events)] == ["engine_failed"]
        assert all(decoder.closed for decoder in stream.decoders)

    def test_a_stream_that_failed_once_gives_partials_again_for_the_next_utterance(
        self, speech, make_stream, make_reader
    ):
        faults = [RuntimeError()]

        def explode_once():
            if faults:
                raise faults.pop()

        channel = recogniser(make_stream(on_accept=explode_once), make_reader())
        assert not partials(feed_all(channel, speech.utterance("u1", 0, 1000)))
        assert partials(feed_all(channel, speech.utterance("u2", 2000, 3000)))

    def test_where_both_fail_the_utterance_is_lost_with_an_error(
        self, speech, make_stream, make_reader
    ):
        def explode():
            raise RuntimeError

        channel = recogniser(make_stream(on_accept=explode), make_reader(answer=failing()))
        *before, end = speech.utterance("u1", 0, 1000)
        feed_all(channel, before)
        with pytest.raises(RecognitionError) as caught:
            channel.feed(end)
        assert caught.value.code == "broken"

    def test_no_words_heard_by_the_reader_means_no_final_whatever_the_stream_heard(
        self, speech, make_stream, make_reader
    ):
        reader = make_reader(answer=lambda n: Transcript(text=""))
        events = feed_all(recogniser(make_stream(), reader), speech.utterance("u1", 0, 1000))
        assert not finals(events)


class TestOneEngine:
    def test_the_stream_alone_gives_partials_and_a_final_with_words(self, speech, make_stream):
        events = feed_all(recogniser(make_stream()), speech.utterance("u1", 1000, 2000))
        assert partials(events)
        (final,) = finals(events)
        assert (final.text, final.engine) == ("live words", "fake-stream")

    def test_word_times_are_on_the_calls_clock(self, speech, make_stream):
        channel = recogniser(make_stream())
        feed_all(channel, speech.utterance("u1", 1000, 2000))
        (final,) = finals(feed_all(channel, speech.utterance("u2", 65_000, 66_000)))
        assert final.words == (
            Word(text="live words", start_ms=65_100, end_ms=66_000, confidence=0.5),
        )

    def test_the_reader_alone_gives_finals_without_partials(self, speech, make_reader):
        events = feed_all(recogniser(utterance=make_reader()), speech.utterance("u1", 0, 1000))
        assert [type(event) for event in events] == [FinalHypothesis]

    def test_an_empty_text_is_no_final(self, speech, make_stream):
        events = feed_all(recogniser(make_stream(says="")), speech.utterance("u1", 0, 1000))
        assert not finals(events)

    def test_a_failing_stream_alone_loses_the_utterance_and_then_works_again(
        self, speech, make_stream
    ):
        faults = [RuntimeError()]

        def explode_once():
            if faults:
                raise faults.pop()

        channel = recogniser(make_stream(on_accept=explode_once))
        with pytest.raises(RecognitionError, match="RuntimeError"):
            feed_all(channel, speech.utterance("u1", 0, 1000))
        assert finals(feed_all(channel, speech.utterance("u2", 2000, 3000)))

    def test_an_engine_without_the_language_is_left_out(self, speech, make_stream, make_reader):
        stream = make_stream(languages=frozenset({"ko"}))
        events = feed_all(
            recogniser(stream, make_reader(), language="ja"), speech.utterance("u1", 0, 1000)
        )
        assert not partials(events)
        assert finals(events)
        assert not stream.decoders

    def test_a_language_no_engine_knows_is_refused(self, make_stream, make_reader):
        with pytest.raises(RecognitionError) as caught:
            recogniser(make_stream(), make_reader(), language="fr")
        assert caught.value.code == "language_unavailable"


class TestPartials:
    @pytest.mark.parametrize(("duration_ms", "count"), [(180, 0), (200, 1), (380, 1), (400, 2)])
    def test_one_comes_for_each_whole_interval(self, speech, make_stream, duration_ms, count):
        *before_end, _ = speech.utterance("u1", 0, duration_ms)
        assert len(partials(feed_all(recogniser(make_stream()), before_end))) == count

    def test_revisions_count_from_one_in_each_utterance(self, speech, make_stream):
        channel = recogniser(make_stream())
        for name, at_ms in (("u1", 0), ("u2", 5000)):
            events = partials(feed_all(channel, speech.utterance(name, at_ms, at_ms + 620)))
            assert [event.revision for event in events] == [1, 2, 3]
            assert {event.offset_ms for event in events} == {at_ms}

    def test_the_same_utterance_reaches_the_decoder_in_the_same_blocks_however_it_arrives(
        self, speech, make_stream
    ):
        heard = []
        for chunk_ms in (20, 30, 410, 1010):
            stream = make_stream()
            feed_all(recogniser(stream), speech.utterance("u1", 0, 1010, chunk_ms=chunk_ms))
            heard.append(stream.blocks)
        assert heard == [[1600] * 5 + [80]] * 4

    @pytest.mark.parametrize("interval_ms", [20, 5000])
    def test_the_interval_may_be_from_20_to_5000_ms(self, make_stream, interval_ms):
        recogniser(make_stream(), partial_interval_ms=interval_ms)

    @pytest.mark.parametrize("interval_ms", [19, 5001])
    def test_any_other_interval_is_refused(self, make_stream, interval_ms):
        with pytest.raises(ValueError, match="from 20 to 5000"):
            recogniser(make_stream(), partial_interval_ms=interval_ms)


class TestOddOrders:
    def test_audio_before_a_start_is_refused(self, speech, make_stream):
        with pytest.raises(ValueError, match="not started"):
            recogniser(make_stream()).feed(speech.audio("u1", 0, 20))

    def test_audio_of_another_utterance_is_refused(self, speech, make_stream):
        channel = recogniser(make_stream())
        channel.feed(speech.started("u1", 0))
        with pytest.raises(ValueError, match="u2"):
            channel.feed(speech.audio("u2", 0, 20))

    def test_a_start_before_the_end_gives_the_open_utterance_up_with_its_decoder(
        self, speech, make_stream
    ):
        stream = make_stream()
        channel = recogniser(stream)
        feed_all(channel, speech.utterance("u1", 0, 1000)[:-1])
        (final,) = finals(feed_all(channel, speech.utterance("u2", 2000, 3000)))
        assert final.words[0].end_ms == 3000
        assert [decoder.closed for decoder in stream.decoders] == [True, False]

    def test_an_utterance_without_audio_is_silent(self, speech, make_stream, make_reader):
        channel = recogniser(make_stream(), make_reader())
        assert not feed_all(channel, [speech.started("u1", 0), speech.ended("u1", 0, 0)])

    def test_an_end_beyond_the_audio_heard_marks_the_final_truncated(self, speech, make_stream):
        *heard, _ = speech.utterance("u1", 0, 1000)
        events = feed_all(recogniser(make_stream()), [*heard, speech.ended("u1", 0, 1001)])
        assert finals(events)[0].marks == ("truncated",)

    def test_an_utterance_of_30_s_is_read_and_a_longer_one_falls_back(
        self, speech, make_stream, make_reader
    ):
        reader = make_reader()
        channel = recogniser(make_stream(), reader)
        events = feed_all(channel, speech.utterance("u1", 0, 30_000))
        assert finals(events)[0].engine == "fake-reader"
        events = feed_all(channel, speech.utterance("u2", 40_000, 70_020))
        assert finals(events)[0].engine == "fake-stream"
        assert [failure.code for failure in failures(events)] == ["utterance_too_long"]
        assert reader.heard == [240_000]

    def test_closing_gives_the_decoder_back(self, speech, make_stream):
        stream = make_stream()
        channel = recogniser(stream)
        feed_all(channel, speech.utterance("u1", 0, 1000))
        channel.close()
        assert [decoder.closed for decoder in stream.decoders] == [True]
