"""What the bench measures: a server in a process tree of its own, whichever it is."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from bench.talk import VOSK
from bench.tree import Usage, tree_pss_bytes, tree_usage

HOST: Final = "127.0.0.1"
# Joining and verifying models, loading them, starting the store: on a busy machine.
START_TIMEOUT_S: Final = 300.0
_STOP_TIMEOUT_S: Final = 120.0


class ServerError(Exception):
    """The server did not start; the text ends with its log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where calls go: an address with ``{call_id}`` where it wants one, a key, a protocol.

    ``hello`` is what a connection that only pings must say to be left alone.
    """

    url: str
    dialect: str
    key: str | None = None
    hello: str | None = None


class Server(Protocol):
    """A server that runs."""

    calls: Target
    idle: Target
    tenant: str

    @property
    def store_url(self) -> str | None:
        """Where its alerts appear; None for a server that raises none."""
        ...

    @property
    def troubles(self) -> list[str]:
        """What it complained about."""
        ...

    def usage(self) -> Usage:
        """Processor time and memory of the tree."""
        ...

    def pss_bytes(self) -> dict[int, int]:
        """The proportional set size of each of its processes."""
        ...

    def recognition_cpu_s(self) -> float | None:
        """What the server itself says that recognition has cost; None where it does not say."""
        ...


class ServerProcess:
    """A process that is started, watched and stopped."""

    def __init__(self, command: list[str], folder: Path, environment: dict[str, str]) -> None:
        self._folder = folder
        with (folder / "out.log").open("wb") as out, (folder / "log.jsonl").open("wb") as log:
            self.process = subprocess.Popen(
                command, stdout=out, stderr=log, env=environment, cwd=folder
            )

    def usage(self) -> Usage:
        """Processor time and memory of the tree."""
        return tree_usage(self.process.pid)

    def pss_bytes(self) -> dict[int, int]:
        """The proportional set size of each process."""
        return tree_pss_bytes(self.process.pid)

    def stop(self) -> None:
        """As an operator would, or by force."""
        if self.process.poll() is not None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def check(self) -> None:
        """ServerError where the process has ended."""
        if self.process.poll() is not None:
            raise ServerError(f"ended with {self.process.returncode}:\n{self.tail()}")

    def tail(self) -> str:
        """The last lines that it wrote."""
        return "\n".join(
            line
            for name in ("out.log", "log.jsonl")
            for line in (self._folder / name).read_text(encoding="utf-8").splitlines()[-10:]
        )


class BenchPeer:
    """``bench/peer.py`` with the Vosk model in ``model_folder``; a context manager."""

    tenant = ""
    store_url = None

    def __init__(self, folder: Path, *, model_folder: Path) -> None:
        folder.mkdir(parents=True)
        self._folder = folder
        self._model_folder = model_folder
        self._port = free_port()
        self.calls = self.idle = Target(url=f"ws://{HOST}:{self._port}", dialect=VOSK)
        self._running: ServerProcess | None = None

    def __enter__(self) -> BenchPeer:
        """Start it and wait until its model is loaded."""
        program = Path(__file__).with_name("peer.py")
        command = [sys.executable, str(program), str(self._model_folder), str(self._port)]
        self._running = ServerProcess(command, self._folder, dict(os.environ))
        deadline_s = time.monotonic() + START_TIMEOUT_S
        while "ready" not in (self._folder / "out.log").read_text(encoding="utf-8"):
            try:
                self._running.check()
                if time.monotonic() > deadline_s:
                    raise ServerError(f"not ready after {START_TIMEOUT_S:.0f} s")
            except ServerError:
                self._running.stop()
                raise
            time.sleep(0.1)
        return self

    def __exit__(self, *_: object) -> None:
        """Stop it."""
        self._process.stop()

    @property
    def troubles(self) -> list[str]:
        """Lines on its standard error."""
        return (self._folder / "log.jsonl").read_text(encoding="utf-8").splitlines()

    def usage(self) -> Usage:
        """See ``Server``."""
        return self._process.usage()

    def pss_bytes(self) -> dict[int, int]:
        """See ``Server``."""
        return self._process.pss_bytes()

    def recognition_cpu_s(self) -> float | None:
        """It does not say."""
        return None

    @property
    def _process(self) -> ServerProcess:
        assert self._running is not None
        return self._running


def free_port() -> int:
    """A TCP port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port
