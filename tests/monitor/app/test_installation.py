"""What the doctor says of the store that the settings name."""

import asyncio
import re
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from mamori.config.settings import load_settings
from mamori.monitor.app.installation import inspect
from mamori.monitor.store.embedded import server_binary


@pytest.fixture
def store_check(tmp_path, monkeypatch):
    """What is found of a store with a setting of its own."""
    monkeypatch.chdir(tmp_path)
    settings = {
        "MAMORI_NODE__DATA_DIR": str(tmp_path / "data"),
        "MAMORI_RECOGNITION__ENGINE": "none",
        "MAMORI_RECOGNITION__LANGUAGES": "ko",
    }

    async def look(url):
        environ = settings | ({"MAMORI_STORE__REDIS_URL": url} if url else {})
        checks = await inspect(load_settings(None, environ))
        return next(check for check in checks if check.key == "store")

    return look


@pytest.fixture
def server():
    """Starts a server with the given ``maxmemory-policy``; the address of its socket."""
    processes = []
    # Short: the path of a socket has 107 bytes.
    with tempfile.TemporaryDirectory(prefix="mamori-test-") as folder:

        def start(policy):
            socket = Path(folder) / "s"
            options = ["--port", "0", "--unixsocket", socket, "--save", "", "--dir", folder]
            command = [server_binary(), *options, "--maxmemory-policy", policy]
            processes.append(subprocess.Popen(command, stdout=subprocess.DEVNULL))
            deadline_s = time.monotonic() + 20
            while not socket.exists():
                assert time.monotonic() < deadline_s
                time.sleep(0.01)
            return f"unix://{socket}"

        yield start
        for process in processes:
            process.kill()
            process.wait()


async def test_a_sound_store_is_named_with_its_version(store_check, server):
    check = await store_check(server("noeviction"))

    assert check.state == "ok"
    assert re.fullmatch(r"valkey \d+\.\d+\.\d+", check.detail)


async def test_a_store_that_may_delete_alerts_is_a_limit_with_its_reason(store_check, server):
    check = await store_check(server("allkeys-lru"))

    assert check.state == "degraded"
    assert "allkeys-lru" in check.detail
    assert "noeviction" in check.detail


async def test_a_store_that_is_away_is_named_by_its_fault(store_check, tmp_path):
    check = await store_check(f"unix://{tmp_path}/nobody.sock")

    assert (check.state, check.detail) == ("failed", "unreachable")


async def test_what_listens_but_is_no_store_is_found_out(store_check):
    async def greet(_reader, writer):
        writer.write(b"220 mail.example ESMTP\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        check = await store_check(f"redis://127.0.0.1:{port}")

    assert check.state == "failed"


async def test_an_address_that_is_none_is_found_out(store_check):
    check = await store_check("http://127.0.0.1")

    assert (check.state, check.detail) == ("failed", "bad_store_url")


async def test_without_an_address_the_embedded_server_is_looked_for(store_check):
    check = await store_check(None)

    assert check.state == "ok"
    assert "embedded" in check.detail
