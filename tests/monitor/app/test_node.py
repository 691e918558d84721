"""The node as a whole: what fails narrows the service, and nothing keeps it from stopping."""

import asyncio
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mamori.config.settings import load_settings
from mamori.monitor.alerts.errors import JournalError
from mamori.monitor.app import node as node_module
from mamori.monitor.app.engines import Recognition
from mamori.monitor.app.node import Node
from mamori.monitor.app.pipeline import Pipeline
from mamori.monitor.events import AudioFrame, CallStarted, Channel, EndReason
from mamori.monitor.recognition.selection import EngineChoice

KEY = "0123456789abcdef0123"
# The first stage after 40 ms, so that two frames raise an alert.
QUICK_CLOCK = ("minutes = 15", "minutes = 0.0006")


@pytest.fixture
def settings(tmp_path):
    policy = (resources.files("mamori.config") / "policy" / "default.toml").read_text("utf-8")
    assert QUICK_CLOCK[0] in policy
    (tmp_path / "policy.toml").write_text(policy.replace(*QUICK_CLOCK), "utf-8")
    return load_settings(
        None,
        {
            "MAMORI_NODE__DATA_DIR": str(tmp_path / "data"),
            "MAMORI_TELEPHONY__LISTEN_PORT": "0",
            "MAMORI_HEALTH__LISTEN_PORT": "0",
            "MAMORI_RECOGNITION__ENGINE": "none",
            "MAMORI_POLICY__FILE": str(tmp_path / "policy.toml"),
            "MAMORI_TENANTS__ACME__KEYS": KEY,
        },
    )


@pytest.fixture
async def node(settings):
    running = Node(settings)
    await running.start()
    return running


async def started_call(node, frames=3):
    call = await node.hub.open_call(
        CallStarted(
            call_id="c1",
            tenant="acme",
            dialect="native",
            channels=(Channel.CUSTOMER,),
            encoding="mulaw",
            sample_rate_hz=8000,
            language="ja",
        )
    )
    for number in range(frames):
        call.feed(
            AudioFrame(
                call_id="c1",
                channel=Channel.CUSTOMER,
                offset_samples=160 * number,
                sample_rate_hz=8000,
                pcm=np.zeros(160, np.int16),
            )
        )
    return call


async def stream_length(client):
    return await client.xlen("mamori:{acme}:alerts")


async def test_an_alert_is_in_the_stream_when_the_node_has_stopped(node):
    call = await started_call(node)
    await call.end(EndReason.COMPLETED)
    lengths: list[int] = []
    node._stack.push_async_callback(lambda: _note(lengths, node.store.client))

    await node.stop(drain_s=0)

    assert lengths == [2]


async def _note(lengths, client):
    lengths.append(await stream_length(client))


async def test_a_node_whose_journal_fails_shows_alerts_says_so_and_still_stops(node, monkeypatch):
    monkeypatch.setattr(node_module, "STOP_S", 0.3)

    async def refuse(records):
        raise JournalError("disk_full", "no room", recoverable=True)

    monkeypatch.setattr(node.journal, "append", refuse)
    heard: list[Any] = []
    call = await started_call(node, frames=0)
    call.subscribe(heard.append)
    await _feed_two(call)
    await call.end(EndReason.COMPLETED)

    part = node._parts()["journal"]
    async with asyncio.timeout(20):
        await node.stop(drain_s=0)

    kinds = [event.type for event in heard]
    assert kinds.index("stage_failed") < kinds.index("alert_raised")
    assert (part.state, part.hint) == ("degraded", "disk_full")
    assert node.alerts.uncommitted == 2


async def _feed_two(call):
    for number in range(2):
        call.feed(
            AudioFrame(
                call_id="c1",
                channel=Channel.CUSTOMER,
                offset_samples=160 * number,
                sample_rate_hz=8000,
                pcm=np.zeros(160, np.int16),
            )
        )


async def test_background_work_that_ends_degrades_its_part(node, monkeypatch):
    async def broken(offsets_ms):
        raise RuntimeError("bug")

    monkeypatch.setattr(node.journal, "call_progress", broken)
    monkeypatch.setattr("mamori.monitor.app.hub._PROGRESS_EVERY_S", 0.0)
    try:
        task = node._watched("journal", node.hub.run(), node._stack)
        await asyncio.wait({task}, timeout=5)

        assert node._parts()["journal"].state == "degraded"
        assert node._parts()["store"].state == "ok"
    finally:
        await node.stop(drain_s=0)


async def test_a_draining_node_says_that_it_takes_no_calls(node):
    states: list[str] = []
    node._stack.callback(lambda: states.append(node._parts()["telephony"].state))
    before = node._parts()["telephony"].state

    await node.stop(drain_s=0)

    assert before == "ok"
    assert states == ["down"]


@pytest.mark.parametrize("utterance_model", [None, Path("whisper")])
@pytest.mark.parametrize("hints", [False, True])
async def test_recognition_is_given_what_the_policy_suspects(
    settings, monkeypatch, hints, utterance_model
):
    choice = EngineChoice(utterance_model=utterance_model)
    given: dict[str, Any] = {}
    prepared: list[Pipeline] = []

    def prepare(pipeline):
        prepared.append(pipeline)

    async def open_live(choice, **values):
        given.update(values)
        return Recognition(None, choice)

    monkeypatch.setattr(node_module, "choose", lambda **_wish: choice)
    monkeypatch.setattr(node_module, "open_live", open_live)
    monkeypatch.setattr(Pipeline, "prepare_second_readings", prepare)
    recognition = settings.recognition.model_copy(update={"hints": hints, "languages": ("ko",)})
    node = Node(settings.model_copy(update={"recognition": recognition}))
    await node.start()
    await node.stop(drain_s=0)

    assert given["candidates"]("너를 죽여버렸다", "ko") == ("죽여버린다",)
    assert given["hint_phrases"] == (node.pipeline.hint_phrases() if hints else {})
    # Who never reads again pays neither the seconds nor the memory.
    assert prepared == ([node.pipeline] if utterance_model else [])
