"""``mamori doctor`` names the first step that is broken, and what to do about it."""

from __future__ import annotations

import json
import socket
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from typer.testing import CliRunner

from mamori.monitor.cli.main import app
from mamori.monitor.texts import Texts

pytestmark = pytest.mark.timeout(400)

TEXTS = Texts("en")
STEPS = ["port", "handshake", "key", "codec", "samples", "speech", "text", "rule", "alert"]
KEY = "some-key-of-16-characters"


@pytest.fixture
def doctor(environment, tmp_path, monkeypatch):
    """Runs the command; its exit status, and each step's state, detail and remedy."""

    def run(*arguments, **settings):
        given = {"recognition__engine": "none", "recognition__languages": "ja", **settings}
        wanted = environment(node__language="en", node__data_dir=tmp_path / "data", **given)
        for name, value in wanted.items():
            monkeypatch.setenv(name, value)
        monkeypatch.chdir(tmp_path)
        result = CliRunner().invoke(app, ["doctor", "--json", *arguments], catch_exceptions=False)
        lines = [json.loads(line) for line in result.stdout.splitlines()]
        steps = {line["name"]: line for line in lines if line["kind"] == "step"}
        assert list(steps) in ([], STEPS)
        return result.exit_code, steps

    return run


def broken_at(steps, step):
    """Every step before it went well, it failed with its remedy, and none was tried after it."""
    position = STEPS.index(step)
    states = [steps[name]["state"] for name in STEPS]
    assert states == ["ok"] * position + ["failed"] + ["skipped"] * (len(STEPS) - position - 1)
    assert steps[step]["remedy"] == TEXTS(f"doctor.remedy.{step}")
    return True


@pytest.fixture(scope="module")
def deaf_node(make_node):
    node = make_node("deaf", recognition__languages="ja")
    node.start()
    return node


def test_nothing_that_listens_is_the_port(doctor):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    status, steps = doctor("--url", f"ws://127.0.0.1:{port}/v1/native/default", "--key", KEY)

    assert status == 3
    assert broken_at(steps, "port")


def test_a_server_that_speaks_no_websocket_is_the_handshake(doctor):
    class Silent(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_arguments):
            pass

    with HTTPServer(("127.0.0.1", 0), Silent) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        url = f"ws://127.0.0.1:{server.server_address[1]}/v1/native/default"
        try:
            status, steps = doctor("--url", url, "--key", KEY)
        finally:
            server.shutdown()
            thread.join()

    assert status == 1
    assert broken_at(steps, "handshake")


def test_another_address_of_a_node_is_the_handshake(doctor, deaf_node):
    url = f"ws://127.0.0.1:{deaf_node.port}/elsewhere"

    status, steps = doctor("--url", url, "--key", deaf_node.KEY)

    assert status == 1
    assert broken_at(steps, "handshake")


def test_a_wrong_key_is_the_key(doctor, deaf_node):
    status, steps = doctor("--url", deaf_node.url, "--key", KEY)

    assert status == 1
    assert broken_at(steps, "key")


def test_a_node_without_an_engine_is_the_text(doctor, deaf_node):
    status, steps = doctor("--url", deaf_node.url, "--key", deaf_node.KEY)

    assert status == 1
    assert broken_at(steps, "text")
    assert steps["text"]["detail"] == "no_words"
    assert "models list" in steps["text"]["remedy"]


def test_with_whisper_everything_works(doctor, make_node, models_dir):
    node = make_node(
        "whisper",
        recognition__engine="whisper",
        recognition__languages="ja",
        recognition__models_dir=models_dir,
    )
    node.start()

    status, steps = doctor(
        "--url",
        node.url,
        "--key",
        node.KEY,
        recognition__engine="whisper",
        recognition__models_dir=models_dir,
    )

    assert [steps[name]["state"] for name in STEPS] == ["ok"] * len(STEPS), steps
    assert status == 0
    assert steps["text"]["detail"] == "whisper-base"
    assert steps["alert"]["detail"] in {"threat", "violence"}


def test_local_only_sends_no_call(doctor):
    status, steps = doctor("--local")

    assert status == 0
    assert steps == {}
