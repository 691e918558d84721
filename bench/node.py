"""The node under test: ``mamori serve`` as a process of its own, with everything it brings."""

from __future__ import annotations

import json
import os
import secrets
import time
import urllib.request
from pathlib import Path
from typing import Any, Final

from bench.server import (
    HOST,
    START_TIMEOUT_S,
    ServerError,
    ServerProcess,
    Target,
    free_port,
)
from bench.talk import NATIVE, VOSK, NativeTalk
from bench.tree import Usage

from mamori.monitor.store.embedded import embedded_url

TENANT: Final = "bench"
PROBE_TENANT: Final = "probe"
"""The idle connection has a tenant of its own and takes no call's place."""
RECOGNITION_CPU: Final = "mamori_recognition_cpu_seconds_total"


class BenchNode:
    """A node in ``folder`` with ``engine``; a context manager. Calls come by ``dialect``."""

    tenant = TENANT

    def __init__(
        self,
        folder: Path,
        *,
        program: list[str],
        engine: str,
        models_dir: Path,
        phrase_file: Path | None,
        dialect: str = NATIVE,
        workers: int | None = None,
    ) -> None:
        folder.mkdir(parents=True)
        keys = {tenant: secrets.token_urlsafe(24) for tenant in (TENANT, PROBE_TENANT)}
        self._program = program
        self._folder = folder
        port, self._health_port = free_port(), free_port()
        self._config = folder / "mamori.toml"
        self._config.write_text(
            settings_toml(
                data_dir=folder / "data",
                port=port,
                health_port=self._health_port,
                keys=keys,
                engine=engine,
                models_dir=models_dir,
                phrase_file=phrase_file,
                workers=workers,
            ),
            encoding="utf-8",
        )
        address = f"ws://{HOST}:{port}/v1"
        native = f"{address}/native/{TENANT}"
        by_vosk = f"{address}/vosk/{TENANT}?channel=customer&call_id={{call_id}}"
        self.calls = Target(
            url=by_vosk if dialect == VOSK else native, dialect=dialect, key=keys[TENANT]
        )
        self.idle = Target(
            url=f"{address}/native/{PROBE_TENANT}",
            dialect=NATIVE,
            key=keys[PROBE_TENANT],
            hello=NativeTalk("ping").opening,
        )
        self._running: ServerProcess | None = None
        self.started_in_s = 0.0

    @property
    def store_url(self) -> str:
        """The embedded store's address."""
        url = embedded_url(self._folder / "data" / "valkey")
        if url is None:
            raise ServerError("the node runs no embedded store")
        return url

    def __enter__(self) -> BenchNode:
        """Start the node and wait until it is ready."""
        began_s = time.monotonic()
        # Settings of the shell are not those that are measured.
        environment = {k: v for k, v in os.environ.items() if not k.startswith("MAMORI_")}
        command = [*self._program, "--config", str(self._config)]
        self._running = ServerProcess(command, self._folder, environment)
        try:
            self._wait_until_ready(began_s + START_TIMEOUT_S)
        except BaseException:
            self.__exit__()
            raise
        self.started_in_s = time.monotonic() - began_s
        return self

    def __exit__(self, *_: object) -> None:
        """Stop the node as an operator would, or kill it."""
        self._process.stop()

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
        """See ``Server``."""
        return self._process.usage()

    def pss_bytes(self) -> dict[int, int]:
        """See ``Server``."""
        return self._process.pss_bytes()

    def recognition_cpu_s(self) -> float | None:
        """The node's own count; None for a node that has none."""
        return metric_sum(self._get("/metrics").decode(), RECOGNITION_CPU)

    @property
    def _process(self) -> ServerProcess:
        assert self._running is not None
        return self._running

    def _wait_until_ready(self, deadline_s: float) -> None:
        while time.monotonic() < deadline_s:
            self._process.check()
            try:
                if self._ready()["ready"]:
                    return
            except (OSError, ValueError):
                time.sleep(0.1)
        raise ServerError(f"not ready after {START_TIMEOUT_S:.0f} s:\n{self._process.tail()}")

    def _ready(self) -> dict[str, Any]:
        body: dict[str, Any] = json.loads(self._get("/readyz"))
        return body

    def _get(self, path: str) -> bytes:
        with urllib.request.urlopen(f"http://{HOST}:{self._health_port}{path}", timeout=5) as reply:
            body: bytes = reply.read()
            return body


def metric_sum(exposition: str, name: str) -> float | None:
    """The sum of a metric over its labels in Prometheus' text format; None where it is not."""
    values = [
        float(line.rpartition(" ")[2])
        for line in exposition.splitlines()
        if line.startswith((f"{name} ", f"{name}{{"))
    ]
    return sum(values) if values else None


def settings_toml(
    *,
    data_dir: Path,
    port: int,
    health_port: int,
    keys: dict[str, str],
    engine: str,
    models_dir: Path,
    phrase_file: Path | None,
    workers: int | None = None,
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
            *([] if workers is None else [f"workers = {workers}"]),
            "[policy]",
            f"phrase_files = {json.dumps(phrase_files)}",
            "[health]",
            f"listen_port = {health_port}",
            "",
        )
    )
