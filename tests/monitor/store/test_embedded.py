"""The embedded server: durable, private, one owner, gone with its parent, back after a crash."""

from __future__ import annotations

import asyncio
import os
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import structlog
from redis.exceptions import (
    ConnectionError,  # noqa: A004
    NoPermissionError,
    OutOfMemoryError,
    ResponseError,
)

from mamori.monitor.store.client import check
from mamori.monitor.store.embedded import EmbeddedValkey, embedded_url, server_binary
from mamori.monitor.store.embedded_config import EmbeddedConfig
from mamori.monitor.store.folder import DataFolder, EmbeddedStoreError
from mamori.monitor.store.scripts import StoreClient

OpenClient = Callable[..., StoreClient]

_NODE = """
import asyncio, sys
from pathlib import Path
from mamori.monitor.store.embedded import EmbeddedValkey

async def main():
    store = EmbeddedValkey(Path(sys.argv[1]))
    await store.start()
    print(store.pid, store.url, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.fixture
def start_node(tmp_path: Path) -> Iterator[Callable[[Path], tuple[Any, int, str]]]:
    """Runs a node's worth of embedded server in a process of its own."""
    nodes: list[subprocess.Popen[str]] = []

    def start(folder: Path) -> tuple[Any, int, str]:
        node = subprocess.Popen(
            [sys.executable, "-c", _NODE, str(folder)], stdout=subprocess.PIPE, text=True
        )
        nodes.append(node)
        assert node.stdout is not None
        pid, url = node.stdout.readline().split()
        return node, int(pid), url

    yield start
    for node in nodes:
        node.kill()
        node.wait()
        assert node.stdout is not None
        node.stdout.close()


