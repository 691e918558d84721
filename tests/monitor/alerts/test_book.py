"""One alert per call and category: opened, raised, counted up, resolved."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Protocol

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from mamori.monitor.alerts.book import MOST_HELD_DETECTIONS, AlertBook, event_id
from mamori.monitor.alerts.policy import (
    DEFAULT_ESCALATIONS,
    AlertBookConfig,
    EscalationRule,
)
from mamori.monitor.events import (
    AlertRaised,
    AlertResolved,
    AlertUpdated,
    Category,
    Channel,
    Detection,
    LadderMoved,
    LadderState,
    LadderStep,
    LoudnessEvidence,
    ResolveReason,
    Severity,
)

ATTENTION, WARNING, CRITICAL = Severity.ATTENTION, Severity.WARNING, Severity.CRITICAL


class MakeDetection(Protocol):
    """What the fixture ``detection`` is."""

    def __call__(
        self,
        offset_ms: int,
        *,
        category: str = ...,
        severity: Severity = ...,
        channel: Channel = ...,
        quote: str = ...,
        call_id: str = ...,
    ) -> Detection: ...


def counted(book: AlertBook) -> dict[str, int]:
    """The final count of each alert."""
    return {alert.category: alert.count for alert in book.end(3_600_000, ResolveReason.CALL_ENDED)}


# Opening


def test_the_first_detection_opens_an_alert_that_explains_itself(
    book: AlertBook, detection: MakeDetection
) -> None:
    found = detection(12_000, quote="ばかにしてるのか")
    assert book.feed(found) == [
        AlertRaised(
            call_id="c1",
            alert_id="c1-20260401-insult",
            revision=1,
            category="insult",
            severity=ATTENTION,
            channel=Channel.CUSTOMER,
            offset_ms=12_000,
            end_offset_ms=12_800,
            rule="ja.insult.baka",
            clause="clause.insult",
            guidance_key="guidance.insult",
            policy_version="2026-04",
            count=1,
            quote="ばかにしてるのか",
            detections=(found,),
        )
    ]


def test_each_category_has_an_alert_of_its_own(book: AlertBook, detection: MakeDetection) -> None:
    events = [
        *book.feed(detection(1_000, category=Category.INSULT)),
        *book.feed(detection(1_100, category=Category.THREAT)),
    ]
    assert [event.alert_id for event in events] == ["c1-20260401-insult", "c1-20260401-threat"]
    assert [event.revision for event in events] == [1, 1]


def test_a_custom_category_has_no_colon_in_its_alert_id(
    book: AlertBook, detection: MakeDetection
) -> None:
    (event,) = book.feed(detection(1_000, category="custom:dogeza"))
    assert event.alert_id == "c1-20260401-custom-dogeza"
    assert (event.category, event.clause) == ("custom:dogeza", "clause.other")


def test_a_mixed_channel_may_open_an_alert(book: AlertBook, detection: MakeDetection) -> None:
    (event,) = book.feed(detection(1_000, channel=Channel.MIXED))
    assert event.channel is Channel.MIXED


def test_evidence_without_words_gives_an_alert_without_a_quote(
    book: AlertBook, detection: MakeDetection
) -> None:
    evidence = LoudnessEvidence(
        level_dbfs=-14.0,
        baseline_level_dbfs=-24.0,
        rise_db=10.0,
        threshold_db=6.0,
        balance_rise_db=3.0,
        balance_threshold_db=3.0,
        f0_hz=220.0,
        baseline_f0_hz=140.0,
        f0_threshold_semitones=5.0,
        raised_speech_ms=1_600,
        baseline_source="caller",
    )
    found = replace(detection(1_000, category=Category.RAISED_VOICE), evidence=evidence)
    (event,) = book.feed(found)
    assert event.quote is None


# Counting up


@pytest.mark.parametrize(("later_ms", "shown"), [(14_999, False), (15_000, True), (15_001, True)])
def test_a_repeat_is_shown_once_the_cooldown_is_over(
    book: AlertBook, detection: MakeDetection, later_ms: int, shown: bool
) -> None:
    book.feed(detection(1_000, category=Category.THREAT))
    assert bool(book.feed(detection(1_000 + later_ms, category=Category.THREAT))) is shown
    assert counted(book) == {"threat": 2}


def test_what_the_cooldown_held_back_travels_with_the_next_update(
    book: AlertBook, detection: MakeDetection
) -> None:
    held = [detection(ms, category=Category.THREAT) for ms in (2_000, 3_000)]
    latest = detection(16_000, category=Category.THREAT, quote="殺すぞ")
    book.feed(detection(1_000, category=Category.THREAT))
    assert [book.feed(one) for one in held] == [[], []]
    (event,) = book.feed(latest)
    assert isinstance(event, AlertUpdated)
    assert event.detections == (*held, latest)
    assert (event.revision, event.count, event.quote) == (2, 4, "殺すぞ")
    assert (event.offset_ms, event.end_offset_ms) == (16_000, 16_800)
    assert (event.previous_severity, event.severity) == (ATTENTION, ATTENTION)


def test_the_cooldown_begins_anew_with_each_update(
    book: AlertBook, detection: MakeDetection
) -> None:
    shown = [
        bool(book.feed(detection(ms, category=Category.THREAT)))
        for ms in (0, 15_000, 29_999, 30_000)
    ]
    assert shown == [True, True, False, True]


@pytest.mark.parametrize("held", [MOST_HELD_DETECTIONS - 1, MOST_HELD_DETECTIONS, 200])
def test_an_update_carries_a_bounded_number_of_detections_but_counts_all(
    book: AlertBook, detection: MakeDetection, held: int
) -> None:
    for number in range(1 + held):
        book.feed(detection(number, category=Category.THREAT))
    (event,) = book.feed(detection(20_000, category=Category.THREAT))
    assert isinstance(event, AlertUpdated)
    assert len(event.detections) == min(held + 1, MOST_HELD_DETECTIONS)
    assert event.detections[-1].offset_ms == 20_000
    assert event.count == held + 2


def test_with_no_cooldown_every_repeat_is_shown(
    config: AlertBookConfig, detection: MakeDetection
) -> None:
    book = AlertBook(replace(config, update_cooldown_ms=0), call_id="c1", alert_id_prefix="p")
    events = [*book.feed(detection(5)), *book.feed(detection(5)), *book.feed(detection(5))]
    assert [event.count for event in events] == [1, 2, 3]


# Severity


def test_a_graver_detection_raises_the_alert_at_once(
    book: AlertBook, detection: MakeDetection
) -> None:
    book.feed(detection(1_000, category=Category.THREAT))
    (event,) = book.feed(detection(1_100, category=Category.THREAT, severity=CRITICAL))
    assert isinstance(event, AlertUpdated)
    assert (event.previous_severity, event.severity) == (ATTENTION, CRITICAL)


def test_a_milder_detection_never_lowers_the_alert(
    book: AlertBook, detection: MakeDetection
) -> None:
    book.feed(detection(1_000, category=Category.THREAT, severity=CRITICAL))
    (event,) = book.feed(detection(60_000, category=Category.THREAT))
    assert event.severity is CRITICAL


@pytest.mark.parametrize(
    ("later_ms", "severity"), [(59_999, WARNING), (60_000, WARNING), (60_001, ATTENTION)]
)
def test_a_second_insult_within_a_minute_makes_it_a_warning(
    book: AlertBook, detection: MakeDetection, later_ms: int, severity: Severity
) -> None:
    book.feed(detection(1_000))
    (event,) = book.feed(detection(1_000 + later_ms))
    assert event.severity is severity


def test_an_escalation_is_shown_within_the_cooldown(
    book: AlertBook, detection: MakeDetection
) -> None:
    book.feed(detection(1_000))
    (event,) = book.feed(detection(1_001))
    assert (event.severity, event.revision) == (WARNING, 2)


def test_the_highest_rule_that_holds_decides(
    config: AlertBookConfig, detection: MakeDetection
) -> None:
    rules = (
        *DEFAULT_ESCALATIONS,
        EscalationRule(category="insult", count=3, within_ms=120_000, severity=CRITICAL),
    )
    book = AlertBook(replace(config, escalations=rules), call_id="c1", alert_id_prefix="p")
    events = [event for ms in (0, 61_000, 120_000) for event in book.feed(detection(ms))]
    assert [event.severity for event in events] == [ATTENTION, ATTENTION, CRITICAL]


def test_a_detection_that_comes_late_still_completes_its_window(
    book: AlertBook, detection: MakeDetection
) -> None:
    book.feed(detection(0))
    book.feed(detection(100_000))
    (event,) = book.feed(detection(1_000))
    assert event.severity is WARNING


def test_other_categories_do_not_count_towards_a_rule(
    book: AlertBook, detection: MakeDetection
) -> None:
    book.feed(detection(1_000, category=Category.THREAT))
    (event,) = book.feed(detection(2_000))
    assert event.severity is ATTENTION


# The end


def test_the_end_resolves_what_is_open_in_the_order_of_opening(
    book: AlertBook, detection: MakeDetection
) -> None:
    book.feed(detection(1_000, category=Category.THREAT, severity=CRITICAL))
    book.feed(detection(2_000))
    book.feed(detection(3_000, category=Category.THREAT))
    resolved = book.end(90_000, ResolveReason.CALL_ENDED)
    assert resolved[0] == AlertResolved(
        call_id="c1",
        alert_id="c1-20260401-threat",
        revision=2,
        category="threat",
        severity=CRITICAL,
        offset_ms=90_000,
        reason=ResolveReason.CALL_ENDED,
        count=2,
    )
    assert [alert.category for alert in resolved] == ["threat", "insult"]


def test_a_book_ends_once(book: AlertBook, detection: MakeDetection) -> None:
    book.feed(detection(1_000))
    assert len(book.end(2_000, ResolveReason.CALL_ENDED)) == 1
    assert book.end(2_000, ResolveReason.CALL_ENDED) == []
    with pytest.raises(ValueError, match="ended"):
        book.feed(detection(3_000))


def test_a_silent_call_resolves_nothing(book: AlertBook) -> None:
    assert book.end(1_000, ResolveReason.CALL_INTERRUPTED) == []


def test_no_person_resolves_a_whole_book(book: AlertBook) -> None:
    with pytest.raises(ValueError, match="call_ended or call_interrupted"):
        book.end(1_000, ResolveReason.BY_PERSON)


# What is refused


def test_the_agents_channel_never_opens_an_alert(book: AlertBook, detection: MakeDetection) -> None:
    with pytest.raises(ValueError, match="agent's channel"):
        book.feed(detection(1_000, channel=Channel.AGENT))
    assert counted(book) == {}


def test_a_detection_of_another_call_is_refused(book: AlertBook, detection: MakeDetection) -> None:
    with pytest.raises(ValueError, match="another call"):
        book.feed(detection(1_000, call_id="c2"))


def test_what_is_no_category_is_refused(book: AlertBook, detection: MakeDetection) -> None:
    with pytest.raises(ValueError, match="no category"):
        book.feed(detection(1_000, category="rudeness"))


@pytest.mark.parametrize(("call_id", "prefix"), [("", "p"), ("c1", "")])
def test_a_book_needs_its_ids(config: AlertBookConfig, call_id: str, prefix: str) -> None:
    with pytest.raises(ValueError, match="must not be empty"):
        AlertBook(config, call_id=call_id, alert_id_prefix=prefix)


# Event ids


def test_an_events_id_is_its_alert_and_revision(book: AlertBook, detection: MakeDetection) -> None:
    raised, *_ = book.feed(detection(1_000, category="custom:dogeza"))
    (resolved,) = book.end(2_000, ResolveReason.CALL_ENDED)
    assert event_id(raised) == "c1-20260401-custom-dogeza:1"
    assert event_id(resolved) == "c1-20260401-custom-dogeza:2"


def test_proposing_and_deciding_a_step_are_two_events() -> None:
    proposed = LadderMoved(
        call_id="c1", offset_ms=60_000, step=LadderStep.WARNING_1, state=LadderState.PROPOSED
    )
    decided = replace(proposed, state=LadderState.DECIDED, decided_by="suzuki")
    assert event_id(proposed) == "c1-ladder:warning_1:proposed:60000"
    assert event_id(decided) != event_id(proposed)


# Over any sequence of detections

CATEGORIES = [Category.INSULT, Category.THREAT, Category.RAISED_VOICE, "custom:dogeza"]


class AnyCall(RuleBasedStateMachine):
    """A call in which anything may be detected at any time."""

    make: MakeDetection
    config: AlertBookConfig

    def __init__(self) -> None:
        super().__init__()
        self.book = AlertBook(self.config, call_id="c1", alert_id_prefix="p")
        self.now_ms = 0
        self.fed: dict[str, int] = {}
        self.events: dict[str, list[AlertRaised | AlertUpdated | AlertResolved]] = {}
        self.ended = False

    @precondition(lambda self: not self.ended)
    @rule(
        step_ms=st.integers(-5_000, 40_000),
        category=st.sampled_from(CATEGORIES),
        severity=st.sampled_from(list(Severity)),
    )
    def detect(self, step_ms: int, category: str, severity: Severity) -> None:
        self.now_ms = max(0, self.now_ms + step_ms)
        self.fed[str(category)] = self.fed.get(str(category), 0) + 1
        found = self.make(self.now_ms, category=category, severity=severity)
        events = self.book.feed(found)
        assert len(events) <= 1
        for event in events:
            assert event.detections[-1] == found
            assert event.severity >= severity
            self.events.setdefault(event.category, []).append(event)

    @rule()
    def end(self) -> None:
        if self.ended:
            assert self.book.end(self.now_ms, ResolveReason.CALL_ENDED) == []
            return
        self.ended = True
        for event in self.book.end(self.now_ms, ResolveReason.CALL_ENDED):
            self.events[event.category].append(event)
        finals = {category: events[-1].count for category, events in self.events.items()}
        assert finals == self.fed
        assert all(isinstance(events[-1], AlertResolved) for events in self.events.values())

    @invariant()
    def one_alert_per_category_is_opened_once(self) -> None:
        assert set(self.events) == set(self.fed)
        for events in self.events.values():
            assert [isinstance(event, AlertRaised) for event in events].count(True) == 1
            assert isinstance(events[0], AlertRaised)
            assert len({event.alert_id for event in events}) == 1

    @invariant()
    def revisions_are_contiguous(self) -> None:
        for events in self.events.values():
            assert [event.revision for event in events] == list(range(1, len(events) + 1))

    @invariant()
    def severity_never_falls_and_counts_only_rise(self) -> None:
        for events in self.events.values():
            for earlier, later in pairwise(events):
                assert later.severity >= earlier.severity
                assert later.count >= earlier.count
                if isinstance(later, AlertUpdated):
                    assert later.previous_severity == earlier.severity


@pytest.mark.parametrize("cooldown_ms", [0, 15_000])
def test_whatever_is_detected_the_book_keeps_its_promises(
    config: AlertBookConfig, detection: MakeDetection, cooldown_ms: int
) -> None:
    machine = type(
        "AnyCallAt",
        (AnyCall,),
        {
            "make": staticmethod(detection),
            "config": replace(config, update_cooldown_ms=cooldown_ms),
        },
    )
    steps = settings(max_examples=60, stateful_step_count=30, deadline=None)
    run_state_machine_as_test(machine, settings=steps)
