"""The arithmetic of the bench: percentiles, and what belongs to what. No clock, no socket."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

# A backlog grows where finals of the last third of the call come this much later than those of the
# first, in the median: more than one long sentence makes by chance.
BACKLOG_GROWTH_S: Final = 0.5
# The line that the largest number of calls is judged by.
LATENCY_LIMIT_S: Final = 1.0


def percentile(values: Iterable[float], percent: float) -> float | None:
    """The ``percent`` (0 to 100) percentile, linear between neighbours; None of nothing."""
    ordered = sorted(values)
    if not ordered:
        return None
    place = (len(ordered) - 1) * percent / 100
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


@dataclass(frozen=True, slots=True, kw_only=True)
class SendTimes:
    """When each chunk of a call left; seconds of the monotonic clock, which all processes share."""

    chunk_samples: int
    sample_rate_hz: int
    sent_s: Sequence[float]

    def sent_at(self, end_offset_ms: int) -> float:
        """When the last sample before ``end_offset_ms`` (> 0) of the call left."""
        last_sample = -(-end_offset_ms * self.sample_rate_hz // 1000) - 1
        chunk = max(0, last_sample) // self.chunk_samples
        return self.sent_s[min(chunk, len(self.sent_s) - 1)]


def last_voiced_end_ms(voiced: Sequence[bool], frame_ms: int, not_after_ms: int) -> int | None:
    """Where speech last ended at or before ``not_after_ms``; None where there was none."""
    for frame in range(min(not_after_ms // frame_ms, len(voiced)) - 1, -1, -1):
        if voiced[frame]:
            return (frame + 1) * frame_ms
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class FinalLatency:
    """One final: where its utterance ended in the call, and how long it took from there."""

    end_offset_ms: int
    from_speech_s: float
    from_endpoint_s: float


def final_latencies(
    events: Sequence[dict[str, Any]],
    times: SendTimes,
    voiced: Mapping[str, Sequence[bool]],
    frame_ms: int,
) -> list[FinalLatency]:
    """What each ``final_hypothesis`` took, from the end of speech and of its utterance.

    ``events`` have ``type``, ``channel``, ``utterance_id`` and ``arrived_s``; ``speech_ended`` says
    where an utterance ended, whatever stretch of it the final names.
    """
    ends_ms = {
        event["utterance_id"]: event["end_offset_ms"]
        for event in events
        if event["type"] == "speech_ended"
    }
    latencies = []
    for event in events:
        if event["type"] != "final_hypothesis":
            continue
        end_ms = ends_ms.get(event["utterance_id"], event["end_offset_ms"])
        speech_ms = last_voiced_end_ms(voiced[event["channel"]], frame_ms, end_ms)
        latencies.append(
            FinalLatency(
                end_offset_ms=end_ms,
                from_speech_s=event["arrived_s"] - times.sent_at(speech_ms or end_ms),
                from_endpoint_s=event["arrived_s"] - times.sent_at(end_ms),
            )
        )
    return latencies


def endpoint_latencies(events: Sequence[dict[str, Any]], times: SendTimes) -> list[float]:
    """From the last sample of each utterance to ``speech_ended`` here: ingest and detectors."""
    return [
        event["arrived_s"] - times.sent_at(event["end_offset_ms"])
        for event in events
        # What the end of the call closes waits for nothing.
        if event["type"] == "speech_ended" and event["cause"] != "call_end"
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertLatency:
    """One alert in the stream: since its last quoted word, and since its final on the socket."""

    from_word_s: float
    from_final_s: float | None


def alert_latencies(
    alerts: Sequence[dict[str, Any]],
    times: dict[str, SendTimes],
    finals_s: dict[tuple[str, str], float],
) -> list[AlertLatency]:
    """Pair alerts with what was sent; alerts of calls that are not in ``times`` are left out.

    ``alerts`` have ``call_id``, ``utterance_id``, ``end_offset_ms``, ``arrived_s``; ``finals_s``
    gives the arrival of each call's and utterance's final.
    """
    latencies = []
    for alert in alerts:
        sent = times.get(alert["call_id"])
        if sent is None:
            continue
        final_s = finals_s.get((alert["call_id"], alert["utterance_id"]))
        latencies.append(
            AlertLatency(
                from_word_s=alert["arrived_s"] - sent.sent_at(alert["end_offset_ms"]),
                from_final_s=None if final_s is None else alert["arrived_s"] - final_s,
            )
        )
    return latencies


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """Median latency in the first and in the last third of the calls; None without any there."""

    first_s: float | None
    last_s: float | None

    @property
    def grew(self) -> bool | None:
        """Whether work piled up; None where a third is empty."""
        if self.first_s is None or self.last_s is None:
            return None
        return self.last_s - self.first_s > BACKLOG_GROWTH_S


def trend(latencies: Sequence[FinalLatency], duration_ms: int) -> Trend:
    """How finals of the first and of the last third of the calls compare, from the endpoint."""
    first = [v.from_endpoint_s for v in latencies if v.end_offset_ms <= duration_ms / 3]
    last = [v.from_endpoint_s for v in latencies if v.end_offset_ms > duration_ms * 2 / 3]
    return Trend(first_s=percentile(first, 50), last_s=percentile(last, 50))


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """Samples of all calls and channels; ``balanced``: every account adds up to what was sent."""

    sent: int
    received: int
    processed: int
    shed: int
    gap: int
    balanced: bool


def ledger(calls: Sequence[dict[str, Any]]) -> Ledger:
    """The sum of the accounts; a call has ``sent_samples`` (a channel) and ``ledger`` (a list)."""
    totals = {"received": 0, "processed": 0, "shed": 0, "gap": 0}
    sent, balanced = 0, True
    for call in calls:
        balanced = balanced and bool(call["ledger"])
        for account in call["ledger"]:
            sent += call["sent_samples"]
            for name in totals:
                totals[name] += account[f"{name}_samples"]
            parts = sum(account[f"{name}_samples"] for name in ("processed", "shed", "gap"))
            received = account["received_samples"]
            balanced = balanced and parts == received == call["sent_samples"]
    return Ledger(sent=sent, balanced=balanced, **totals)


def largest_within(rows: Sequence[tuple[int, float | None]], limit_s: float) -> int | None:
    """The largest number of calls up to which every row stays below ``limit_s``."""
    largest = None
    for calls, value_s in sorted(rows):
        if value_s is None or value_s >= limit_s:
            break
        largest = calls
    return largest


def worst_lateness_s(sent_s: Sequence[float], chunk_s: float) -> float:
    """How far the latest chunk left behind its moment, counted from the first one."""
    return max(sent - sent_s[0] - number * chunk_s for number, sent in enumerate(sent_s))
