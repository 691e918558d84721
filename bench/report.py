"""What the bench prints: tables for people; the JSON file holds the same and more."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from bench.figures import LATENCY_LIMIT_S, largest_within

Row = dict[str, Any]
NONE: Final = "none"
"""The engine of rows with detectors only."""
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
        _section("Account of the audio", rows, _ACCOUNT),
        *verdicts(rows),
        *_EXPLANATIONS,
    ]
    return "\n".join(parts)


def verdicts(rows: Sequence[Row]) -> list[str]:
    """For each engine the largest number of calls of those played that stays below the limit."""
    lines = []
    for engine in dict.fromkeys(row["engine"] for row in rows if row["engine"] != NONE):
        for key, name in (
            ("speech_end_to_final_s", "speech end to final"),
            ("endpoint_to_final_s", "endpoint to final"),
        ):
            found = largest_within(
                [(r["calls"], r["latency"][key]["p95"]) for r in rows if r["engine"] == engine],
                LATENCY_LIMIT_S,
            )
            within = "none of those played" if found is None else f"{found}"
            lines.append(
                f"engine {engine}: largest number of calls with {name} p95"
                f" below {LATENCY_LIMIT_S:g} s: {within}"
            )
    return lines


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

_COST: Final[tuple[Column, ...]] = (
    (
        "speech",
        lambda r: (
            f"{100 * r['speech']['customer_ratio']:.0f}+{100 * r['speech']['agent_ratio']:.0f} %"
        ),
    ),
    ("CPU s/call-s", lambda r: number(r["cost"]["node_cpu_s_per_call_s"], 4)),
    ("x none", lambda r: number(r["cost"]["times_none"], 1)),
    ("store", lambda r: number(r["cost"]["store_cpu_s_per_call_s"], 5)),
    ("node cores", lambda r: number(r["cost"]["node_cores"])),
    ("client", lambda r: number(r["cost"]["client_cores"])),
    ("others", lambda r: number(r["cost"]["others_cores"])),
    ("stolen", lambda r: number(r["cost"]["stolen_cores"])),
    ("load", lambda r: number(r["cost"]["load_average"], 1)),
    (
        "RSS before>peak>after MiB",
        lambda r: ">".join(
            number(r["cost"][f"rss_{when}_mib"], 0) for when in ("before", "peak", "after")
        ),
    ),
    ("MiB/call", lambda r: number(r["cost"]["rss_per_call_mib"], 1)),
)
_LATENCY: Final[tuple[Column, ...]] = (
    ("finals", lambda r: str(r["latency"]["finals"])),
    ("speech end>final", lambda r: pair(r["latency"]["speech_end_to_final_s"])),
    ("endpoint>final", lambda r: pair(r["latency"]["endpoint_to_final_s"])),
    (
        "1st>last third",
        lambda r: (
            f"{number(r['latency']['first_third_p50_s'])}>"
            f"{number(r['latency']['last_third_p50_s'])}"
        ),
    ),
    (
        "backlog grew",
        lambda r: {None: _NOTHING, True: "YES", False: "no"}[r["latency"]["backlog_grew"]],
    ),
    ("alerts", lambda r: str(r["latency"]["alerts"])),
    ("word end>stream", lambda r: pair(r["latency"]["word_end_to_stream_s"])),
    ("final>stream", lambda r: pair(r["latency"]["final_to_stream_s"], 3)),
    ("endpoint>event", lambda r: pair(r["latency"]["endpoint_to_event_s"], 3)),
    ("ping p50 / p99", lambda r: pair(r["latency"]["ping_s"], 3)),
    ("own floor", lambda r: pair(r["latency"]["ping_floor_s"], 3)),
)
_ACCOUNT: Final[tuple[Column, ...]] = (
    ("sent s", lambda r: number(r["account"]["sent_s"], 0)),
    ("processed s", lambda r: number(r["account"]["processed_s"], 2)),
    ("shed s", lambda r: number(r["account"]["shed_s"], 2)),
    ("gap s", lambda r: number(r["account"]["gap_s"], 2)),
    ("exact", lambda r: "yes" if r["account"]["balanced"] else "NO"),
    ("events dropped", lambda r: str(r["account"]["events_dropped"])),
    ("failed calls", lambda r: str(len(r["account"]["failed_calls"]))),
    ("stage failures", lambda r: str(r["account"]["stage_failures"])),
    ("client late s", lambda r: number(r["account"]["worst_send_lateness_s"], 3)),
)
_EXPLANATIONS: Final = (
    "",
    "Pairs are p50 / p95. CPU s/call-s: the node's processor time for each second of a call with",
    "two channels, the store's apart; `x none`: times that of detectors only. `others`: cores that",
    "other work on this machine kept busy: with them latencies are noisy, and CPU is the figure to",
    "compare. `speech end`: the last voiced 10 ms that were sent; `endpoint`: the utterance's end",
    "as the node saw it, after its hangover of 650 ms. `endpoint>event`: until speech_ended was",
    "here, so ingest and detectors alone. `ping`: round trip on an idle call, a stand-in for the",
    "lag of the node's event loop, which has no metric of its own; `own floor`: how late the",
    "pinging thread itself woke up.",
)


def _section(title: str, rows: Sequence[Row], columns: Sequence[Column]) -> str:
    headings = ["engine x calls", *(name for name, _ in columns)]
    lines = [
        [f"{row['engine']} x {row['calls']}", *(cell(row) for _, cell in columns)] for row in rows
    ]
    return f"{title}\n{table(headings, lines)}\n"
