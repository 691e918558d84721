"""One row of the bench: so many calls against a fresh node, and every figure of it."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from bench.client import CHUNK_MS, CHUNK_SAMPLES
from bench.figures import (
    FinalLatency,
    SendTimes,
    alert_latencies,
    endpoint_latencies,
    final_latencies,
    ledger,
    percentile,
    trend,
    worst_lateness_s,
)
from bench.machine import MachineUse
from bench.node import PROBE_TENANT, TENANT, BenchNode, Usage
from bench.probes import PingProbe, StreamProbe, UsageProbe
from bench.speech import SAMPLE_RATE_HZ, VOICED_FRAME_MS

_CLIENT: Final = Path(__file__).with_name("client.py")
_MEBIBYTE: Final = 2**20
# The publisher brings a committed alert to the stream within milliseconds on an idle machine.
_LAST_ALERTS_S: Final = 1.0
# Every engine has decoded once before anything is measured, as in a node that has run for a while.
_WARM_UP_S: Final = 8.0
# The first callers of a row ring within this time.
_STAGGER_S: Final = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What is played: ``calls`` of ``duration_s`` each, real speech or bursts of noise."""

    calls: int
    duration_s: float
    is_speech: bool
    customer_speech_ratio: float
    agent_speech_ratio: float
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Watched:
    """What was seen from outside while the calls ran."""

    before: Usage
    after: Usage
    during: list[Usage]
    machine_before: MachineUse
    machine_after: MachineUse
    wall_s: float
    ping: PingProbe
    stream: StreamProbe


def measure(node: BenchNode, load: Load, folder: Path) -> dict[str, Any]:
    """Play the load against the running node; the row's figures, ready for JSON."""
    warm_up = Load(**{**asdict(load), "calls": 1, "duration_s": _WARM_UP_S, "seed": 999})
    with _client(node, warm_up, folder / "warm-up") as client:
        client.play()
    with _client(node, load, folder / "load") as client:
        watched = _watch(node, client)
        result = client.result()
    return row(load, result, watched)


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


