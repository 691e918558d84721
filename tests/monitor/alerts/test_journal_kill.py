"""A node that is killed loses nothing it acknowledged, doubles nothing, and leaves nothing open."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from mamori.monitor.alerts.entries import JournalEntry, JournalReader
from mamori.monitor.alerts.journal import AlertJournal
from mamori.monitor.alerts.recovery import Recovery

# Forks a child for each line it reads, so that twenty nodes start in a few seconds. A child may
# kill itself just before the statement of this number that it gives to SQLite for writing.
NURSERY = r"""
import asyncio, os, random, signal, sqlite3, sys
from pathlib import Path
from mamori.monitor.alerts import schema
from mamori.monitor.alerts.book import AlertBook
from mamori.monitor.alerts.journal import AlertJournal
from mamori.monitor.alerts.messages import JournalRecord, journal_message
from mamori.monitor.alerts.policy import AlertBookConfig, AlertTerms
from mamori.monitor.alerts.work import CallKey
from mamori.monitor.events import Category, Channel, ClockEvidence, Detection, Severity

AT = "2026-04-01T09:00:00.000Z"
TERMS = AlertTerms(clause="c", guidance_key="g")
CONFIG = AlertBookConfig(
    policy_version="1", terms={category: TERMS for category in Category}, custom_terms=TERMS
)

def say(*words):
    os.write(1, (" ".join(map(str, words)) + "\n").encode())

def die_before(statement_number):
    real, left = sqlite3.connect, statement_number
    def step(_):
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
    def connect(database, **options):
        connection = real(database, **options)
        if "uri" not in options:
            connection.set_trace_callback(step)
        return connection
    sqlite3.connect = connect

async def write(journal, name, worker):
    rng = random.Random(f"{name}-{worker}")
    number = 0
    while True:
        size = rng.randint(1, 3)
        ids = [f"{name}-{worker}-{number}of{size}-{part}:1" for part in range(size)]
        number += 1
        await journal.append([
            JournalRecord(event_id=one, tenant="acme", call_id="c", kind="ladder_moved",
                          body='{"id":"%s"}' % one, at=AT)
            for one in ids
        ])
        say("ack", *ids)

async def append(path, name):
    async with AlertJournal(path, reserve_bytes=0, group_commit_ms=1) as journal:
        await asyncio.gather(*(write(journal, name, worker) for worker in range(4)))

def found(call_id, category, offset_ms):
    return Detection(
        call_id=call_id, detector="clock", rule="r", category=category, channel=Channel.MIXED,
        offset_ms=offset_ms, end_offset_ms=offset_ms + 100, score=1.0, severity=Severity.ATTENTION,
        evidence=ClockEvidence(stage="s", elapsed_ms=1, threshold_ms=1))

async def calls(path, name):
    async with AlertJournal(path, reserve_bytes=0, group_commit_ms=0) as journal:
        for call_id in ("quiet", "loud", "over"):
            await journal.call_opened("acme", call_id)
        book = AlertBook(CONFIG, call_id="loud", alert_id_prefix="loud")
        for category, offset_ms in (("insult", 1000), ("threat", 2000), ("insult", 3000)):
            for event in book.feed(found("loud", category, offset_ms)):
                await journal.append([journal_message(event, tenant="acme", at=AT)])
        await journal.call_progress({CallKey("acme", "quiet"): 61000})
        await journal.call_closed("acme", "over")
        say("ready")
        await asyncio.Event().wait()

async def recover(path, name):
    async with AlertJournal(path, reserve_bytes=0, group_commit_ms=0) as journal:
        await journal.append((await journal.recover()).records)
        say("recovered")

for line in sys.stdin:
    task, path, name, statement_number = line.split()
    child = os.fork()
    if child == 0:
        if int(statement_number):
            die_before(int(statement_number))
        say("pid", os.getpid())
        asyncio.run({"append": append, "calls": calls, "recover": recover}[task](Path(path), name))
        os._exit(0)
    os.waitpid(child, 0)
    say("over")
