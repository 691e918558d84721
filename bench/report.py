"""What the bench prints: tables for people; the JSON file holds the same and more."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from bench.goals import NONE, Row, goals, verdicts

_NOTHING: Final = "-"


def number(value: float | None, digits: int = 2) -> str:
    """A figure, or a dash where there is none."""
    return _NOTHING if value is None else f"{value:.{digits}f}"


def pair(spread: dict[str, float | None], digits: int = 2) -> str:
    """Two percentiles, ``p50 / p95``."""
    return " / ".join(number(value, digits) for value in spread.values())


def table(headings: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Columns as wide as their widest cell, right-aligned but for the first."""
    rows = [list(headings), *(list(line) for line in lines)]
    widths = [max(len(line[column]) for line in rows) for column in range(len(headings))]
    out = []
    for line in rows:
        first, *rest = zip(line, widths, strict=True)
        cells = [first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in rest)]
        out.append("  ".join(cells).rstrip())
    out.insert(1, "-" * max(len(line) for line in out))
    return "\n".join(out)


def report(rows: Sequence[Row], machine_line: str, notes: Sequence[str]) -> str:
    """Everything that a person reads after a run."""
    parts = [
        f"machine: {machine_line}",
        *notes,
        "",
        _section("Cost", rows, _COST),
        _section("Latency, seconds", rows, _LATENCY),
        _section("Behind the latency, seconds", rows, _STAGES),
        _section("Calls and the account of their audio", rows, _ACCOUNT),
        *verdicts(rows),
        "",
        goal_table(rows),
        *_EXPLANATIONS,
    ]
    return "\n".join(parts)


def goal_table(rows: Sequence[Row]) -> str:
    """The goals on two cores, and whether these rows meet them."""
    said = {None: "not played", True: "met", False: "NOT MET"}
    lines = [[goal.what, goal.goal, goal.measured, said[goal.is_met]] for goal in goals(rows)]
    return table(["Goal on two cores", "goal", "measured", ""], lines)


def shares(seconds: Mapping[str, float]) -> str:
    """``full 80 %, finals 20 %`` of seconds by name, the largest first."""
    whole = sum(seconds.values())
    if not whole:
        return _NOTHING
    parts = sorted(seconds.items(), key=lambda item: -item[1])
    return ", ".join(f"{name} {100 * part / whole:.0f} %" for name, part in parts)


def baseline(rows: Sequence[Row]) -> float | None:
    """CPU per call-second of detectors only, where most calls share what a node costs anyway."""
    costs = [
        (row["calls"], row["cost"]["node_cpu_s_per_call_s"])
        for row in rows
        if row["engine"] == NONE
    ]
    cost: float | None = max(costs)[1] if costs else None
    return cost


def add_ratios(rows: Sequence[Row]) -> None:
    """Say in each row how many times the CPU of detectors only it costs."""
    base = baseline(rows)
    for row in rows:
        cost = row["cost"]["node_cpu_s_per_call_s"]
        row["cost"]["times_none"] = cost / base if base and cost is not None else None


Column = tuple[str, Callable[[Row], str]]

_GREW: Final = {None: _NOTHING, True: "YES", False: "no"}
_EXACT: Final = {None: _NOTHING, True: "yes", False: "NO"}


def _percent(ratio: float | None) -> str:
    return _NOTHING if ratio is None else f"{100 * ratio:.0f}"


