"""``mamori alerts`` beside a running node: the latest, as JSON, and each new one as it comes."""

from __future__ import annotations

import asyncio
import json
import subprocess
import time

import pytest

pytestmark = pytest.mark.timeout(400)


@pytest.fixture(scope="module")
def node(make_node, clock_policy, tmp_path_factory, noise, sent_call):
    """A node whose one call had an alert with two updates."""
    policy = clock_policy(tmp_path_factory.mktemp("policy"), [200, 400, 600])
    node = make_node("watched", policy__file=policy)
    node.start()
    asyncio.run(sent_call("first-call").send(node.url, noise(0.8)))
    deadline = time.monotonic() + 30
    while node.metrics()["mamori_outbox_entries"] > 0:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return node


async def test_the_latest_alerts_are_shown_in_words(node, mamori):
    result = await asyncio.to_thread(mamori, "alerts", env=node.environment)

    assert (result.returncode, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert len(lines) == 4
    assert all(line.startswith("first-call  0:00") for line in lines)
    assert all("(long_call)" in line for line in lines[:3])
    assert "alert closed" in lines[3]


async def test_as_json_they_are_the_messages_of_the_stream(node, mamori, stream):
    result = await asyncio.to_thread(
        mamori, "alerts", "--json", "--last", "2", env=node.environment
    )

    async with node.store() as client:
        messages = await stream(client)
    assert [json.loads(line) for line in result.stdout.splitlines()] == messages[-2:]
    assert [message["type"] for message in messages[-2:]] == ["alert_updated", "alert_resolved"]


async def test_followed_each_new_one_comes_at_once_and_nothing_twice(
    node, mamori, noise, sent_call, stream_ids, eventually, tmp_path
):
    output = tmp_path / "followed"
    with output.open("wb") as out:
        following = await asyncio.create_subprocess_exec(
            *(mamori.program, "alerts", "--follow", "--json", "--last", "1"),
            env=node.environment,
            cwd=tmp_path,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    try:
        await eventually(lambda: output.read_bytes().count(b"\n") == 1)
        await sent_call("second-call").send(node.url, noise(0.8))
        await eventually(lambda: output.read_bytes().count(b"\n") >= 5)
    finally:
        following.terminate()
        await following.wait()

    followed = [json.loads(line)["id"] for line in output.read_text().splitlines()]
    async with node.store() as client:
        assert followed == (await stream_ids(client))[3:]


async def test_where_no_node_runs_any_more_it_ends_with_3(node, mamori):
    node.kill()

    result = await asyncio.to_thread(mamori, "alerts", env=node.environment)

    assert result.returncode == 3
    assert "Traceback" not in result.stderr
    assert "mamori serve" in result.stderr
