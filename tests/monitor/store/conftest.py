"""Real servers, a journal in memory, and waiting for conditions instead of sleeping."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from pathlib import Path

import pytest

from mamori.monitor.store.client import ClientConfig, connect
from mamori.monitor.store.embedded import server_binary
from mamori.monitor.store.keys import TenantKeys
from mamori.monitor.store.port import OutboxEntry
from mamori.monitor.store.publisher import StreamPublisher
from mamori.monitor.store.scripts import StoreClient

_LAUNCHER = Path(sys.modules["mamori.monitor.store.embedded"].__file__ or "").with_name(
    "launcher.py"
)


class Server:
    """A Valkey server with a configuration of the test's own, that can be killed and frozen."""

    def __init__(self, *lines: str, port: int | None = None, sentinel: bool = False) -> None:
        # Short: the path of a socket has 107 bytes.
        self.folder = Path(tempfile.mkdtemp(prefix="mamori-test-"))
        self.socket = self.folder / "s"
        self.port = port
        listen = (
            ("port 0", f"unixsocket {self.socket}")
            if port is None
            else (f"port {port}", "bind 127.0.0.1")
        )
        durable = () if sentinel else ("appendonly yes", "appendfsync everysec", 'save ""')
        config = "\n".join((*listen, *durable, f"dir {self.folder}", *lines, ""))
        (self.folder / "c").write_text(config)
        self._sentinel = sentinel
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"unix://{self.socket}" if self.port is None else f"redis://127.0.0.1:{self.port}"

    def start(self) -> None:
        command = [sys.executable, "-I", "-S", str(_LAUNCHER), str(os.getpid())]
        command += [str(server_binary()), str(self.folder / "c")]
        if self._sentinel:
            command.append("--sentinel")
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.folder)
        deadline = time.monotonic() + 20
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError((self.folder / "log").read_text()[-2000:])
            time.sleep(0.01)

    def _answers(self) -> bool:
        family = socket.AF_UNIX if self.port is None else socket.AF_INET
        address = str(self.socket) if self.port is None else ("127.0.0.1", self.port)
        with socket.socket(family) as probe:
            probe.settimeout(1)
            try:
                probe.connect(address)
                probe.sendall(b"PING\r\n")
                return probe.recv(64).startswith((b"+PONG", b"-NOAUTH"))
            except OSError:
                return False

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def freeze(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def close(self) -> None:
        if self._process is not None:
            self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


class MemoryOutbox:
    """What the journal promises, without a disk."""

    def __init__(self) -> None:
        self.waiting: dict[int, OutboxEntry] = {}
        self.kept: list[OutboxEntry] = []
        self._sequence = itertools.count(1)
        self._added = asyncio.Event()

    def add(self, tenant: str, count: int = 1, *, body: str = "", prefix: str = "e") -> list[str]:
        """Commit ``count`` entries; their event ids."""
        ids = []
        for sequence in itertools.islice(self._sequence, count):
            event_id = f"{prefix}{sequence}"
            text = body or f'{{"id":"{event_id}"}}'
            entry = OutboxEntry(sequence=sequence, event_id=event_id, tenant=tenant, body=text)
            self.waiting[sequence] = entry
            self.kept.append(entry)
            ids.append(event_id)
        self._added.set()
        return ids

    def refill(self, tenant: str) -> None:
        """Everything of this tenant is to be published again."""
        self.waiting |= {entry.sequence: entry for entry in self.kept if entry.tenant == tenant}
        self._added.set()

    async def unpublished(self, limit: int) -> Sequence[OutboxEntry]:
        return [self.waiting[sequence] for sequence in sorted(self.waiting)[:limit]]

    async def mark_published(self, sequences: Sequence[int]) -> None:
        for sequence in sequences:
            self.waiting.pop(sequence, None)

    async def wait_for_unpublished(self) -> None:
        while not self.waiting:
            self._added.clear()
            await self._added.wait()


@pytest.fixture
def outbox() -> MemoryOutbox:
    return MemoryOutbox()


@pytest.fixture(scope="session")
def shared_server() -> Iterator[Server]:
    """One server for all tests that harm neither it nor another tenant."""
    server = Server()
    server.start()
    yield server
    server.close()


_tenants = itertools.count(1)


@pytest.fixture
def tenant() -> str:
    """A tenant that no other test uses."""
    return f"t{next(_tenants)}"


@pytest.fixture
def new_server() -> Iterator[Callable[..., Server]]:
    """Makes and starts servers that the test may kill, freeze or fill."""
    servers: list[Server] = []

    def make(*lines: str, port: int | None = None, sentinel: bool = False) -> Server:
        server = Server(*lines, port=port, sentinel=sentinel)
        servers.append(server)
        server.start()
        return server

    yield make
    for server in servers:
        server.close()


@pytest.fixture
async def open_client() -> AsyncIterator[Callable[..., StoreClient]]:
    """Clients that are closed at the end."""
    clients: list[StoreClient] = []

    def make(url: str, timeout_s: float = 5.0) -> StoreClient:
        config = ClientConfig(socket_timeout_s=timeout_s, connect_timeout_s=timeout_s, block_ms=100)
        clients.append(connect(url, config))
        return clients[-1]

    yield make
    for client in clients:
        await client.aclose()


@pytest.fixture
def client(shared_server: Server, open_client: Callable[..., StoreClient]) -> StoreClient:
    """A client of the shared server."""
    return open_client(shared_server.url)


@pytest.fixture
async def running() -> AsyncIterator[Callable[[StreamPublisher], None]]:
    """Runs publishers until the end of the test."""
    tasks: list[asyncio.Task[None]] = []

    def start(publisher: StreamPublisher) -> None:
        tasks.append(asyncio.create_task(publisher.run()))

    yield start
    for task in tasks:
        # A publisher that ended by itself did so with an error.
        assert not task.done(), task
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def _eventually(
    condition: Callable[[], bool | Awaitable[bool]], within_s: float = 10.0
) -> None:
    deadline = time.monotonic() + within_s
    while True:
        answer = condition()
        if isinstance(answer, Awaitable):
            answer = await answer
        if answer:
            return
        assert time.monotonic() < deadline, f"not within {within_s} s"
        await asyncio.sleep(0.01)


@pytest.fixture
def eventually() -> Callable[..., Awaitable[None]]:
    """Waits for a condition, and fails when it does not come within ``within_s``."""
    return _eventually


async def _stream_ids(client: StoreClient, tenant: str) -> list[str]:
    entries = await client.execute_command("XRANGE", TenantKeys(tenant).alerts, "-", "+")
    return [
        dict(fields.items() if isinstance(fields, dict) else fields)["id"] for _, fields in entries
    ]


@pytest.fixture
def stream_ids() -> Callable[[StoreClient, str], Awaitable[list[str]]]:
    """The event ids in a tenant's alert stream, in order."""
    return _stream_ids
