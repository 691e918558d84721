"""A node that is killed again and again while alerts are raised loses none that it showed."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from random import Random

import pytest

ROUNDS = 20
CALLS = 10
SEED = 20261124
LONGEST_S = 2.0


# Twenty starts of a node take 40 s, and several times that on a machine with other work.
@pytest.mark.timeout(400)
async def test_killed_at_twenty_seeded_moments_every_alert_shown_is_in_the_stream_once(
    make_node, clock_policy, tmp_path, noise, sent_call, stream, eventually, measured
):
    random = Random(SEED)
    # An alert event each 50 ms of every call: whenever the blow falls, some are on their way.
    policy = clock_policy(tmp_path, range(50, 3_500, 50))
    node = make_node("killed", policy__file=policy)
    recording = noise(3.5)
    calls = []
    hit = 0
    for number in range(ROUNDS):
        await asyncio.to_thread(node.start)
        batch = [sent_call(f"round-{number}-call-{n}") for n in range(CALLS)]
        sending = [asyncio.create_task(call.send(node.url, recording)) for call in batch]
        await eventually(lambda batch=batch: any(call.alerts for call in batch))
        await asyncio.sleep(random.uniform(0.1, LONGEST_S))
        node.kill()
        await asyncio.gather(*sending)
        assert all(call.report is None for call in batch), "every call was cut off"
        hit += sum(bool(call.alerts) for call in batch)
        calls += batch

    await asyncio.to_thread(node.start)
    await eventually(lambda: node.metrics()["mamori_outbox_entries"] == 0)
    async with node.store() as client:
        messages = await stream(client)
    node.terminate()
    assert node.wait() == 0

    in_stream = Counter(message["id"] for message in messages)
    shown = [alert_id for call in calls for alert_id in call.alert_ids]
    measured(kills=ROUNDS, shown=len(shown), in_stream=len(messages), calls_with_alerts=hit)
    assert hit > ROUNDS * CALLS * 0.8
    assert len(shown) > 10 * ROUNDS
    assert [alert_id for alert_id in shown if alert_id not in in_stream] == []
    assert [alert_id for alert_id, count in in_stream.items() if count > 1] == []

    revisions = defaultdict(list)
    for message in messages:
        if message["type"].startswith("alert_"):
            revisions[message["alert_id"]].append(message)
    for alert in revisions.values():
        assert [message["revision"] for message in alert] == list(range(1, len(alert) + 1))
        assert alert[0]["type"] == "alert_raised"
        assert alert[-1]["type"] == "alert_resolved"
        assert alert[-1]["reason"] == "call_interrupted"

    ended = Counter(m["call_id"] for m in messages if m["type"] == "call_ended")
    assert {m["reason"] for m in messages if m["type"] == "call_ended"} == {"interrupted"}
    assert set(ended.values()) == {1}
    assert {call.call_id for call in calls if call.events} <= set(ended)
