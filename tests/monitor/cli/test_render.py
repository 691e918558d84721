"""Events as a person reads them: the guidance stands once, under the alert that it belongs to."""

import dataclasses

import pytest

from mamori.config.policy_file import load_policy
from mamori.monitor.cli.render import EventPrinter
from mamori.monitor.events import (
    AlertRaised,
    AlertUpdated,
    Category,
    Channel,
    ClockEvidence,
    Detection,
    Severity,
)
from mamori.monitor.texts import Texts

CLOCK = Detection(
    call_id="c",
    detector="call_clock",
    rule="call_clock.notice",
    category=Category.LONG_CALL,
    channel=Channel.CUSTOMER,
    offset_ms=900_000,
    end_offset_ms=900_000,
    score=1.0,
    severity=Severity.ATTENTION,
    evidence=ClockEvidence(stage="notice", elapsed_ms=900_000, threshold_ms=900_000),
)
RAISED = AlertRaised(
    call_id="c",
    alert_id="a",
    revision=1,
    category=CLOCK.category,
    severity=CLOCK.severity,
    channel=CLOCK.channel,
    offset_ms=CLOCK.offset_ms,
    end_offset_ms=CLOCK.end_offset_ms,
    rule=CLOCK.rule,
    clause="long_restraint",
    guidance_key="long_call",
    policy_version="2026.11.1",
    count=1,
    quote=None,
    detections=(CLOCK,),
)
POLICY = load_policy()


@pytest.mark.parametrize("language", ["ja", "en"])
def test_under_a_new_alert_stands_what_the_policy_advises_the_supervisor(language):
    alert, guidance = EventPrinter(Texts(language), POLICY).lines(RAISED)

    advice = POLICY.guidance_text("long_call", language).supervisor
    assert alert.text.startswith("15:00 ")
    assert guidance.text == f"    {Texts(language)('alert.guidance', text=advice)}"
    assert guidance.style == "dim"


def test_an_update_of_an_alert_repeats_no_guidance():
    fields = {field.name: getattr(RAISED, field.name) for field in dataclasses.fields(RAISED)}
    del fields["type"]
    updated = AlertUpdated(**fields | {"previous_severity": Severity.ATTENTION})

    assert len(EventPrinter(Texts("ja"), POLICY).lines(updated)) == 1


def test_an_alert_of_another_policy_is_shown_without_guidance():
    raised = dataclasses.replace(RAISED, guidance_key="not_ours", clause="not_ours")

    (line,) = EventPrinter(Texts("ja"), POLICY).lines(raised)

    assert "not_ours" in line.text


def test_what_nobody_needs_to_read_gives_no_line():
    assert EventPrinter(Texts("ja"), POLICY).lines(CLOCK) == []
