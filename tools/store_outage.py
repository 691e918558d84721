"""Measures what an outage of the store costs: alerts lost, doubled, and how late the last is.

Starts a journal's worth of alerts against an embedded server, takes the server away for a while
(stopped: killed and started again; frozen: SIGSTOP and SIGCONT) and raises alerts meanwhile at an
even rate. Prints a line a fault, or with --json one object. Status 1 when an alert is lost, doubled
or in the stream later than five seconds after the return.

    python tools/store_outage.py --seconds 60 --alerts 1000 --fault both
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from mamori.monitor.store.client import connect
from mamori.monitor.store.embedded import server_binary
from mamori.monitor.store.embedded_config import EmbeddedConfig, server_config
from mamori.monitor.store.port import OutboxEntry
from mamori.monitor.store.publisher import StreamPublisher
from mamori.monitor.store.reader import latest

_TENANT = "outage"
_DRAIN_LIMIT_S = 5.0
# About the size of an alert with its evidence.
_BODY_BYTES = 2_000


class _Outbox:
    """An outbox in memory: this measures the way to the store, not the journal's disk."""

    def __init__(self) -> None:
        self._waiting: dict[int, OutboxEntry] = {}
        self._count = 0
        self._added = asyncio.Event()
        self.drained = asyncio.Event()

    def add(self) -> None:
        """Raise one alert."""
        self.drained.clear()
        self._count += 1
        self._waiting[self._count] = OutboxEntry(
            sequence=self._count,
            event_id=f"event-{self._count}",
            tenant=_TENANT,
            body="x" * _BODY_BYTES,
        )
        self._added.set()

    @property
    def empty(self) -> bool:
        """Whether all is marked published."""
        return not self._waiting

    async def unpublished(self, limit: int) -> Sequence[OutboxEntry]:
        """The oldest entries that are not marked."""
        return [self._waiting[sequence] for sequence in sorted(self._waiting)[:limit]]

    async def mark_published(self, sequences: Sequence[int]) -> None:
        """Forget them."""
        for sequence in sequences:
            self._waiting.pop(sequence, None)
        if self.empty:
            self.drained.set()

    async def wait_for_unpublished(self) -> None:
        """Return when there is something to publish."""
        while self.empty:
            self._added.clear()
            await self._added.wait()


class _Server:
    """The embedded server's program and configuration, without its supervisor: we are the fault."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._socket = folder / "valkey.sock"
        self.url = f"unix://{self._socket}"
        (folder / "valkey.conf").write_text(server_config(EmbeddedConfig(), self._socket))
        self._process = self._run()

    def _run(self) -> subprocess.Popen[bytes]:
        with (self._folder / "valkey.log").open("ab") as log:
            return subprocess.Popen(
                [server_binary(), self._folder / "valkey.conf"],
                cwd=self._folder,
                stdout=log,
                stderr=log,
            )

    def fail(self, fault: str) -> None:
        """Stop or freeze."""
        if fault == "freeze":
            os.kill(self._process.pid, signal.SIGSTOP)
        else:
            self._process.kill()
            self._process.wait()

    def come_back(self, fault: str) -> None:
        """Start or thaw."""
        if fault == "freeze":
            os.kill(self._process.pid, signal.SIGCONT)
        else:
            self._process = self._run()

    def end(self) -> None:
        """Remove the process."""
        self._process.kill()
        self._process.wait()


async def _until(outbox: _Outbox, limit_s: float) -> float:
    began_at = time.monotonic()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(limit_s):
            await outbox.drained.wait()
    return time.monotonic() - began_at


async def measure(fault: str, seconds: float, alerts: int) -> dict[str, object]:
    """One outage from beginning to end."""
    with tempfile.TemporaryDirectory(prefix="mamori-outage-") as name:
        server = _Server(Path(name))
        client = connect(server.url)
        outbox = _Outbox()
        publisher = StreamPublisher(client, outbox)
        task = asyncio.create_task(publisher.run())
        try:
            for _ in range(100):
                outbox.add()
            await _until(outbox, 10)
            server.fail(fault)
            began_at = time.monotonic()
            for number in range(alerts):
                outbox.add()
                due_at = began_at + seconds * (number + 1) / alerts
                await asyncio.sleep(max(0.0, due_at - time.monotonic()))
            server.come_back(fault)
            drained_s = await _until(outbox, 60)
            entries = await latest(client, _TENANT, 10_000)
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            await client.aclose()
            server.end()
    found = Counter(entry.event_id for entry in entries)
    expected = {f"event-{number}" for number in range(1, alerts + 101)}
    return {
        "fault": fault,
        "outage_s": seconds,
        "alerts": alerts,
        "lost": len(expected - set(found)),
        "doubled": sum(count - 1 for count in found.values()),
        "in_order": [entry.event_id for entry in entries]
        == [f"event-{number}" for number in range(1, alerts + 101)],
        "drained_s": round(drained_s, 3),
        "attempts_failed": publisher.state.retries,
        "repeats_not_doubled": publisher.state.duplicates,
    }


def main() -> int:
    """Measure what the arguments ask for; the exit status says whether the promise held."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--fault", choices=["stop", "freeze", "both"], default="both")
    parser.add_argument("--seconds", type=float, default=60.0, help="length of the outage")
    parser.add_argument("--alerts", type=int, default=1_000, help="1..9900, raised meanwhile")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    arguments = parser.parse_args()
    if not (1 <= arguments.alerts <= 9_900 and arguments.seconds > 0):
        parser.error("--alerts must be in [1, 9900] and --seconds above 0")
    held = True
    for fault in ("stop", "freeze") if arguments.fault == "both" else (arguments.fault,):
        result = asyncio.run(measure(fault, arguments.seconds, arguments.alerts))
        held &= result["lost"] == 0 and result["doubled"] == 0
        held &= float(str(result["drained_s"])) <= _DRAIN_LIMIT_S
        if arguments.json:
            print(json.dumps(result), flush=True)
        else:
            print("  ".join(f"{key}={value}" for key, value in result.items()), flush=True)
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
