"""docs/protocol.md says what the server does: its codes, its messages, its example."""

from __future__ import annotations

import asyncio
import json
import re
import sys
import wave
from pathlib import Path
from typing import Any

import pytest

from mamori.monitor.events import AudioFrame, Channel, event_from_dict
from mamori.telephony.limits import TelephonyConfig
from mamori.telephony.protocols.errors import ERRORS
from mamori.telephony.protocols.messages import parse_message


@pytest.fixture(scope="module")
def document(repository: Path) -> str:
    return (repository / "docs" / "protocol.md").read_text("utf-8")


def blocks(document: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", document, flags=re.DOTALL)


def test_every_code_is_documented_with_its_status_and_no_other(document: str) -> None:
    section = document.split("## Errors")[1].split("## A client", maxsplit=1)[0]
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| (.+) \|$", section, flags=re.MULTILINE)
    documented = {code: status for code, status, _ in rows}
    assert documented == {
        code: str(spec.http_status or spec.close_code or "none") for code, spec in ERRORS.items()
    }
    assert len(rows) == len(ERRORS)


def test_errors_that_only_the_close_tells_are_documented_as_such(document: str) -> None:
    silent = set(re.findall(r"^\| `(\w+)` .*Only the close says so", document, flags=re.MULTILINE))
    untold = {code for code, spec in ERRORS.items() if not spec.told}
    assert silent == untold


def test_every_message_of_the_document_is_one_that_the_server_knows(document: str) -> None:
    types = set()
    for block in blocks(document, "json"):
        message = json.loads(block)
        types.add(message["type"])
        if message["type"] in {"start", "update", "gap", "stop"}:
            parse_message(block)
        elif message["type"] == "stopped":
            event_from_dict({**message, "type": "call_ended"})
        elif message["type"] == "speech_started":
            event_from_dict(message)
        elif message["type"] == "error":
            assert message["code"] in ERRORS
    assert types >= {"start", "update", "gap", "stop", "started", "stopped", "error"}


def test_the_limits_of_the_document_are_the_defaults(document: str) -> None:
    config = TelephonyConfig()
    section = document.split("## Limits")[1].split("## Errors", maxsplit=1)[0]
    rows = dict(re.findall(r"^\| ([^|]+?) \| ([^|]+?) \|", section, flags=re.MULTILINE))
    assert rows["handshake"] == f"{config.open_timeout_ms // 1000} s"
    assert rows["first message"] == f"{config.first_message_timeout_ms // 1000} s"
    assert rows["no audio and no `gap`"] == f"{config.idle_timeout_ms // 1000} s"
    assert rows["longest message"] == f"{config.max_message_bytes // 1024**2} MiB"
    assert rows["ahead of real time"] == f"{config.inflow.max_ahead_ms // 1000} s"
    assert rows["wait for a lost connection"] == f"{config.registry.grace_ms // 1000} s"
    assert rows["calls of one tenant"] == str(config.registry.max_calls_per_tenant)
    assert rows["connections of one node"] == str(config.max_connections)
    assert rows["events waiting for a client"] == str(config.max_queued_events)


async def test_the_example_client_plays_a_call(harness: Any, document: str, tmp_path: Path) -> None:
    (source,) = blocks(document, "python")
    assert len([line for line in source.splitlines() if line.strip()]) <= 22
    script = tmp_path / "client.py"
    script.write_text(source, "utf-8")
    recording = tmp_path / "call.wav"
    with wave.open(str(recording), "wb") as wav:
        wav.setnchannels(2)
        wav.setsampwidth(2)
        wav.setframerate(8000)
        wav.writeframes(b"\x01\x00\x02\x00" * 4_000)
    await harness.start()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(script),
        harness.url(),
        harness.KEY,
        str(recording),
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0
    messages = [json.loads(line) for line in output.splitlines()]
    assert [message["type"] for message in messages] == ["started", "call_ended", "stopped"]
    for channel in messages[-1]["ledger"]:
        assert channel["received_samples"] == channel["processed_samples"] == 4_000
    (call,) = harness.sink.calls.values()
    values = {
        (event.channel, int(sample))
        for event in call.fed
        if isinstance(event, AudioFrame)
        for sample in event.pcm
    }
    assert values == {(Channel.CUSTOMER, 1), (Channel.AGENT, 2)}