def _client(node: BenchNode, load: Load, folder: Path) -> _Client:
    folder.mkdir(parents=True)
    job = {
        "name": folder.name,
        "url": node.url(),
        "key": node.keys[TENANT],
        "calls": load.calls,
        "duration_s": load.duration_s,
        "speech": load.is_speech,
        "customer_speech_ratio": load.customer_speech_ratio,
        "agent_speech_ratio": load.agent_speech_ratio,
        "seed": load.seed,
        "stagger_s": _STAGGER_S,
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


def _watch(node: BenchNode, client: _Client) -> _Watched:
    usage = UsageProbe(node)
    ping = PingProbe(node.url(PROBE_TENANT), node.keys[PROBE_TENANT])
    stream = StreamProbe(node.store_url, TENANT)
    before, machine_before = node.usage(), MachineUse.now()
    began_s = time.monotonic()
    with ExitStack() as stack:
        for probe in (stream, usage, ping):
            stack.enter_context(probe)
        client.play()
        wall_s = time.monotonic() - began_s
        after, machine_after = node.usage(), MachineUse.now()
        time.sleep(_LAST_ALERTS_S)
    return _Watched(
        before=before,
        after=after,
        during=usage.usages,
        machine_before=machine_before,
        machine_after=machine_after,
        wall_s=wall_s,
        ping=ping,
        stream=stream,
    )


def row(load: Load, result: dict[str, Any], watched: _Watched) -> dict[str, Any]:
    """All figures of a row from what client and probes noted."""
    calls = result["calls"]
    return {
        "calls": load.calls,
        "duration_s": load.duration_s,
        "speech": _speech(calls),
        "cost": _cost(load, result, watched),
        "latency": _latency(load, calls, watched),
        "account": _account(calls, watched),
    }


def _speech(calls: list[dict[str, Any]]) -> dict[str, float]:
    return {
        f"{channel}_ratio": statistics.fmean(
            statistics.fmean(call["voiced"][channel]) for call in calls
        )
        for channel in ("customer", "agent")
    } | {"sentences": sum(call["sentences"] for call in calls)}


def _cost(load: Load, result: dict[str, Any], watched: _Watched) -> dict[str, Any]:
    call_s = sum(c["sent_samples"] for c in result["calls"]) / SAMPLE_RATE_HZ
    before, after = watched.before, watched.after
    node_s = after.node_cpu_s - before.node_cpu_s
    store_s = after.store_cpu_s - before.store_cpu_s
    peak_bytes = max(usage.node_rss_bytes for usage in (*watched.during, after))
    first, last = watched.machine_before, watched.machine_after
    others_s = last.busy_s - first.busy_s - node_s - store_s - result["cpu_s"]
    return {
        "call_seconds": call_s,
        "node_cpu_s_per_call_s": node_s / call_s if call_s else None,
        "store_cpu_s_per_call_s": store_s / call_s if call_s else None,
        "node_cores": node_s / watched.wall_s,
        "client_cores": result["cpu_s"] / watched.wall_s,
        "others_cores": max(0.0, others_s) / watched.wall_s,
        "stolen_cores": (last.steal_s - first.steal_s) / watched.wall_s,
        "load_average": last.load_average,
        "rss_before_mib": before.node_rss_bytes / _MEBIBYTE,
        "rss_peak_mib": peak_bytes / _MEBIBYTE,
        "rss_after_mib": after.node_rss_bytes / _MEBIBYTE,
        "rss_per_call_mib": (peak_bytes - before.node_rss_bytes) / _MEBIBYTE / load.calls,
        "store_rss_mib": after.store_rss_bytes / _MEBIBYTE,
    }


def _latency(load: Load, calls: list[dict[str, Any]], watched: _Watched) -> dict[str, Any]:
    times = {call["call_id"]: _times(call) for call in calls if call["sent_s"]}
    finals: list[FinalLatency] = []
    endpoints: list[float] = []
    finals_s: dict[tuple[str, str], float] = {}
    engines: dict[str, int] = {}
    for call in calls:
        sent = times.get(call["call_id"])
        if sent is None:
            continue
        finals += final_latencies(call["events"], sent, call["voiced"], VOICED_FRAME_MS)
        endpoints += endpoint_latencies(call["events"], sent)
        for event in call["events"]:
            if event["type"] == "final_hypothesis":
                finals_s[call["call_id"], event["utterance_id"]] = event["arrived_s"]
                engines[event["engine"]] = engines.get(event["engine"], 0) + 1
    alerts = alert_latencies(watched.stream.alerts, times, finals_s)
    third = trend(finals, int(load.duration_s * 1000))
    return {
        "finals": len(finals),
        "finals_by_engine": engines,
        "utterances": len(endpoints),
        "speech_end_to_final_s": _spread(v.from_speech_s for v in finals),
        "endpoint_to_final_s": _spread(v.from_endpoint_s for v in finals),
        "endpoint_to_event_s": _spread(endpoints),
        "first_third_p50_s": third.first_s,
        "last_third_p50_s": third.last_s,
        "backlog_grew": third.grew,
        "alerts": len(alerts),
        "other_alerts": watched.stream.others,
        "word_end_to_stream_s": _spread(v.from_word_s for v in alerts),
        "final_to_stream_s": _spread(v.from_final_s for v in alerts if v.from_final_s is not None),
        "ping_s": _spread(watched.ping.round_trips_s, 99),
        "ping_floor_s": _spread(watched.ping.overshoots_s, 99),
    }


def _account(calls: list[dict[str, Any]], watched: _Watched) -> dict[str, Any]:
    total = ledger(calls)
    lateness = [worst_lateness_s(c["sent_s"], CHUNK_MS / 1000) for c in calls if c["sent_s"]]
    failures = [call["failure"] for call in calls if call["failure"]]
    return {
        **{
            f"{name}_s": getattr(total, name) / SAMPLE_RATE_HZ
            for name in ("sent", "received", "processed", "shed", "gap")
        },
        "balanced": total.balanced,
        "events_dropped": sum(call["dropped_events"] for call in calls),
        "stage_failures": sum(
            event["type"] == "stage_failed" for call in calls for event in call["events"]
        ),
        "failed_calls": failures,
        "worst_send_lateness_s": max(lateness, default=None),
        "probe_failures": [p.failure for p in (watched.ping, watched.stream) if p.failure],
    }


def _times(call: dict[str, Any]) -> SendTimes:
    return SendTimes(
        chunk_samples=CHUNK_SAMPLES, sample_rate_hz=SAMPLE_RATE_HZ, sent_s=call["sent_s"]
    )


def _spread(values: Any, high: int = 95) -> dict[str, float | None]:
    found = list(values)
    return {"p50": percentile(found, 50), f"p{high}": percentile(found, high)}
