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
# Recognisers place the end of a word to within a tenth of a second or so; pauses between sentences
# are 1.2 s at least, those within one rarely shorter than this.
WORD_END_SLACK_MS: Final = 200
SENTENCE_PAUSE_MS: Final = 1_000


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


def speech_end_near_ms(
    voiced: Sequence[bool], frame_ms: int, word_end_ms: int, not_after_ms: int
) -> int | None:
    """Where the speech ended that a word belongs to which a recogniser ends at ``word_end_ms``.

    A recogniser's end of a word may lie a little before or behind the real one: speech that goes on
    without a pause of WORD_END_SLACK_MS still belongs to it, until ``not_after_ms``.
    """
    end_ms = last_voiced_end_ms(voiced, frame_ms, min(word_end_ms, not_after_ms))
    at = word_end_ms // frame_ms
    quiet = 0
    while quiet * frame_ms < WORD_END_SLACK_MS and (at + 1) * frame_ms <= not_after_ms:
        if at >= len(voiced):
            break
        if voiced[at]:
            end_ms, quiet = (at + 1) * frame_ms, 0
        else:
            quiet += 1
        at += 1
    return end_ms


def speech_start_ms(voiced: Sequence[bool], frame_ms: int, at_ms: int) -> int | None:
    """Where the sentence began that was last spoken at ``at_ms``; None where nothing was yet.

    A pause of SENTENCE_PAUSE_MS parts two sentences.
    """
    start_ms, quiet = None, 0
    for frame in range(min(at_ms // frame_ms, len(voiced)) - 1, -1, -1):
        if voiced[frame]:
            start_ms, quiet = frame * frame_ms, 0
        elif start_ms is not None:
            quiet += 1
            if quiet * frame_ms >= SENTENCE_PAUSE_MS:
                break
    return start_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class FinalLatency:
    """One final: where its speech ended in the call and when, and how long it took from there.

    ``from_endpoint_s`` None: the protocol does not say where the utterance ended.
    """

    end_offset_ms: int
    spoken_at_s: float
    from_speech_s: float
    from_endpoint_s: float | None


def final_latencies(
    events: Sequence[dict[str, Any]],
    times: SendTimes,
    voiced: Mapping[str, Sequence[bool]],
    frame_ms: int,
) -> list[FinalLatency]:
    """What each ``final_hypothesis`` took, from the end of speech and of its utterance.

    ``events`` have ``type``, ``channel``, ``utterance_id`` and ``arrived_s``; ``speech_ended`` says
    where an utterance ended, whatever stretch of it the final names. Without one, the last of
    ``word_ends_ms`` says it. What the end of the call closes is left out: it waits for nothing.
    """
    ended = {event["utterance_id"]: event for event in events if event["type"] == "speech_ended"}
    latencies = []
    for event in events:
        if event["type"] != "final_hypothesis":
            continue
        closing = ended.get(event["utterance_id"], event)
        if closing.get("cause") == "call_end":
            continue
        frames = voiced[event["channel"]]
        end_ms: int | None
        if "word_ends_ms" in event:
            end_ms = None
            last_ms = event["word_ends_ms"][-1]
            speech_ms = speech_end_near_ms(frames, frame_ms, last_ms, event["replied_ms"])
            spoken_ms = speech_ms or last_ms
        else:
            end_ms = closing["end_offset_ms"]
            spoken_ms = last_voiced_end_ms(frames, frame_ms, end_ms) or end_ms
        arrived_s, spoken_s = event["arrived_s"], times.sent_at(spoken_ms)
        latencies.append(
            FinalLatency(
                end_offset_ms=end_ms or spoken_ms,
                spoken_at_s=spoken_s,
                from_speech_s=arrived_s - spoken_s,
                from_endpoint_s=None if end_ms is None else arrived_s - times.sent_at(end_ms),
            )
        )
    return latencies


def first_partial_latencies(
    events: Sequence[dict[str, Any]],
    times: SendTimes,
    voiced: Mapping[str, Sequence[bool]],
    frame_ms: int,
) -> list[float]:
    """From the first voiced 10 ms of a sentence to the first partial of its utterance."""
    starts_ms = {
        event["utterance_id"]: event["offset_ms"]
        for event in events
        if event["type"] == "speech_started"
    }
    latencies = []
    for event in events:
        if event["type"] != "first_partial":
            continue
        frames = voiced[event["channel"]]
        if "replied_ms" in event:
            start_ms = speech_start_ms(frames, frame_ms, event["replied_ms"])
        else:
            opened = starts_ms.get(event["utterance_id"], event["offset_ms"]) // frame_ms
            start_ms = next((n * frame_ms for n in range(opened, len(frames)) if frames[n]), None)
        if start_ms is not None:
            latencies.append(event["arrived_s"] - times.sent_at(start_ms + frame_ms))
    return latencies


def word_latencies(events: Sequence[dict[str, Any]], times: SendTimes) -> list[float]:
    """From the end of each word, as the recogniser has it, to the final that holds it."""
    return [
        event["arrived_s"] - times.sent_at(end_ms)
        for event in events
        if event["type"] == "final_hypothesis" and event.get("cause") != "call_end"
        for end_ms in event.get("word_ends_ms", ())
    ]


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
    """How finals of the first and of the last third of the calls compare, from the speech's end."""
    first = [v.from_speech_s for v in latencies if v.end_offset_ms <= duration_ms / 3]
    last = [v.from_speech_s for v in latencies if v.end_offset_ms > duration_ms * 2 / 3]
    return Trend(first_s=percentile(first, 50), last_s=percentile(last, 50))


_ACCOUNTS: Final = ("received", "processed", "shed", "gap", "live_shed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """Samples of all calls and channels; ``balanced``: every account adds up to what was sent.

    ``balanced`` None: the protocol gives no account.
    """

    sent: int
    received: int
    processed: int
    shed: int
    gap: int
    live_shed: int
    balanced: bool | None


def ledger(calls: Sequence[dict[str, Any]], *, is_given: bool = True) -> Ledger:
    """The sum of the accounts; a call has ``sent_samples`` (a channel) and ``ledger`` (a list).

    ``is_given``: whether the protocol gives accounts at all.
    """
    totals = dict.fromkeys(_ACCOUNTS, 0)
    sent, balanced = 0, True
    for call in calls:
        if not is_given:
            sent += call["sent_samples"]
        balanced = balanced and bool(call["ledger"])
        for account in call["ledger"]:
            sent += call["sent_samples"]
            for name in totals:
                totals[name] += account.get(f"{name}_samples", 0)
            parts = sum(account[f"{name}_samples"] for name in ("processed", "shed", "gap"))
            received = account["received_samples"]
            balanced = balanced and parts == received == call["sent_samples"]
    return Ledger(sent=sent, balanced=balanced if is_given else None, **totals)


def scope_seconds(events: Sequence[dict[str, Any]], duration_ms: int) -> dict[str, float]:
    """How long a call was read in each scope, from ``recognition_scope_changed``."""
    seconds: dict[str, float] = {}
    scope, since_ms = "full", 0
    changes = [e for e in events if e["type"] == "recognition_scope_changed"]
    for change in sorted(changes, key=lambda e: int(e["offset_ms"])):
        at_ms = min(change["offset_ms"], duration_ms)
        seconds[scope] = seconds.get(scope, 0.0) + (at_ms - since_ms) / 1000
        scope, since_ms = change["scope"], at_ms
    seconds[scope] = seconds.get(scope, 0.0) + (duration_ms - since_ms) / 1000
    return {name: length_s for name, length_s in seconds.items() if length_s > 0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """A row as far as its calls were carried: how many were offered and taken, and whether well."""

    offered: int
    taken: int
    is_well: bool


def largest_carried(rows: Sequence[Carried]) -> int:
    """The most calls taken in a row up to which every row went well; 0 where the first did not."""
    largest = 0
    for row in sorted(rows, key=lambda row: row.offered):
        if not row.is_well:
            break
        largest = max(largest, row.taken)
    return largest


def worst_lateness_s(sent_s: Sequence[float], chunk_s: float) -> float:
    """How far the latest chunk left behind its moment, counted from the first one."""
    return max(sent - sent_s[0] - number * chunk_s for number, sent in enumerate(sent_s))
