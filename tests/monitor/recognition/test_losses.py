"""The account of lost audio."""

from mamori.monitor.events import MediaDropped
from mamori.monitor.recognition.losses import LossAccount


def events_of(spans):
    return [span.to_event() for span in spans]


def test_the_audio_of_an_utterance_becomes_one_span_at_its_end(speech):
    account = LossAccount()
    (event,) = events_of(account.add_all(speech.utterance("u1", 1000, 1500), "overload"))
    assert event == MediaDropped(
        call_id="call-1",
        channel=speech.channel,
        offset_ms=1000,
        duration_ms=500,
        duration_samples=4000,
        stage="recognition",
        code="overload",
    )


def test_another_utterances_audio_completes_the_span_before_it(speech):
    account = LossAccount()
    account.add(speech.audio("u1", 0, 20), "a")
    (event,) = events_of(account.add(speech.audio("u2", 1000, 40), "b"))
    assert (event.duration_samples, event.code) == (160, "b")
    assert [span.samples for span in account.settle("c")] == [320]


def test_an_account_without_audio_has_no_span(speech):
    account = LossAccount()
    assert not account.add_all([speech.started("u1", 0), speech.ended("u1", 0, 0)], "overload")
    assert not account.settle("overload")


def test_a_copy_goes_its_own_way(speech):
    account = LossAccount()
    account.add(speech.audio("u1", 0, 20), "a")
    copy = account.copy()
    copy.add(speech.audio("u1", 20, 20), "a")
    assert [span.samples for span in copy.settle("a")] == [320]
    assert [span.samples for span in account.settle("a")] == [160]


def test_a_cleared_account_forgets_what_was_heard_after_all(speech):
    account = LossAccount()
    account.add(speech.audio("u1", 0, 20), "a")
    account.clear()
    assert not account.settle("a")
