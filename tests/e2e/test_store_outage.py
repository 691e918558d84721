"""The store goes away while a thousand alerts are raised: calls do not notice, nothing is lost.

``pytest tests/e2e/test_store_outage.py --outage-seconds 60`` takes the long form.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from collections import Counter

import pytest

from mamori.monitor.store.client import connect

CALLS = 10
EVENTS_OF_A_CALL = 100
FIRST_MS = 500  # shows that the call runs; the store goes away after it
LEAD_MS = 1_500
RETURN_S = 5.0


def store_state(node):
    status, body = node.get("/readyz")
    return status, json.loads(body)["parts"]["store"]["state"]


@pytest.mark.timeout(400)
@pytest.mark.parametrize("fault", ["stopped", "frozen"])
async def test_a_store_that_is_away_loses_and_doubles_nothing_and_no_call_waits_for_it(
    fault,
    pytestconfig,
    make_node,
    clock_policy,
    tmp_path,
    valkey,
    noise,
    sent_call,
    stream_ids,
    eventually,
    measured,
):
    outage_s = pytestconfig.getoption("--outage-seconds", default=8.0)
    spacing_ms = int((outage_s - 1.5) * 1000 / EVENTS_OF_A_CALL)
    stages_ms = [LEAD_MS + spacing_ms * n for n in range(EVENTS_OF_A_CALL)]
    policy = clock_policy(tmp_path, [FIRST_MS, *stages_ms])
    node = make_node(fault, store__redis_url=valkey.url, policy__file=policy)
    await asyncio.to_thread(node.start)
    assert store_state(node) == (200, "ok")
    recording = noise(LEAD_MS / 1000 + outage_s + 1)
    calls = [sent_call(f"call-{number}") for number in range(CALLS)]
    sending = [asyncio.create_task(call.send(node.url, recording)) for call in calls]
    await eventually(lambda: all(call.alerts for call in calls))

    await asyncio.to_thread(valkey.fail, fault)
    away_s = time.monotonic()
    states = set()
    while time.monotonic() < away_s + outage_s:
        states.add(await asyncio.to_thread(store_state, node))
        await asyncio.sleep(0.2)
    shown = [alert_id for call in calls for alert_id in call.alert_ids]
    await asyncio.to_thread(valkey.come_back, fault)
    back_s = time.monotonic()
    client = connect(valkey.url)
    try:
        while not set(shown) <= set(await stream_ids(client)):
            assert time.monotonic() < back_s + RETURN_S, "not in the stream within five seconds"
            await asyncio.sleep(0.05)
        caught_up_s = time.monotonic() - back_s
        await asyncio.gather(*sending)
        await eventually(lambda: node.metrics()["mamori_outbox_entries"] == 0)
        in_stream = Counter(await stream_ids(client))
    finally:
        await client.aclose()
    await eventually(lambda: store_state(node) == (200, "ok"))
    node.terminate()
    assert node.wait() == 0

    lags_s = [lag_s for call in calls for lag_s in call.lags_s()]
    p95_s = statistics.quantiles(lags_s, n=20)[-1]
    measured(
        outage_s=outage_s,
        alert_events_while_away=len(shown) - CALLS,
        caught_up_s=round(caught_up_s, 3),
        local_feed_p95_s=round(p95_s, 3),
    )
    assert states == {(200, "ok"), (200, "degraded")} or states == {(200, "degraded")}
    assert len(shown) - CALLS >= 0.9 * CALLS * EVENTS_OF_A_CALL
    # Every event came back to its caller: the first, the hundred, and the end.
    assert all(len(call.alerts) == EVENTS_OF_A_CALL + 2 for call in calls)
    assert p95_s <= 1.0
    assert in_stream == Counter(alert_id for call in calls for alert_id in call.alert_ids)
    for call in calls:
        assert call.report is not None
        for channel in call.report.stopped["ledger"]:
            assert channel["received_samples"] == channel["processed_samples"] == recording.samples