"""


class Nursery:
    """Starts nodes and listens to what they say."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def start(self, task: str, path: Path, name: str, *, die_before_statement: int = 0) -> int:
        """Start a node; its process id."""
        assert self._process.stdin is not None
        print(task, path, name, die_before_statement, file=self._process.stdin, flush=True)
        word, process_id = self.line()
        assert word == "pid"
        return int(process_id)

    def line(self) -> list[str]:
        """The words of the next line."""
        assert self._process.stdout is not None
        words = self._process.stdout.readline().split()
        assert words, "the nursery is gone"
        return words

    def rest(self) -> list[list[str]]:
        """Everything said until the node's end."""
        lines = []
        while (words := self.line()) != ["over"]:
            lines.append(words)
        return lines


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    with subprocess.Popen(
        [sys.executable, "-c", NURSERY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield Nursery(process)


def acknowledged(lines: list[list[str]]) -> list[str]:
    return [event_id for words in lines if words[0] == "ack" for event_id in words[1:]]


def kept(path: Path) -> list[JournalEntry]:
    """Every entry, as the next start finds it."""

    async def reopen() -> list[JournalEntry]:
        async with AlertJournal(path, reserve_bytes=0) as journal:
            entries = await journal.read(limit=1_000_000)
            assert journal.damaged == ()
            assert journal.outbox_size() == len(entries)
            return entries

    return asyncio.run(reopen())


def check(path: Path, promised: list[str]) -> None:
    """Conservation: all that was acknowledged, nothing twice, no append by halves."""
    there = Counter(entry.event_id for entry in kept(path))
    assert [event_id for event_id in promised if event_id not in there] == []
    assert set(there.values()) <= {1}
    batches: dict[str, set[str]] = {}
    for event_id in there:
        batch, _, part = event_id.removesuffix(":1").rpartition("-")
        batches.setdefault(batch, set()).add(part)
    assert all(int(batch.rpartition("of")[2]) == len(parts) for batch, parts in batches.items())


@pytest.mark.parametrize("seed", range(2))
def test_killed_before_a_seeded_statement_ten_times_over_nothing_is_lost_or_doubled(
    nursery: Nursery, path: Path, seed: int
) -> None:
    rng = random.Random(seed)
    promised: list[str] = []
    for node in range(10):
        statement = rng.randint(1, 300)
        nursery.start("append", path, f"node{node}", die_before_statement=statement)
        promised += acknowledged(nursery.rest())
        if path.exists():
            check(path, promised)
    assert len(promised) > 50


def test_killed_before_each_statement_that_creates_it_a_journal_still_starts(
    nursery: Nursery, tmp_path: Path
) -> None:
    for statement in range(1, 25):
        path = tmp_path / str(statement) / "alerts.sqlite3"
        nursery.start("append", path, "first", die_before_statement=statement)
        check(path, acknowledged(nursery.rest()))


@pytest.mark.parametrize("seed", range(2))
def test_killed_from_outside_at_ten_seeded_moments_nothing_is_lost_or_doubled(
    nursery: Nursery, path: Path, seed: int
) -> None:
    rng = random.Random(seed)
    promised: list[str] = []
    for node in range(10):
        process_id = nursery.start("append", path, f"node{node}")
        lines = [nursery.line() for _ in range(rng.randint(1, 60))]
        os.kill(process_id, signal.SIGKILL)
        promised += acknowledged(lines + nursery.rest())
    check(path, promised)
    assert len(promised) > 100


def die_in_a_call(nursery: Nursery, path: Path) -> None:
    process_id = nursery.start("calls", path, "first")
    assert nursery.line() == ["ready"]
    os.kill(process_id, signal.SIGKILL)
    nursery.rest()


def recovered(path: Path) -> Recovery:
    """What the next start would have to close."""

    async def reopen() -> Recovery:
        async with AlertJournal(path, reserve_bytes=0) as journal:
            return await journal.recover()

    return asyncio.run(reopen())


def test_a_killed_nodes_calls_and_alerts_are_closed_at_the_next_start(
    nursery: Nursery, path: Path
) -> None:
    die_in_a_call(nursery, path)
    found = recovered(path)
    assert [call.call_id for call in found.calls] == ["quiet", "loud"]
    fields = [json.loads(record.body) for record in found.records]
    assert [{key: one[key] for key in ("type", "id", "reason", "offset_ms")} for one in fields] == [
        {
            "type": "alert_resolved",
            "id": "loud-threat:2",
            "reason": "call_interrupted",
            "offset_ms": 3_100,
        },
        {
            "type": "alert_resolved",
            "id": "loud-insult:3",
            "reason": "call_interrupted",
            "offset_ms": 3_100,
        },
        {
            "type": "call_ended",
            "id": "quiet-call_ended:1",
            "reason": "interrupted",
            "offset_ms": 61_000,
        },
        {
            "type": "call_ended",
            "id": "loud-call_ended:2",
            "reason": "interrupted",
            "offset_ms": 3_100,
        },
    ]
    insult = fields[1]
    assert (insult["revision"], insult["count"], insult["severity"]) == (3, 2, "warning")


def test_a_recovery_killed_before_each_of_its_statements_still_closes_everything_once(
    nursery: Nursery, path: Path
) -> None:
    die_in_a_call(nursery, path)
    done = False
    statement = 0
    while not done:
        statement += 1
        nursery.start("recover", path, "again", die_before_statement=statement)
        done = ["recovered"] in nursery.rest()
    assert statement > 20
    kinds = Counter(entry.kind for entry in kept(path))
    assert kinds == {"alert_raised": 2, "alert_updated": 1, "alert_resolved": 2, "call_ended": 2}
    assert recovered(path) == Recovery(records=(), calls=(), damaged=())


def test_a_killed_node_leaves_a_journal_that_can_be_read_without_owning_it(
    nursery: Nursery, path: Path
) -> None:
    die_in_a_call(nursery, path)
    with JournalReader(path) as reader:
        assert len(reader.read().entries) == 3
