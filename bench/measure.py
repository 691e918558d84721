"""One row of the bench: so many calls against a fresh server, watched from outside."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from bench.machine import MachineUse
from bench.probes import PingProbe, PssProbe, StreamProbe, UsageProbe
from bench.row import Load, Moment, Watched, row
from bench.server import Server

_CLIENT: Final = Path(__file__).with_name("client.py")
# The publisher brings a committed alert to the stream within milliseconds on an idle machine.
_LAST_ALERTS_S: Final = 1.0
# Every engine has decoded once before anything is measured, as in a server that runs for a while.
_WARM_UP_S: Final = 8.0


def measure(server: Server, load: Load, folder: Path) -> dict[str, Any]:
    """Play the load against the running server; the row's figures, ready for JSON."""
    warm_up = replace(load, calls=1, duration_s=_WARM_UP_S, seed=999)
    with _client(server, warm_up, folder / "warm-up") as client:
        client.play()
    with _client(server, load, folder / "load") as client:
        watched = _watch(server, client)
        result = client.result()
    return row(load, result, watched, server.calls.dialect)


class _Client:
    """The load client's process, ready to play."""

    def __init__(self, process: subprocess.Popen[str], result_file: Path) -> None:
        self._process = process
        self._result_file = result_file

    def __enter__(self) -> _Client:
        """Wait until its calls are made."""
        assert self._process.stdout is not None
        if self._process.stdout.readline().strip() != "ready":
            raise RuntimeError("the load client did not start")
        return self

    def __exit__(self, *_: object) -> None:
        """It never outlives its row."""
        self._process.kill()
        self._process.communicate()

    def play(self) -> None:
        """Give the word and wait until every call has ended."""
        assert self._process.stdin is not None
        self._process.stdin.write("go\n")
        self._process.stdin.flush()
        if self._process.wait() != 0:
            raise RuntimeError("the load client failed")

    def result(self) -> dict[str, Any]:
        """What it noted."""
        found: dict[str, Any] = json.loads(self._result_file.read_text(encoding="utf-8"))
        return found


def _client(server: Server, load: Load, folder: Path) -> _Client:
    folder.mkdir(parents=True)
    job = {
        "name": folder.name,
        "url": server.calls.url,
        "key": server.calls.key,
        "dialect": server.calls.dialect,
        "calls": load.calls,
        "duration_s": load.duration_s,
        "speech": load.is_speech,
        "customer_speech_ratio": load.customer_speech_ratio,
        "agent_speech_ratio": load.agent_speech_ratio,
        "seed": load.seed,
        "stagger_s": load.stagger_s,
        "result": str(folder / "result.json"),
    }
    job_file = folder / "job.json"
    job_file.write_text(json.dumps(job), encoding="utf-8")
    process = subprocess.Popen(
        [sys.executable, str(_CLIENT), str(job_file)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    return _Client(process, folder / "result.json")


def _watch(server: Server, client: _Client) -> Watched:
    usage, pss = UsageProbe(server), PssProbe(server)
    ping = PingProbe(server.idle)
    stream = StreamProbe(server.store_url, server.tenant) if server.store_url else None
    before = _moment(server)
    with ExitStack() as stack:
        for probe in (usage, pss, ping, *([stream] if stream else [])):
            stack.enter_context(probe)
        client.play()
        after = _moment(server)
        time.sleep(_LAST_ALERTS_S)
    return Watched(
        before=before,
        after=after,
        peak_rss_bytes=max(u.node_rss_bytes for u in (*usage.usages, after.usage)),
        peak_pss_bytes=max(pss.sums_bytes, default=None),
        peak_processes=max(u.node_processes for u in (*usage.usages, after.usage)),
        round_trips_s=ping.round_trips_s,
        overshoots_s=ping.overshoots_s,
        alerts=None if stream is None else stream.alerts,
        other_alerts=0 if stream is None else stream.others,
        probe_failures=[p.failure for p in (usage, pss, ping, stream) if p and p.failure],
    )


def _moment(server: Server) -> Moment:
    own = os.times()
    return Moment(
        at_s=time.monotonic(),
        usage=server.usage(),
        recognition_cpu_s=server.recognition_cpu_s(),
        bench_cpu_s=own.user + own.system,
        machine=MachineUse.now(),
    )
