"""What a part refuses of a policy is said with its file; what is suspected, and comes of it."""

from importlib import resources

import pytest

from mamori.errors import ConfigError
from mamori.monitor.app.pipeline import Pipeline
from mamori.monitor.events import (
    CallStarted,
    Channel,
    EndReason,
    FinalHypothesis,
    PhraseHint,
    RereadHypothesis,
    Severity,
    event_from_json,
    event_to_json,
)

DEFAULT = (resources.files("mamori.config") / "policy" / "default.toml").read_text(encoding="utf-8")


def policy_file(folder, *changes):
    text = DEFAULT
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    path = folder / "policy.toml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "changes",
    [
        # Both round to the same millisecond.
        [("minutes = 15", "minutes = 10.0"), ("minutes = 30", "minutes = 10.000001")],
        [('stage = "warning"', 'stage = "notice"')],
    ],
)
def test_what_only_a_detector_can_refuse_names_the_policy_file(tmp_path, changes):
    path = policy_file(tmp_path, *changes)

    with pytest.raises(ConfigError) as raised:
        Pipeline.load(languages=["ko"], policy_file=path)

    assert raised.value.code == "bad_policy"
    assert all(problem.startswith(f"{path}: ") for problem in raised.value.problems)


def test_a_value_that_a_part_alone_refuses_names_the_policy_file(tmp_path, monkeypatch):
    path = policy_file(tmp_path)

    def refuse(**_values):
        raise ValueError("attention_ms must be lower")

    monkeypatch.setattr("mamori.monitor.app.pipeline.RaisedVoiceConfig", refuse)

    with pytest.raises(ConfigError, match=r"policy\.toml: attention_ms must be lower"):
        Pipeline.load(languages=["ko"], policy_file=path)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("window_minutes = 10", f"window_minutes = {1 / 60}"),
        ("within_seconds = 60", "within_seconds = 0.001"),
        ("minutes = 15", f"minutes = {1 / 60_000}"),
        ("warning_count = 5", "warning_count = 20"),
        ("attention_seconds = 2.0", "attention_seconds = 1"),
        ("warning_seconds = 5.0", "warning_seconds = 60"),
        ("rise_db = 8.0", "rise_db = 3"),
        ("rise_db = 8.0", "rise_db = 40"),
    ],
)
def test_every_part_takes_the_outermost_value_that_the_policy_file_allows(tmp_path, old, new):
    pipeline = Pipeline.load(languages=["ko"], policy_file=policy_file(tmp_path, (old, new)))

    assert pipeline.repeated_demand.window_ms >= 1_000
    assert all(rule.within_ms >= 1 for rule in pipeline.alerts.escalations)


STARTED = CallStarted(
    call_id="c1",
    tenant="acme",
    dialect="test",
    channels=(Channel.CUSTOMER,),
    encoding="pcm",
    sample_rate_hz=8000,
    language="ko-KR",
)
MISHEARD, MEANT = "너를 죽여버렸다", "너를 죽여버린다"


@pytest.fixture(scope="module")
def korean():
    return Pipeline.load(languages=["ko"])


def final(text):
    return FinalHypothesis(
        call_id="c1",
        channel=Channel.CUSTOMER,
        utterance_id="u1",
        offset_ms=1_000,
        end_offset_ms=3_000,
        text=text,
        language="ko",
        engine="test",
    )


def reread(text, phrases):
    return RereadHypothesis(
        call_id="c1",
        channel=Channel.CUSTOMER,
        utterance_id="u1",
        offset_ms=1_000,
        end_offset_ms=3_000,
        text=text,
        language="ko",
        engine="test",
        phrases=phrases,
    )


def test_candidates_are_of_the_calls_language(korean):
    korean.prepare_second_readings()

    assert korean.candidates(MISHEARD, "ko") == ("죽여버린다",)
    assert korean.candidates(MISHEARD, "ko-KR") == ("죽여버린다",)
    assert korean.candidates(MISHEARD, "en") == ()
    assert korean.candidates("감사합니다", "ko") == ()


def test_preparing_leaves_nothing_to_build_for_the_first_utterance(korean, monkeypatch):
    korean.prepare_second_readings()
    monkeypatch.setattr(
        "mamori.monitor.detectors.phrases.matcher.CandidateIndex",
        lambda *_given: pytest.fail("built during a call"),
    )

    assert Pipeline.candidates(korean, MISHEARD, "ko")


def test_hints_are_by_language_and_of_the_policys_phrases(korean):
    hints = korean.hint_phrases()

    assert list(hints) == ["ko"]
    assert "죽여버린다" in hints["ko"]
    assert len(hints["ko"]) == len(set(hints["ko"]))


def test_a_second_reading_raises_an_alert_that_is_at_most_a_warning(korean):
    session = korean.session(STARTED, alert_id_prefix="a")
    assert [event.type for event in session.feed(final(MISHEARD))] == ["final_hypothesis"]

    events = session.feed(reread(MEANT, korean.candidates(MISHEARD, "ko")))

    assert [event.type for event in events] == ["reread_hypothesis", "detection", "alert_raised"]
    alert = events[-1]
    assert (alert.category, alert.severity) == ("threat", Severity.WARNING)
    assert (alert.quote, alert.detections[0].evidence.record_quote) == ("죽여버린다", "죽여버렸다")
    assert event_from_json(event_to_json(alert)) == alert


def test_words_that_are_read_at_once_may_be_critical(korean):
    session = korean.session(STARTED, alert_id_prefix="a")

    assert session.feed(final(MEANT))[-1].severity is Severity.CRITICAL


def test_a_hint_raises_nothing(korean):
    session = korean.session(STARTED, alert_id_prefix="a")
    hint = PhraseHint(
        call_id="c1",
        channel=Channel.CUSTOMER,
        utterance_id="u1",
        offset_ms=1_000,
        phrase="죽여버린다",
        engine="test",
    )

    assert session.feed(hint) == [hint]


def test_a_second_reading_after_the_call_is_refused(korean):
    session = korean.session(STARTED, alert_id_prefix="a")
    session.feed(final(MISHEARD))
    session.end(EndReason.COMPLETED)

    with pytest.raises(ValueError, match="the call has ended"):
        session.feed(reread(MEANT, ("죽여버린다",)))
