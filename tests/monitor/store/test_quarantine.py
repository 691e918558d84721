"""Only evidence condemns an entry."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from mamori.monitor.store.port import OutboxEntry
from mamori.monitor.store.quarantine import Quarantine, dead_letter

ENTRY = OutboxEntry(sequence=1, event_id="e1", tenant="t", body="")


def test_a_too_large_entry_is_given_up_at_the_last_try_and_not_before() -> None:
    quarantine = Quarantine(tries=3)
    assert [quarantine.refused(ENTRY, "too_large", 0) for _ in range(3)] == [False, False, True]


def test_without_others_passing_an_entry_is_never_given_up() -> None:
    quarantine = Quarantine(tries=3)
    assert not any(quarantine.refused(ENTRY, "refused", 0) for _ in range(100))


def test_once_another_entry_of_the_tenant_passed_the_refused_one_is_given_up() -> None:
    quarantine = Quarantine(tries=3)
    assert not any(quarantine.refused(ENTRY, "refused", 0) for _ in range(5))
    quarantine.passed("t", 1)
    assert quarantine.refused(ENTRY, "refused", 1)


def test_what_passed_before_the_first_refusal_is_no_evidence() -> None:
    quarantine = Quarantine(tries=2)
    quarantine.passed("t", 9)
    assert not any(quarantine.refused(ENTRY, "refused", 9) for _ in range(9))


def test_entries_of_another_tenant_are_no_evidence() -> None:
    quarantine = Quarantine(tries=2)
    assert not quarantine.refused(ENTRY, "refused", 0)
    quarantine.passed("other", 5)
    assert not quarantine.refused(ENTRY, "refused", 0)


def test_an_entry_that_passed_after_all_starts_anew() -> None:
    quarantine = Quarantine(tries=2)
    quarantine.refused(ENTRY, "too_large", 0)
    quarantine.forgive(ENTRY)
    assert not quarantine.refused(ENTRY, "too_large", 0)


def test_a_dead_letter_says_which_entry_why_and_when_to_the_millisecond() -> None:
    at = datetime(2026, 4, 1, 9, 0, 0, 123_456, tzinfo=UTC)
    assert json.loads(dead_letter(ENTRY, "too_large", at)) == {
        "event_id": "e1",
        "code": "too_large",
        "at": "2026-04-01T09:00:00.123Z",
    }
