"""The message that the journal keeps and the stream carries."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone

import pytest

from mamori.monitor.alerts.book import AlertBook
from mamori.monitor.alerts.messages import (
    JournalRecord,
    journal_message,
    message_event,
    utc_iso,
    utc_ms,
)
from mamori.monitor.events import Detection, LadderMoved, LadderState, LadderStep, ResolveReason

AT = "2026-04-01T09:00:00.250Z"


def test_a_message_opens_with_its_envelope(
    book: AlertBook, detection: Callable[..., Detection]
) -> None:
    (event,) = book.feed(detection(1_000))
    record = journal_message(event, tenant="acme", at=AT)
    fields = json.loads(record.body)
    assert list(fields)[:4] == ["type", "version", "id", "at"]
    assert fields["type"] == record.kind == "alert_raised"
    assert fields["version"] == 1
    assert fields["id"] == record.event_id == "c1-20260401-insult:1"
    assert fields["at"] == record.at == AT
    assert (record.tenant, record.call_id) == ("acme", "c1")


def test_every_alert_event_comes_back_as_it_was(
    book: AlertBook, detection: Callable[..., Detection]
) -> None:
    events = [
        *book.feed(detection(1_000)),
        *book.feed(detection(2_000)),
        *book.end(3_000, ResolveReason.CALL_ENDED),
        LadderMoved(
            call_id="c1",
            offset_ms=4_000,
            step=LadderStep.NOTICE,
            state=LadderState.DECIDED,
            decided_by="鈴木",
            wording="恐れ入りますが、落ち着いてお話しいただけますでしょうか。",
        ),
    ]
    bodies = [journal_message(event, tenant="acme", at=AT).body for event in events]
    assert [message_event(body) for body in bodies] == events


def test_words_stay_readable_in_the_message(
    book: AlertBook, detection: Callable[..., Detection]
) -> None:
    (event,) = book.feed(detection(1_000, quote="ばかやろう"))
    assert "ばかやろう" in journal_message(event, tenant="acme", at=AT).body


def test_words_stay_out_of_the_repr(book: AlertBook, detection: Callable[..., Detection]) -> None:
    (event,) = book.feed(detection(1_000, quote="ばかやろう"))
    assert "ばかやろう" not in repr(journal_message(event, tenant="acme", at=AT))


@pytest.mark.parametrize("body", ["", "[]", "{", '{"type":"alert_raised"}', '{"version":2}'])
def test_what_is_no_message_of_this_version_is_refused(body: str) -> None:
    with pytest.raises(ValueError):
        message_event(body)


@pytest.mark.parametrize(
    "at",
    ["2026-04-01T09:00:00.250Z", "2026-04-01T09:00:00.250+00:00", "2026-04-01T09:00:00.250999Z"],
)
def test_times_are_utc_to_the_millisecond(at: str) -> None:
    assert utc_ms(at) == 1_775_034_000_250


@pytest.mark.parametrize("at", ["2026-04-01T09:00:00", "2026-04-01T18:00:00+09:00", "today"])
def test_a_record_refuses_a_time_that_is_not_utc(at: str) -> None:
    with pytest.raises(ValueError):
        JournalRecord(event_id="a:1", tenant="t", call_id="c", kind="k", body="{}", at=at)


@pytest.mark.parametrize("lacking", ["event_id", "tenant", "call_id", "kind"])
def test_a_record_needs_every_id(lacking: str) -> None:
    fields = {"event_id": "a:1", "tenant": "t", "call_id": "c", "kind": "k"} | {lacking: ""}
    with pytest.raises(ValueError, match="must not be empty"):
        JournalRecord(**fields, body="{}", at=AT)


def test_a_moment_becomes_utc_text() -> None:
    tokyo = timezone(timedelta(hours=9))
    assert utc_iso(datetime(2026, 4, 1, 18, 0, 0, 250_000, tzinfo=tokyo)) == AT
    assert utc_iso(datetime(2026, 4, 1, 9, tzinfo=UTC)) == "2026-04-01T09:00:00.000Z"


def test_a_moment_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        utc_iso(datetime(2026, 4, 1, 9))  # noqa: DTZ001 - the mistake under test
