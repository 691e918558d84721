"""``mamori serve`` as an operator meets it: starting, refusing to start, draining, its account."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import stat

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

# Whole processes start here, and slowly on a busy machine.
pytestmark = pytest.mark.timeout(400)


async def test_a_node_that_is_stopped_lets_its_call_finish_and_takes_no_new_one(
    make_node, noise, sent_call, eventually
):
    node = make_node("draining")
    await asyncio.to_thread(node.start)
    call = sent_call("live")
    recording = noise(3)
    sending = asyncio.create_task(call.send(node.url, recording))
    await eventually(lambda: node.metrics().get(active(), 0) == 1)

    node.terminate()
    await eventually(lambda: "taking no new calls" in node.stderr)
    with pytest.raises(InvalidStatus) as refused:
        async with connect(
            node.url, additional_headers={"Authorization": f"Bearer {node.KEY}"}, proxy=None
        ):
            pass
    await sending

    assert refused.value.response.status_code == 503
    assert int(refused.value.response.headers["Retry-After"]) > 0
    assert json.loads(refused.value.response.body)["code"] == "draining"
    assert call.report is not None
    assert call.report.stopped["reason"] == "completed"
    for channel in call.report.stopped["ledger"]:
        assert channel["received_samples"] == channel["processed_samples"] == recording.samples
    assert await asyncio.to_thread(node.wait) == 0
    assert "Traceback" not in node.stderr


def active():
    return 'mamori_calls_active{dialect="native",tenant="default"}'


async def test_the_account_of_a_call_is_in_the_metrics_exactly_and_its_id_nowhere(
    make_node, noise, sent_call
):
    node = make_node("measured")
    await asyncio.to_thread(node.start)
    recording = noise(1.0001)
    call = sent_call("call-id-0312345678")

    await call.send(node.url, recording)

    metrics = node.metrics()
    for channel in ("customer", "agent"):
        account = {
            name: metrics[f'mamori_audio_samples_total{{account="{name}",channel="{channel}"}}']
            for name in ("received", "processed", "shed", "gap")
        }
        assert account == {
            "received": recording.samples,
            "processed": recording.samples,
            "shed": 0,
            "gap": 0,
        }
    assert metrics['mamori_calls_total{reason="completed",tenant="default"}'] == 1
    assert metrics[active()] == 0
    exposition = node.get("/metrics")[1]
    assert call.call_id not in exposition
    assert node.KEY not in exposition


async def test_the_health_addresses_answer(make_node):
    node = make_node("healthy")
    await asyncio.to_thread(node.start)

    assert node.get("/livez") == (200, "ok\n")
    status, body = node.get("/readyz")
    assert status == 200
    assert json.loads(body) == {
        "ready": True,
        "parts": {
            "telephony": {"state": "ok", "hint": ""},
            "journal": {"state": "ok", "hint": ""},
            "store": {"state": "ok", "hint": ""},
            "recognition": {"state": "degraded", "hint": "no_engine"},
        },
    }
    assert node.get("/metrics")[0] == 200
    assert node.get("/elsewhere")[0] == 404


def test_a_second_node_on_the_same_data_is_refused_and_harms_nothing(make_node):
    first = make_node("first")
    first.start()
    second = make_node("second", node__data_dir=first.data_dir)

    second.launch()

    assert second.wait() == 1
    lines = second.stderr.splitlines()
    assert len(lines) == 1
    assert str(first.data_dir) in lines[0]
    assert str(first.pid) in lines[0]
    assert first.get("/readyz")[0] == 200


@pytest.mark.parametrize("part", ["telephony", "health"])
def test_a_port_that_is_taken_is_said_in_one_line(part, make_node):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        node = make_node(f"taken-{part}", **{f"{part}__listen_port": port})

        node.launch()

        assert node.wait() == 1
    assert "Traceback" not in node.stderr
    last = node.stderr.splitlines()[-1]
    assert f"127.0.0.1:{port}" in last
    assert part in last
    # What was begun before is put away: the same data can be used at once.
    again = make_node(f"again-{part}", node__data_dir=node.data_dir)
    again.start()


def test_a_certificate_that_is_not_there_is_said_in_one_line(make_node, tmp_path):
    missing = tmp_path / "missing.pem"
    node = make_node(
        "tls", telephony__tls_certificate_file=missing, telephony__tls_key_file=missing
    )

    node.launch()

    assert node.wait() == 2
    assert "Traceback" not in node.stderr
    assert str(missing) in node.stderr.splitlines()[-1]


def test_a_file_that_is_no_certificate_is_said_in_one_line(make_node, tmp_path):
    text = tmp_path / "not.pem"
    text.write_text("hello")
    node = make_node("no-tls", telephony__tls_certificate_file=text, telephony__tls_key_file=text)

    node.launch()

    assert node.wait() == 2
    assert "Traceback" not in node.stderr
    assert str(text) in node.stderr.splitlines()[-1]


def test_the_key_made_at_the_first_start_is_its_owners_alone_and_never_printed(make_node):
    node = make_node("first-start")
    del node.settings["tenants__default__keys"]
    node.start()
    file = node.data_dir / "keys" / "default"
    key = file.read_text().strip()

    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert len(key) >= 32
    assert str(file) in node.stdout
    assert key not in node.stdout + node.stderr + node.get("/metrics")[1]
    node.terminate()
    assert node.wait() == 0
    # The key stays the same, and is not announced again.
    node.start()
    assert file.read_text().strip() == key
    assert str(file) not in node.stdout


def test_wrong_settings_are_all_named_at_once_and_nothing_starts(make_node):
    node = make_node("wrong", node__log_level="loud", telephony__listen_prot="1")

    node.launch()

    assert node.wait() == 2
    assert "MAMORI_NODE__LOG_LEVEL" in node.stderr
    assert "'debug'" in node.stderr
    assert re.search(r"LISTEN_PROT.*listen_port", node.stderr)
    assert not node.data_dir.exists()


def test_a_data_folder_that_cannot_be_made_is_said_in_one_line(make_node, tmp_path):
    file = tmp_path / "file"
    file.touch()
    node = make_node("no-folder", node__data_dir=file / "data")
    del node.settings["tenants__default__keys"]

    node.launch()

    assert node.wait() == 2
    assert "Traceback" not in node.stderr
    assert str(file / "data") in node.stderr.splitlines()[-1]
