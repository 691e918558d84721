"""The figures of one row, from what client and probes noted. No clock, no socket."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from bench.figures import (
    FinalLatency,
    SendTimes,
    alert_latencies,
    endpoint_latencies,
    final_latencies,
    first_partial_latencies,
    ledger,
    percentile,
    scope_seconds,
    trend,
    word_latencies,
    worst_lateness_s,
)
from bench.machine import MachineUse
from bench.speech import SAMPLE_RATE_HZ, VOICED_FRAME_MS
from bench.talk import CHUNK_MS, CHUNK_SAMPLES, NATIVE
from bench.tree import Usage

_MEBIBYTE: Final = 2**20
# Four new calls a second is a busy moment even of a large centre; all at once is no load but a
# test of the door.
_RINGS_PER_S: Final = 4.0

Record = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What is played: ``calls`` of ``duration_s`` each, real speech or bursts of noise."""

    calls: int
    duration_s: float
    is_speech: bool
    customer_speech_ratio: float
    agent_speech_ratio: float
    seed: int

    @property
    def stagger_s(self) -> float:
        """The time in which the calls begin; for half of their length at least all of them run."""
        return min(self.calls / _RINGS_PER_S, self.duration_s / 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """How matters stood before or after the calls; processor times since each process began."""

    at_s: float
    usage: Usage
    recognition_cpu_s: float | None
    bench_cpu_s: float
    machine: MachineUse


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """What was seen from outside while the calls ran; ``alerts`` None of a server without any."""

    before: Moment
    after: Moment
    peak_rss_bytes: int
    peak_pss_bytes: int | None
    peak_processes: int
    round_trips_s: Sequence[float]
    overshoots_s: Sequence[float]
    alerts: Sequence[Record] | None
    other_alerts: int
    probe_failures: Sequence[str]


def row(load: Load, result: Record, watched: Watched, dialect: str) -> Record:
    """All figures of a row; only calls that were taken count in cost, latency and account."""
    taken = [call for call in result["calls"] if not call["refusal"]]
    return {
        "calls": load.calls,
        "duration_s": load.duration_s,
        "dialect": dialect,
        "admission": _admission(result["calls"]),
        "speech": _speech(taken),
        "cost": _cost(taken, result["cpu_s"], watched),
        "latency": _latency(load, taken, watched),
        "account": _account(taken, watched, dialect),
    }


def _admission(calls: Sequence[Record]) -> Record:
    refusals = [call["refusal"] for call in calls if call["refusal"]]
    waits_s = [r["retry_after_s"] for r in refusals if r["retry_after_s"] is not None]
    return {
        "offered": len(calls),
        "taken": len(calls) - len(refusals),
        "refused": len(refusals),
        "refused_by_code": dict(Counter(refusal["code"] for refusal in refusals)),
        "refused_without_retry_time": len(refusals) - len(waits_s),
        "retry_after_s": sorted(set(waits_s)),
    }


def _speech(calls: Sequence[Record]) -> Record:
    def mean(values: Iterable[float]) -> float | None:
        found = list(values)
        return statistics.fmean(found) if found else None

    return {
        "customer_ratio": mean(call["speech"]["customer_ratio"] for call in calls),
        "customer_voiced_ratio": mean(statistics.fmean(c["voiced"]["customer"]) for c in calls),
        "agent_ratio": mean(call["speech"]["agent_ratio"] for call in calls),
        "sentences": sum(call["speech"]["sentences"] for call in calls),
    }


def _cost(calls: Sequence[Record], client_cpu_s: float, watched: Watched) -> Record:
    call_s = sum(call["sent_samples"] for call in calls) / SAMPLE_RATE_HZ
    before, after = watched.before, watched.after
    wall_s = after.at_s - before.at_s
    node_s = after.usage.node_cpu_s - before.usage.node_cpu_s
    store_s = after.usage.store_cpu_s - before.usage.store_cpu_s
    bench_s = after.bench_cpu_s - before.bench_cpu_s
    own_count_s = None
    if before.recognition_cpu_s is not None and after.recognition_cpu_s is not None:
        own_count_s = after.recognition_cpu_s - before.recognition_cpu_s
    busy_s = after.machine.busy_s - before.machine.busy_s
    others_s = busy_s - node_s - store_s - client_cpu_s - bench_s
    rss_before = before.usage.node_rss_bytes
    peak_pss = watched.peak_pss_bytes
    return {
        "call_seconds": call_s,
        "wall_s": wall_s,
        "node_cpu_s_per_call_s": node_s / call_s if call_s else None,
        "recognition_cpu_s_per_call_s": own_count_s / call_s if own_count_s and call_s else None,
        "store_cpu_s_per_call_s": store_s / call_s if call_s else None,
        "node_cores": node_s / wall_s,
        "client_cores": client_cpu_s / wall_s,
        "bench_cores": bench_s / wall_s,
        "others_cores": max(0.0, others_s) / wall_s,
        "stolen_cores": (after.machine.steal_s - before.machine.steal_s) / wall_s,
        "load_average": after.machine.load_average,
        "processes": watched.peak_processes,
        "rss_before_mib": rss_before / _MEBIBYTE,
        "rss_peak_mib": watched.peak_rss_bytes / _MEBIBYTE,
        "rss_after_mib": after.usage.node_rss_bytes / _MEBIBYTE,
        "rss_per_call_mib": (
            (watched.peak_rss_bytes - rss_before) / _MEBIBYTE / len(calls) if calls else None
        ),
        "pss_peak_mib": None if peak_pss is None else peak_pss / _MEBIBYTE,
        "store_rss_mib": after.usage.store_rss_bytes / _MEBIBYTE,
    }


def _latency(load: Load, calls: Sequence[Record], watched: Watched) -> Record:
    times = {call["call_id"]: _times(call) for call in calls if call["sent_s"]}
    heard = [call for call in calls if call["call_id"] in times]
    finals = [v for call in heard for v in final_latencies(*_of(call, times))]
    partials = [v for call in heard for v in first_partial_latencies(*_of(call, times))]
    words = [v for c in heard for v in word_latencies(c["events"], times[c["call_id"]])]
    endpoints = [v for c in heard for v in endpoint_latencies(c["events"], times[c["call_id"]])]
    events = [(call["call_id"], event) for call in heard for event in call["events"]]
    written = [(c, e) for c, e in events if e["type"] == "final_hypothesis"]
    finals_s = {(c, e["utterance_id"]): e["arrived_s"] for c, e in written}
    alerts = alert_latencies(watched.alerts or (), times, finals_s)
    if alerts:
        words = [a.from_word_s - a.from_final_s for a in alerts if a.from_final_s is not None]
    third = trend(finals, int(load.duration_s * 1000))
    full = _all_at_once(finals, times)
    return {
        "finals": len(finals),
        "finals_by_engine": dict(Counter(e.get("engine", "-") for _, e in written)),
        "rereads": sum(e["type"] == "reread_hypothesis" for _, e in events),
        "partials": sum(call["partials"] for call in calls),
        "utterances": len(endpoints),
        "speech_start_to_partial_s": _spread(partials),
        "speech_end_to_final_s": _spread(v.from_speech_s for v in full),
        "speech_end_to_final_with_ramps_s": _spread(v.from_speech_s for v in finals),
        "endpoint_to_final_s": _spread(
            v.from_endpoint_s for v in full if v.from_endpoint_s is not None
        ),
        "endpoint_to_event_s": _spread(endpoints),
        "first_third_p50_s": third.first_s,
        "last_third_p50_s": third.last_s,
        "backlog_grew": third.grew,
        "reply_lag_s": _spread(lag_s for call in calls for _, lag_s in call["reply_lags_s"]),
        "alerts": None if watched.alerts is None else len(alerts),
        "other_alerts": watched.other_alerts,
        "word_end_to_stream_s": _spread(v.from_word_s for v in alerts),
        "word_end_to_final_s": _spread(words),
        "final_to_stream_s": _spread(v.from_final_s for v in alerts if v.from_final_s is not None),
        "ping_s": _spread(watched.round_trips_s, 99),
        "ping_floor_s": _spread(watched.overshoots_s, 99),
    }


def _all_at_once(
    finals: Sequence[FinalLatency], times: dict[str, SendTimes]
) -> Sequence[FinalLatency]:
    """Finals of speech that ended while every call was on the line."""
    if not times:
        return ()
    since_s = max(sent.sent_s[0] for sent in times.values())
    until_s = min(sent.sent_s[-1] for sent in times.values())
    return [final for final in finals if since_s <= final.spoken_at_s <= until_s]


def _account(calls: Sequence[Record], watched: Watched, dialect: str) -> Record:
    total = ledger(calls, is_given=dialect == NATIVE)
    lateness = [worst_lateness_s(c["sent_s"], CHUNK_MS / 1000) for c in calls if c["sent_s"]]
    events = [event for call in calls for event in call["events"]]
    scopes: Counter[str] = Counter()
    given_up: Counter[str] = Counter()
    for call in calls if dialect == NATIVE else ():
        scopes.update(scope_seconds(call["events"], len(call["sent_s"]) * CHUNK_MS))
    for event in events:
        if event["type"] == "media_dropped":
            given_up[f"{event['stage']}/{event['code']}"] += event["duration_ms"] / 1000
    return {
        **{
            f"{name}_s": getattr(total, name) / SAMPLE_RATE_HZ
            for name in ("sent", "received", "processed", "shed", "live_shed", "gap")
        },
        "balanced": total.balanced,
        "given_up_s": dict(given_up),
        "scope_s": dict(scopes),
        "events_dropped": sum(call["dropped_events"] for call in calls),
        "stage_failures": dict(Counter(e["code"] for e in events if e["type"] == "stage_failed")),
        "failed_calls": [call["failure"] for call in calls if call["failure"]],
        "worst_send_lateness_s": max(lateness, default=None),
        "probe_failures": list(watched.probe_failures),
    }


def _of(
    call: Record, times: dict[str, SendTimes]
) -> tuple[list[Record], SendTimes, dict[str, list[bool]], int]:
    return call["events"], times[call["call_id"]], call["voiced"], VOICED_FRAME_MS


def _times(call: Record) -> SendTimes:
    return SendTimes(
        chunk_samples=CHUNK_SAMPLES, sample_rate_hz=SAMPLE_RATE_HZ, sent_s=call["sent_s"]
    )


def _spread(values: Iterable[float], high: int = 95) -> dict[str, float | None]:
    found = list(values)
    return {"p50": percentile(found, 50), f"p{high}": percentile(found, high)}