_COST: Final[tuple[Column, ...]] = (
    (
        "speech",
        lambda r: (
            f"{_percent(r['speech']['customer_ratio'])}+{_percent(r['speech']['agent_ratio'])} %"
        ),
    ),
    ("CPU s/call-s", lambda r: number(r["cost"]["node_cpu_s_per_call_s"], 4)),
    ("own count", lambda r: number(r["cost"]["recognition_cpu_s_per_call_s"], 4)),
    ("x none", lambda r: number(r["cost"]["times_none"], 1)),
    ("store", lambda r: number(r["cost"]["store_cpu_s_per_call_s"], 5)),
    ("server cores", lambda r: number(r["cost"]["node_cores"])),
    ("client", lambda r: number(r["cost"]["client_cores"])),
    ("bench", lambda r: number(r["cost"]["bench_cores"])),
    ("others", lambda r: number(r["cost"]["others_cores"])),
    ("stolen", lambda r: number(r["cost"]["stolen_cores"])),
    ("load", lambda r: number(r["cost"]["load_average"], 1)),
    ("processes", lambda r: str(r["cost"]["processes"])),
    (
        "RSS before>peak>after MiB",
        lambda r: ">".join(
            number(r["cost"][f"rss_{when}_mib"], 0) for when in ("before", "peak", "after")
        ),
    ),
    ("MiB/call", lambda r: number(r["cost"]["rss_per_call_mib"], 1)),
    ("PSS peak MiB", lambda r: number(r["cost"]["pss_peak_mib"], 0)),
)
_LATENCY: Final[tuple[Column, ...]] = (
    ("taken", lambda r: f"{r['admission']['taken']}/{r['admission']['offered']}"),
    ("finals", lambda r: str(r["latency"]["finals"])),
    ("speech end>final", lambda r: pair(r["latency"]["speech_end_to_final_s"])),
    (
        "1st>last third",
        lambda r: (
            f"{number(r['latency']['first_third_p50_s'])}>"
            f"{number(r['latency']['last_third_p50_s'])}"
        ),
    ),
    ("backlog grew", lambda r: _GREW[r["latency"]["backlog_grew"]]),
    ("start>1st partial", lambda r: pair(r["latency"]["speech_start_to_partial_s"])),
    ("alerts", lambda r: _count(r["latency"]["alerts"])),
    ("word end>stream", lambda r: pair(r["latency"]["word_end_to_stream_s"])),
    ("word end>final", lambda r: pair(r["latency"]["word_end_to_final_s"])),
)
_STAGES: Final[tuple[Column, ...]] = (
    ("endpoint>final", lambda r: pair(r["latency"]["endpoint_to_final_s"])),
    ("final>stream", lambda r: pair(r["latency"]["final_to_stream_s"], 3)),
    ("endpoint>event", lambda r: pair(r["latency"]["endpoint_to_event_s"], 3)),
    ("message>reply", lambda r: pair(r["latency"]["reply_lag_s"], 3)),
    ("ping p50 / p99", lambda r: pair(r["latency"]["ping_s"], 3)),
    ("own floor", lambda r: pair(r["latency"]["ping_floor_s"], 3)),
)
_ACCOUNT: Final[tuple[Column, ...]] = (
    ("refused", lambda r: str(r["admission"]["refused"])),
    ("failed", lambda r: str(len(r["account"]["failed_calls"]))),
    ("sent s", lambda r: number(r["account"]["sent_s"], 0)),
    ("shed s", lambda r: number(r["account"]["shed_s"], 2)),
    ("live shed s", lambda r: number(r["account"]["live_shed_s"], 2)),
    ("gap s", lambda r: number(r["account"]["gap_s"], 2)),
    ("exact", lambda r: _EXACT[r["account"]["balanced"]]),
    ("scope", lambda r: shares(r["account"]["scope_s"])),
    ("events dropped", lambda r: str(r["account"]["events_dropped"])),
    ("stage failures", lambda r: str(sum(r["account"]["stage_failures"].values()))),
    ("client late s", lambda r: number(r["account"]["worst_send_lateness_s"], 3)),
)
_EXPLANATIONS: Final = (
    "",
    "Pairs are p50 / p95, latency while every call that was taken is on the line. CPU s/call-s:",
    "processor time of the server's whole process tree for each second of a call, the store's",
    "apart; `own count`: what the node itself says recognition took of it; `x none`: times that of",
    "detectors only. `client`, `bench`, `others`: cores that the load, the watching and other work",
    "on this machine kept busy: with others latencies are noisy, and CPU is the figure to compare.",
    "PSS counts pages that processes share once. `speech end`: the last voiced 10 ms that were",
    "sent; `endpoint`: the utterance's end as the node saw it. `word end>final`: words of alerts;",
    "of a peer, which raises none, every word. `shed`: audio that got no words for want of room;",
    "`live shed`: speech without partials. bench/README.md says it in full.",
)


def _count(value: int | None) -> str:
    return _NOTHING if value is None else str(value)


def _section(title: str, rows: Sequence[Row], columns: Sequence[Column]) -> str:
    headings = ["engine x calls", *(name for name, _ in columns)]
    lines = [
        [f"{row['engine']} x {row['calls']}", *(cell(row) for _, cell in columns)] for row in rows
    ]
    return f"{title}\n{table(headings, lines)}\n"
