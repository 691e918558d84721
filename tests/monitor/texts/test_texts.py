"""Texts for people: complete in Japanese and English, with the same values in each."""

import re
import string

import pytest

from mamori.monitor.demo import demo_calls
from mamori.monitor.events import (
    AlertRaised,
    Category,
    Channel,
    ClockEvidence,
    Detection,
    EndReason,
    Evidence,
    LoudnessEvidence,
    PhraseEvidence,
    RepeatEvidence,
    Severity,
    Telling,
)
from mamori.monitor.recognition.models.reasons import TEXTS as REASONS
from mamori.monitor.texts import LANGUAGES, Texts, catalogue
from mamori.monitor.texts.alert_lines import alert_line, media_time


def placeholders(text):
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_both_languages_have_the_same_keys():
    assert set(catalogue("ja")) == set(catalogue("en"))


@pytest.mark.parametrize("key", sorted(catalogue("en")))
def test_a_text_takes_the_same_values_in_both_languages(key):
    assert placeholders(catalogue("ja")[key]) == placeholders(catalogue("en")[key])


def test_japanese_texts_are_japanese():
    for key, text in catalogue("ja").items():
        assert re.search(r"[\u3040-\u30ff\u4e00-\u9fff]", text), key


JAPANESE = {
    **catalogue("ja"),
    **{f"reason {code}": text for code, text in REASONS["ja"].items()},
    **{f"title {call.call_id}": call.title_ja for call in demo_calls()},
}
# Brackets around nothing but an id, a code or a path keep the width of what they hold.
CODE_IN_BRACKETS = re.compile(r"\((?:\{(?:id|code)\}|[\w./-]+)\)", re.ASCII)


@pytest.mark.parametrize("key", sorted(JAPANESE))
def test_running_japanese_has_full_width_brackets_and_colons(key):
    text = CODE_IN_BRACKETS.sub("", JAPANESE[key])
    text = re.sub(r"\{(\w+):[^}]*\}", r"{\1}", text)

    assert not set("():") & set(text)


def test_screens_call_the_supervisor_by_one_word():
    assert [key for key, text in JAPANESE.items() if "上席" in text] == []


def test_the_word_for_a_severity_stands_for_nothing_else():
    using = [key for key, text in JAPANESE.items() if "警告" in text]

    assert using == ["severity.warning"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_closed_word_has_a_text(language):
    texts = Texts(language)

    assert all(texts.category(category) for category in Category)
    assert all(texts(f"severity.{severity}") for severity in Severity)
    assert all(texts(f"reason.{reason}") for reason in EndReason)
    assert all(texts(f"channel.{channel}") for channel in Channel)


def test_a_firms_own_category_keeps_its_name():
    assert Texts("ja").category("custom:parking") == "parking"


EVIDENCE: dict[str, Evidence] = {
    "phrase": PhraseEvidence(
        quote="殺すぞ",
        utterance_id="u",
        match="surface",
        similarity_ratio=1.0,
        threshold_ratio=0.85,
    ),
    "reread": PhraseEvidence(
        quote="慰謝料を払え",
        utterance_id="u",
        match="reread",
        similarity_ratio=0.9,
        threshold_ratio=0.85,
        record_quote="石屋料をあらえ",
    ),
    "loudness": LoudnessEvidence(
        level_dbfs=-12,
        baseline_level_dbfs=-24.5,
        rise_db=12.5,
        threshold_db=8,
        balance_rise_db=4,
        balance_threshold_db=3,
        f0_hz=300,
        baseline_f0_hz=200,
        f0_threshold_semitones=5,
        raised_speech_ms=2300,
        baseline_source="caller",
    ),
    "clock": ClockEvidence(stage="notice", elapsed_ms=900_000, threshold_ms=900_000),
    "repeat": RepeatEvidence(
        tellings=tuple(
            Telling(quote=f"直して{n}", utterance_id=f"u{n}", offset_ms=n) for n in range(3)
        ),
        threshold_count=3,
    ),
}
EXPECTED = {
    "phrase": ["殺すぞ", "1.00", "0.85"],
    "reread": ["慰謝料を払え", "石屋料をあらえ", "0.90", "0.85"],
    "loudness": ["+12.5 dB", "+8.0 dB", "2.3"],
    "clock": ["15"],
    "repeat": ["直して2", "3"],
}


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", sorted(EVIDENCE))
def test_an_alert_says_when_what_why_and_under_which_clause(kind, language):
    found = Detection(
        call_id="c",
        detector="d",
        rule="the.rule",
        category="threat",
        channel=Channel.CUSTOMER,
        offset_ms=65_000,
        end_offset_ms=66_000,
        score=1.0,
        severity=Severity.CRITICAL,
        evidence=EVIDENCE[kind],
    )
    alert = AlertRaised(
        call_id="c",
        alert_id="a",
        revision=1,
        category="threat",
        severity=Severity.CRITICAL,
        channel=Channel.CUSTOMER,
        offset_ms=65_000,
        end_offset_ms=66_000,
        rule="the.rule",
        clause="clause_id",
        guidance_key="threat",
        policy_version="2026.11.1",
        count=1,
        quote=None,
        detections=(found,),
    )

    line = alert_line(alert, Texts(language), lambda clause: f"«{clause}»")

    assert line.startswith("1:05 ")
    assert "«clause_id»" in line
    for expected in EXPECTED[kind]:
        assert expected in line


@pytest.mark.parametrize(
    ("offset_ms", "expected"),
    [(0, "0:00"), (59_999, "0:59"), (60_000, "1:00"), (3_599_999, "59:59"), (3_600_000, "1:00:00")],
)
def test_media_time_is_minutes_and_seconds(offset_ms, expected):
    assert media_time(offset_ms) == expected
