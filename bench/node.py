"""The node under test: ``mamori serve`` as a process of its own, with everything it brings."""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psutil

from mamori.monitor.store.embedded import embedded_url

TENANT: Final = "bench"
PROBE_TENANT: Final = "probe"
"""The idle connection has a tenant of its own and takes no call's place."""
# Joining and verifying models, loading them, starting the store: on a busy machine.
START_TIMEOUT_S: Final = 300.0
_STOP_TIMEOUT_S: Final = 120.0
_STORE_NAMES: Final = ("valkey", "redis")
_HOST: Final = "127.0.0.1"


class NodeError(Exception):
    """The node did not start; the text ends with its log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """CPU time so far and memory now: of the node's own process, and of the store beside it."""

    node_cpu_s: float
    store_cpu_s: float
    node_rss_bytes: int
    store_rss_bytes: int


class BenchNode:
    """A node in ``folder`` with ``engine``; a context manager."""

    def __init__(
        self,
        folder: Path,
        *,
        program: list[str],
        engine: str,
        models_dir: Path,
        phrase_file: Path | None,
        worker_threads: int | None = None,
    ) -> None:
        folder.mkdir(parents=True)
        self.keys = {tenant: secrets.token_urlsafe(24) for tenant in (TENANT, PROBE_TENANT)}
        self._program = program
        self._folder = folder
        self._port, self._health_port = _free_port(), _free_port()
        self._config = folder / "mamori.toml"
        self._config.write_text(
            settings_toml(
                data_dir=folder / "data",
                port=self._port,
                health_port=self._health_port,
                keys=self.keys,
                engine=engine,
                models_dir=models_dir,
                phrase_file=phrase_file,
                worker_threads=worker_threads,
            ),
            encoding="utf-8",
        )
        self._process: subprocess.Popen[bytes] | None = None
        self.started_in_s = 0.0

    def url(self, tenant: str = TENANT) -> str:
        """Where calls of the tenant go."""
        return f"ws://{_HOST}:{self._port}/v1/native/{tenant}"

    @property
    def store_url(self) -> str:
        """The embedded store's address."""
        url = embedded_url(self._folder / "data" / "valkey")
        if url is None:
            raise NodeError("the node runs no embedded store")
        return url

    def __enter__(self) -> BenchNode:
        """Start the node and wait until it is ready."""
        began_s = time.monotonic()
        # Settings of the shell are not those that are measured.
        environment = {k: v for k, v in os.environ.items() if not k.startswith("MAMORI_")}
        with (
            (self._folder / "out.log").open("wb") as out,
            (self._folder / "log.jsonl").open("wb") as log,
        ):
            self._process = subprocess.Popen(
                [*self._program, "--config", str(self._config)],
                stdout=out,
                stderr=log,
                env=environment,
                cwd=self._folder,
            )
        try:
            self._wait_until_ready(began_s + START_TIMEOUT_S)
        except BaseException:
            self.__exit__()
            raise
        self.started_in_s = time.monotonic() - began_s
        return self

    def __exit__(self, *_: object) -> None:
        """Stop the node as an operator would, or kill it."""
        process = self._process
        if process is None or process.poll() is not None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    @property
    def has_words(self) -> bool:
        """Whether an engine recognises speech."""
        parts: dict[str, dict[str, str]] = self._ready()["parts"]
        return parts["recognition"]["state"] == "ok"

    @property
    def said(self) -> list[str]:
        """What the node said at its start: among it which engine it took, and why."""
        return (self._folder / "out.log").read_text(encoding="utf-8").splitlines()

    @property
    def troubles(self) -> list[str]:
        """The event words of warnings and errors in the node's log."""
        words = []
        for line in (self._folder / "log.jsonl").read_text(encoding="utf-8").splitlines():
            try:
                entry = json.loads(line)
            except ValueError:
                # What is said to the person at the terminal stands between the log's lines.
                continue
            if entry.get("level") in {"warning", "error", "critical"}:
                words.append(str(entry.get("event")))
        return words

    def usage(self) -> Usage:
        """CPU and memory of the whole process tree."""
        assert self._process is not None
        root = psutil.Process(self._process.pid)
        cpu_s = {False: 0.0, True: 0.0}
        rss_bytes = {False: 0, True: 0}
        for process in (root, *root.children(recursive=True)):
            try:
                times, memory, name = process.cpu_times(), process.memory_info(), process.name()
            except psutil.NoSuchProcess:
                continue
            is_store = any(word in name for word in _STORE_NAMES)
            cpu_s[is_store] += times.user + times.system
            rss_bytes[is_store] += memory.rss
        return Usage(
            node_cpu_s=cpu_s[False],
            store_cpu_s=cpu_s[True],
            node_rss_bytes=rss_bytes[False],
            store_rss_bytes=rss_bytes[True],
        )

    def _wait_until_ready(self, deadline_s: float) -> None:
        assert self._process is not None
        while time.monotonic() < deadline_s:
            if self._process.poll() is not None:
                raise NodeError(f"the node ended with {self._process.returncode}:\n{self._tail()}")
            try:
                if self._ready()["ready"]:
                    return
            except (OSError, ValueError):
                time.sleep(0.1)
        raise NodeError(f"the node is not ready after {START_TIMEOUT_S:.0f} s:\n{self._tail()}")

    def _ready(self) -> dict[str, Any]:
        url = f"http://{_HOST}:{self._health_port}/readyz"
        with urllib.request.urlopen(url, timeout=5) as answer:
            body: dict[str, Any] = json.load(answer)
            return body

    def _tail(self) -> str:
        lines = [
            line
            for name in ("out.log", "log.jsonl")
            for line in (self._folder / name).read_text(encoding="utf-8").splitlines()[-10:]
        ]
        return "\n".join(lines)


def settings_toml(
    *,
    data_dir: Path,
    port: int,
    health_port: int,
    keys: dict[str, str],
    engine: str,
    models_dir: Path,
    phrase_file: Path | None,
    worker_threads: int | None = None,
) -> str:
    """The settings of the node under test; what is not named here has its default."""
    # A JSON string is a TOML string.
    phrase_files = [] if phrase_file is None else [str(phrase_file)]
    return "\n".join(
        (
            "[node]",
            f"data_dir = {json.dumps(str(data_dir))}",
            'log_format = "json"',
            'language = "en"',
            "[telephony]",
            f"listen_port = {port}",
            # More calls than any row has, and an idle connection that is left alone.
            "max_calls_per_tenant = 1000",
            "idle_timeout_ms = 3600000",
            *(
                f'[tenants.{tenant}]\nkeys = [{json.dumps(key)}]\nlanguage = "ko"'
                for tenant, key in keys.items()
            ),
            "[recognition]",
            f"engine = {json.dumps(engine)}",
            'languages = ["ko"]',
            f"models_dir = {json.dumps(str(models_dir))}",
            *([] if worker_threads is None else [f"worker_threads = {worker_threads}"]),
            "[policy]",
            f"phrase_files = {json.dumps(phrase_files)}",
            "[health]",
            f"listen_port = {health_port}",
            "",
        )
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((_HOST, 0))
        port: int = probe.getsockname()[1]
        return port