def alive(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


async def test_what_was_written_is_there_after_a_restart(
    tmp_path: Path, open_client: OpenClient
) -> None:
    for expected in (0, 1, 2):
        async with EmbeddedValkey(tmp_path / "store") as store:
            client = open_client(store.url)
            assert await client.xlen("mamori:{t}:alerts") == expected
            await client.xadd("mamori:{t}:alerts", {"id": str(expected)})


async def test_a_killed_server_is_started_again_with_its_data(
    tmp_path: Path, open_client: OpenClient, eventually: Any
) -> None:
    async with EmbeddedValkey(tmp_path / "store") as store:
        await open_client(store.url).set("mamori:{t}:x", "1")
        first = store.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        await eventually(lambda: store.restarts == 1 and store.running and store.pid != first)

        async def answers() -> bool:
            try:
                return bool(await open_client(store.url).get("mamori:{t}:x") == "1")
            except ConnectionError:
                return False

        await eventually(answers)
    assert not store.running


async def test_the_server_dies_with_a_killed_parent_within_two_seconds(
    tmp_path: Path, start_node: Any, eventually: Any
) -> None:
    node, pid, _ = await asyncio.to_thread(start_node, tmp_path / "store")
    assert alive(pid)
    node.kill()
    await eventually(lambda: not alive(pid), within_s=2)


async def test_after_a_killed_parent_the_next_start_works_on_the_same_data(
    tmp_path: Path, start_node: Any, open_client: OpenClient
) -> None:
    folder = tmp_path / "store"
    node, _, url = await asyncio.to_thread(start_node, folder)
    await open_client(url).set("mamori:{t}:x", "1")
    node.kill()
    # At once: the leftovers of the dead one are still being cleared away.
    async with EmbeddedValkey(folder) as store:
        assert await open_client(store.url).get("mamori:{t}:x") == "1"


async def test_a_server_that_outlived_its_owner_is_ended_first(
    tmp_path: Path, open_client: OpenClient
) -> None:
    folder = tmp_path / "store"
    async with EmbeddedValkey(folder) as store:
        await open_client(store.url).set("mamori:{t}:x", "1")
    # Started past the launcher, so nothing ties it to anybody.
    orphan = await asyncio.create_subprocess_exec(
        server_binary(), folder / "valkey.conf", cwd=folder, stdout=asyncio.subprocess.DEVNULL
    )
    async with EmbeddedValkey(folder) as store:
        async with asyncio.timeout(5):
            assert await orphan.wait() == -signal.SIGKILL
        assert await open_client(store.url).get("mamori:{t}:x") == "1"


async def test_a_second_owner_of_the_same_folder_is_refused_and_the_first_unharmed(
    tmp_path: Path, start_node: Any, open_client: OpenClient
) -> None:
    folder = tmp_path / "store"
    node, pid, url = await asyncio.to_thread(start_node, folder)
    second = EmbeddedValkey(folder)
    with pytest.raises(EmbeddedStoreError, match=f"in use by process {node.pid}") as caught:
        await second.start()
    assert caught.value.code == "folder_in_use"
    await second.stop()

    assert alive(pid)
    assert embedded_url(folder) == url
    assert await open_client(url).ping()


async def test_a_second_server_in_the_same_process_is_refused_too(tmp_path: Path) -> None:
    async with EmbeddedValkey(tmp_path / "store"):
        with pytest.raises(EmbeddedStoreError, match="in use"):
            await EmbeddedValkey(tmp_path / "store").start()


def test_a_forked_child_does_not_keep_the_folder_locked(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path / "store", runtime_dir=None)
    folder.lock()
    (child_reads, parent_writes), (parent_reads, child_writes) = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        os.write(child_writes, b"x")
        os.read(child_reads, 1)
        os._exit(0)
    os.read(parent_reads, 1)
    folder.unlock()
    try:
        again = DataFolder(tmp_path / "store", runtime_dir=None)
        again.lock()
        again.unlock()
    finally:
        os.write(parent_writes, b"x")
        os.waitpid(child, 0)
        for descriptor in (child_reads, parent_writes, parent_reads, child_writes):
            os.close(descriptor)


async def test_only_this_user_can_reach_the_server_and_only_by_its_socket(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "store"
    folder.mkdir(mode=0o755)
    async with EmbeddedValkey(folder) as store:
        assert store.url == f"unix://{folder}/valkey.sock"
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        for name in ("valkey.conf", "valkey.url", "valkey.log", "owner.lock"):
            assert stat.S_IMODE((folder / name).stat().st_mode) & 0o077 == 0, name
        assert not psutil.Process(store.pid).net_connections("inet")


@pytest.mark.parametrize(
    "command",
    [
        ("CONFIG", "SET", "maxmemory", "1"),
        ("FLUSHALL",),
        ("SHUTDOWN",),
        ("KEYS", "*"),
        ("REPLICAOF", "127.0.0.1", "1"),
        ("SET", "foreign", "1"),
        ("DEBUG", "SEGFAULT"),
    ],
)
async def test_clients_may_use_mamoris_keys_and_nothing_of_the_server(
    command: tuple[str, ...], embedded: EmbeddedValkey, open_client: OpenClient
) -> None:
    client = open_client(embedded.url)
    with pytest.raises((NoPermissionError, ResponseError)):
        await client.execute_command(*command)
    await client.set("mamori:{t}:x", "1")


@pytest.fixture
async def embedded(tmp_path: Path) -> Any:
    async with EmbeddedValkey(tmp_path / "store") as store:
        yield store


async def test_the_embedded_server_passes_the_check_without_a_warning(
    embedded: EmbeddedValkey, open_client: OpenClient
) -> None:
    assert (await check(open_client(embedded.url))).warnings == ()


async def test_a_full_memory_refuses_writing_and_evicts_nothing(
    tmp_path: Path, open_client: OpenClient
) -> None:
    config = EmbeddedConfig(maxmemory_bytes=8 * 1024 * 1024)
    async with EmbeddedValkey(tmp_path / "store", config=config) as store:
        client = open_client(store.url)
        await client.set("mamori:{t}:first", "1")

        async def fill() -> None:
            for _ in range(100):
                await client.xadd("mamori:{t}:alerts", {"body": "x" * 500_000})

        with pytest.raises(OutOfMemoryError):
            await fill()
        assert await client.get("mamori:{t}:first") == "1"


async def test_a_folder_with_a_long_path_gets_its_socket_elsewhere_in_private(
    tmp_path: Path, open_client: OpenClient
) -> None:
    folder = tmp_path / ("長" * 40) / "store"
    # tmp_path itself may be long.
    with tempfile.TemporaryDirectory() as short:
        config = EmbeddedConfig(runtime_dir=Path(short))
        async with EmbeddedValkey(folder, config=config) as store:
            path = Path(store.url.removeprefix("unix://"))
            assert path.parent == Path(short) / f"mamori-{os.getuid()}"
            assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
            assert await open_client(store.url).ping()
            assert embedded_url(folder) == store.url


async def test_a_folder_name_with_odd_characters_works(
    tmp_path: Path, open_client: OpenClient
) -> None:
    async with EmbeddedValkey(tmp_path / "a \"b' #?%41 守") as store:
        assert await open_client(store.url).ping()


async def test_a_server_that_cannot_start_says_why_and_frees_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "store"
    async with EmbeddedValkey(folder):
        pass
    manifest = folder / "appendonlydir" / "appendonly.aof.manifest"
    sound = manifest.read_bytes()
    manifest.write_bytes(b"not a manifest\n")
    with pytest.raises(EmbeddedStoreError, match="ended with status 1") as caught:
        await EmbeddedValkey(folder).start()
    assert caught.value.code == "server_failed"
    assert "AOF manifest" in str(caught.value)
    manifest.write_bytes(sound)
    async with EmbeddedValkey(folder):
        pass


async def test_a_restart_that_fails_is_logged_by_its_code_without_the_servers_words(
    tmp_path: Path, eventually: Any
) -> None:
    with structlog.testing.capture_logs() as logged:
        async with EmbeddedValkey(tmp_path / "store") as store:
            manifest = tmp_path / "store" / "appendonlydir" / "appendonly.aof.manifest"
            manifest.write_bytes(b"not a manifest\n")
            assert store.pid is not None
            os.kill(store.pid, signal.SIGKILL)
            await eventually(lambda: any("restart_failed" in entry["event"] for entry in logged))
    failed = next(entry for entry in logged if "restart_failed" in entry["event"])
    assert failed == {
        "event": "embedded_store_restart_failed",
        "log_level": "error",
        "code": "server_failed",
    }


@pytest.mark.parametrize("system", ["darwin", "win32"])
def test_elsewhere_than_on_linux_there_is_no_server_and_the_remedy_is_named(
    system: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", system)
    with pytest.raises(EmbeddedStoreError, match=r"Linux only.*server of your own") as caught:
        server_binary()
    assert caught.value.code == "server_missing"


async def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EmbeddedStoreError, match="cannot be used") as caught:
        await EmbeddedValkey(tmp_path / "file" / "store").start()
    assert caught.value.code == "folder_unusable"


async def test_a_frozen_server_is_killed_when_it_does_not_end_in_time(tmp_path: Path) -> None:
    store = EmbeddedValkey(tmp_path / "store", config=EmbeddedConfig(stop_timeout_s=0.2))
    await store.start()
    pid = store.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    await store.stop()
    assert not alive(pid)


def test_a_server_whose_parent_died_before_it_was_tied_does_not_start(tmp_path: Path) -> None:
    launcher = Path(sys.modules[EmbeddedValkey.__module__].__file__ or "").with_name("launcher.py")
    command = [sys.executable, "-I", "-S", str(launcher), "1", "/bin/touch"]
    command.append(str(tmp_path / "started"))
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert "parent died" in ended.stderr
    assert not (tmp_path / "started").exists()


def test_there_is_no_address_of_a_server_that_does_not_run(tmp_path: Path) -> None:
    assert embedded_url(tmp_path / "none") is None
    with pytest.raises(EmbeddedStoreError, match="not been started"):
        _ = EmbeddedValkey(tmp_path / "none").url


@pytest.mark.parametrize(("extra", "inside"), [(-1, True), (0, True), (1, False)])
def test_a_socket_path_of_107_bytes_still_fits(extra: int, inside: bool, tmp_path: Path) -> None:
    base = Path("/tmp")
    room = 107 - len(f"{base}/") - len("/valkey.sock")
    folder = DataFolder(base / ("x" * (room + extra)), runtime_dir=tmp_path)
    if inside:
        assert folder.socket_path() == folder.path / "valkey.sock"
    else:
        assert folder.socket_path().parent.name == f"mamori-{os.getuid()}"


@pytest.mark.parametrize("made", ["open", "link"])
def test_a_short_folder_that_somebody_else_could_have_made_is_not_used(
    made: str, tmp_path: Path
) -> None:
    short = tmp_path / f"mamori-{os.getuid()}"
    if made == "open":
        short.mkdir()
        short.chmod(0o777)
    else:
        (tmp_path / "elsewhere").mkdir(mode=0o700)
        short.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(EmbeddedStoreError, match="private"):
        DataFolder(tmp_path / ("x" * 120), runtime_dir=tmp_path).socket_path()


def test_a_large_log_is_set_aside_before_the_next_start(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path, runtime_dir=None)
    limit = 5 * 1024 * 1024
    for size, rotated in ((limit - 1, False), (limit, False), (limit + 1, True)):
        folder.log_path.write_bytes(b"x" * size)
        os.close(folder.open_log())
        assert (tmp_path / "valkey.log.1").exists() == rotated


@pytest.mark.parametrize(
    ("name", "value"),
    [("fsync", "no"), ("maxmemory_bytes", 8 * 1024 * 1024 - 1), ("stop_timeout_s", 0)],
)
def test_a_configuration_outside_its_bounds_is_refused(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=name):
        EmbeddedConfig(**{name: value})
