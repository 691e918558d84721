"""Detections, alerts and journals for the tests of this folder."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

import pytest

from mamori.monitor.alerts.book import AlertBook
from mamori.monitor.alerts.journal import AlertJournal
from mamori.monitor.alerts.messages import JournalRecord, journal_message
from mamori.monitor.alerts.policy import AlertBookConfig, AlertTerms
from mamori.monitor.events import (
    Category,
    Channel,
    Detection,
    PhraseEvidence,
    ResolveReason,
    Severity,
)


class MakeDetection(Protocol):
    """A detection with only what a test cares about."""

    def __call__(
        self,
        offset_ms: int,
        *,
        category: str = Category.INSULT,
        severity: Severity = Severity.ATTENTION,
        channel: Channel = Channel.CUSTOMER,
        quote: str = "ばかやろう",
        call_id: str = "c1",
    ) -> Detection: ...


@pytest.fixture(scope="session")
def detection() -> MakeDetection:
    def make(
        offset_ms: int,
        *,
        category: str = Category.INSULT,
        severity: Severity = Severity.ATTENTION,
        channel: Channel = Channel.CUSTOMER,
        quote: str = "ばかやろう",
        call_id: str = "c1",
    ) -> Detection:
        return Detection(
            call_id=call_id,
            detector="phrases",
            rule="ja.insult.baka",
            category=category,
            channel=channel,
            offset_ms=offset_ms,
            end_offset_ms=offset_ms + 800,
            score=1.0,
            severity=severity,
            evidence=PhraseEvidence(
                quote=quote,
                utterance_id="u1",
                match="surface",
                similarity_ratio=1.0,
                threshold_ratio=0.9,
            ),
        )

    return make


@pytest.fixture(scope="session")
def terms() -> dict[str, AlertTerms]:
    return {
        category.value: AlertTerms(
            clause=f"clause.{category.value}", guidance_key=f"guidance.{category.value}"
        )
        for category in Category
    }


@pytest.fixture(scope="session")
def config(terms: dict[str, AlertTerms]) -> AlertBookConfig:
    return AlertBookConfig(
        policy_version="2026-04",
        terms=terms,
        custom_terms=AlertTerms(clause="clause.other", guidance_key="guidance.other"),
    )


@pytest.fixture
def book(config: AlertBookConfig) -> AlertBook:
    return AlertBook(config, call_id="c1", alert_id_prefix="c1-20260401")


class WallClock:
    """A wall clock that only moves when a test moves it."""

    def __init__(self) -> None:
        self.moment = datetime(2026, 4, 1, 9, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.moment

    def advance(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> WallClock:
    return WallClock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal" / "alerts.sqlite3"


@pytest.fixture
async def journal(path: Path, clock: WallClock) -> AsyncIterator[AlertJournal]:
    async with AlertJournal(path, reserve_bytes=0, now=clock) as opened:
        yield opened


AT = "2026-04-01T09:00:00.000Z"


@pytest.fixture(scope="session")
def record() -> Callable[..., JournalRecord]:
    def make(
        number: int, *, tenant: str = "acme", at: str = AT, padding: int = 0, text: str = ""
    ) -> JournalRecord:
        return JournalRecord(
            event_id=f"note-{number}:1",
            tenant=tenant,
            call_id="c1",
            kind="ladder_moved",
            body=f'{{"type":"ladder_moved","n":{number},"text":"{text}{"x" * padding}"}}',
            at=at,
        )

    return make


@pytest.fixture(scope="session")
def alert_records(
    config: AlertBookConfig, detection: MakeDetection
) -> Callable[..., list[JournalRecord]]:
    """The records of one call's insult: raised, raised in severity and, if wanted, resolved."""

    def make(call_id: str, *, tenant: str = "acme", resolved: bool = False) -> list[JournalRecord]:
        book = AlertBook(config, call_id=call_id, alert_id_prefix=call_id)
        events = [
            *book.feed(detection(1_000, call_id=call_id)),
            *book.feed(detection(5_000, call_id=call_id)),
            *(book.end(9_000, ResolveReason.CALL_ENDED) if resolved else []),
        ]
        return [journal_message(event, tenant=tenant, at=AT) for event in events]

    return make
