"""``mamori alerts`` with a stream that others write to as well, and with a store that is away."""

import asyncio
import json
import socket

import pytest

from mamori.monitor.alerts.messages import journal_message
from mamori.monitor.events import (
    AlertRaised,
    Category,
    Channel,
    ClockEvidence,
    Detection,
    Severity,
)
from mamori.monitor.store.client import connect
from mamori.monitor.store.embedded import EmbeddedValkey
from mamori.monitor.store.folder import DataFolder
from mamori.monitor.store.keys import TenantKeys


def message(number):
    """A message of the stream as a node writes it."""
    clock = Detection(
        call_id=f"call-{number}",
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
    raised = AlertRaised(
        call_id=clock.call_id,
        alert_id=f"alert-{number}",
        revision=1,
        category=clock.category,
        severity=clock.severity,
        channel=clock.channel,
        offset_ms=clock.offset_ms,
        end_offset_ms=clock.end_offset_ms,
        rule=clock.rule,
        clause="long_restraint",
        guidance_key="long_call",
        policy_version="2026.11.1",
        count=1,
        quote=None,
        detections=(clock,),
    )
    record = journal_message(raised, tenant="default", at="2026-04-01T09:00:00.000Z")
    return record.body


NEWER = json.dumps(json.loads(message(2)) | {"version": 2})
EMPTY = json.dumps(json.loads(message(2)) | {"detections": []})
FOREIGN = ["", "hello", "[1]", "1", "{}", '{"version":1,"type":"lunch"}', "[" * 100_000]


@pytest.fixture
def closed_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


@pytest.fixture
def alerts(run, tmp_path):
    """Runs the command beside a store whose stream holds entries with these bodies."""

    async def with_stream(bodies, options):
        async with EmbeddedValkey(tmp_path / "data" / "valkey") as server:
            client = connect(server.url)
            for body in bodies:
                await client.xadd(TenantKeys("default").alerts, {"body": body})
            await client.aclose()
            return await asyncio.to_thread(run, "alerts", *options)

    def show(bodies, *options):
        (tmp_path / "data").mkdir(exist_ok=True)
        return asyncio.run(with_stream(bodies, options))

    return show


@pytest.mark.parametrize("foreign", [*FOREIGN, NEWER, EMPTY], ids=range(len(FOREIGN) + 2))
def test_an_entry_that_is_none_of_ours_is_passed_over_with_a_note(alerts, foreign):
    result = alerts([message(1), foreign, message(3)])

    assert result.exit_code == 0
    assert [line.split("  ")[0] for line in result.stdout.splitlines()] == ["call-1", "call-3"]
    assert len(result.stderr.splitlines()) == 1
    assert "passed over" in result.stderr


def test_as_json_a_newer_message_is_shown_as_it_is_and_what_is_no_object_is_passed_over(alerts):
    result = alerts([NEWER, "hello", message(3)], "--json")

    shown = [json.loads(line) for line in result.stdout.splitlines()]
    assert [body["version"] for body in shown] == [2, 1]
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize("options", [[], ["--follow"], ["--json"]])
def test_a_store_that_is_away_ends_it_with_3_and_one_line(run, closed_port, options):
    url = f"redis://user:hunter2@127.0.0.1:{closed_port}"

    result = run("alerts", *options, store__redis_url=url)

    assert result.exit_code == 3
    (line,) = result.stderr.splitlines()
    assert f"127.0.0.1:{closed_port}" in line
    assert "unreachable" in line
    assert "hunter2" not in line


def test_without_a_node_it_ends_with_3_and_says_how_to_start_one(run):
    result = run("alerts")

    assert result.exit_code == 3
    assert "mamori serve" in result.stderr


def test_a_store_left_behind_by_a_killed_node_says_how_to_start_one(run, tmp_path):
    folder = DataFolder(tmp_path / "data" / "valkey", runtime_dir=None)
    folder.path.mkdir(parents=True)
    folder.url_path.write_text(f"unix://{folder.path}/valkey.sock", encoding="utf-8")

    result = run("alerts")

    assert result.exit_code == 3
    assert "valkey.sock" in result.stderr
    assert "mamori serve" in result.stderr


@pytest.mark.parametrize("tenant", ["A", "a b", "a:b"])
def test_a_tenant_that_cannot_be_one_is_wrong_usage(run, closed_port, tenant):
    url = f"redis://127.0.0.1:{closed_port}"

    assert run("alerts", "--tenant", tenant, store__redis_url=url).exit_code == 2


def test_an_address_that_is_none_is_wrong_usage(run):
    result = run("alerts", store__redis_url="http://127.0.0.1")

    assert result.exit_code == 2
    assert "redis://" in result.stderr
