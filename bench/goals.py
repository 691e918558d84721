"""What the rows come to: calls carried, beside the peer, and the goals on two cores."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from bench.figures import LATENCY_LIMIT_S, Carried, largest_carried

Row = dict[str, Any]
NONE: Final = "none"
"""The engine of rows with detectors only."""
PEER: Final = "peer"
WHISPER: Final = "whisper"
AUTO: Final = "auto"

# On two cores, at 40 % speech on the customer's channel.
_CALLS_GOAL: Final = {WHISPER: 40, AUTO: 20}
_CPU_GOAL_S: Final = 0.03
_FINAL_GOAL_S: Final = 0.8


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """One line of the table; ``is_met`` None where the rows for it were not played."""

    what: str
    goal: str
    measured: str
    is_met: bool | None


def went_well(row: Row) -> bool:
    """Whether the calls that were taken were carried.

    Finals with a p95 below LATENCY_LIMIT_S, no growing backlog, no call that broke, and no audio
    that recognition gave up or that nobody heard. Live words may give way: that is narrower service
    and not a loss of what was said.
    """
    account, latency = row["account"], row["latency"]
    p95_s = latency["speech_end_to_final_s"]["p95"]
    return (
        p95_s is not None
        and p95_s < LATENCY_LIMIT_S
        and not latency["backlog_grew"]
        and not account["failed_calls"]
        and account["shed_s"] == 0
        and account["gap_s"] == 0
    )


def kept_up(row: Row) -> bool:
    """Whether a server that answers every message kept up with them, however late its finals are.

    Its endpointer may wait for longer than LATENCY_LIMIT_S by itself; this is what load does to it.
    """
    latency = row["latency"]
    p95_s = latency["reply_lag_s"]["p95"]
    return (
        p95_s is not None
        and p95_s < LATENCY_LIMIT_S
        and not latency["backlog_grew"]
        and not row["account"]["failed_calls"]
    )


def carried(
    rows: Sequence[Row], engine: str, is_well: Callable[[Row], bool] = went_well
) -> int | None:
    """The most calls of ``engine`` carried, see ``largest_carried``; None where no row has it."""
    found = [
        Carried(
            offered=row["admission"]["offered"],
            taken=row["admission"]["taken"],
            is_well=is_well(row),
        )
        for row in rows
        if row["engine"] == engine
    ]
    return largest_carried(found) if found else None


def admitted(rows: Sequence[Row], engine: str) -> int | None:
    """The most calls of ``engine`` that were taken at once in any row."""
    return max((r["admission"]["taken"] for r in rows if r["engine"] == engine), default=None)


def verdicts(rows: Sequence[Row]) -> list[str]:
    """For each engine what it carried of what was played, and beside the peer."""
    lines = []
    peers = carried(rows, PEER, kept_up)
    for engine in dict.fromkeys(row["engine"] for row in rows if row["engine"] != NONE):
        most = carried(rows, engine) or 0
        line = (
            f"{engine}: carried {most} calls (final p95 below {LATENCY_LIMIT_S:g} s, no growing"
            " backlog, nothing given up)"
        )
        if engine == PEER:
            line += f"; answered messages within {LATENCY_LIMIT_S:g} s (p95) with {peers}"
        elif peers:
            line += f", {most / peers:.1f} times the {peers} that the peer kept up with"
        lines.append(line)
    return lines


def goals(rows: Sequence[Row]) -> list[Goal]:
    """Every goal with what was measured."""
    found = []
    for engine, least in _CALLS_GOAL.items():
        most = carried(rows, engine)
        found.append(
            Goal(
                what=f"{engine}: calls carried",
                goal=f">= {least}",
                measured=_number(most, 0),
                is_met=None if most is None else most >= least,
            )
        )
    cost = _cpu_s(rows, WHISPER)
    found.append(
        Goal(
            what=f"{WHISPER}: CPU s/call-s with the most calls carried",
            goal=f"<= {_CPU_GOAL_S:g}",
            measured=_number(cost, 4),
            is_met=None if cost is None else cost <= _CPU_GOAL_S,
        )
    )
    for engine in _CALLS_GOAL:
        found.append(
            _final_goal(
                f"{engine}: final p95, s, with as many calls as are admitted",
                _busiest(rows, engine),
            )
        )
        found.append(
            _final_goal(f"{engine}: the same with twice as many offered", _overload(rows, engine))
        )
    return found


def twice_admitted(rows: Sequence[Row], engine: str) -> int | None:
    """How many calls to offer so that they are twice the admitted; None where a row has it."""
    most = admitted(rows, engine)
    if not most or _overload(rows, engine) is not None:
        return None
    return 2 * most


def _busiest(rows: Sequence[Row], engine: str) -> Row | None:
    """The row with the fewest offered of those with the most calls taken."""
    most = admitted(rows, engine)
    return min(
        (r for r in rows if r["engine"] == engine and r["admission"]["taken"] == most),
        key=lambda row: int(row["admission"]["offered"]),
        default=None,
    )


def _overload(rows: Sequence[Row], engine: str) -> Row | None:
    """The row with the most offered, where these are twice what was taken at most, or more."""
    most = admitted(rows, engine)
    return max(
        (r for r in rows if r["engine"] == engine and most and r["calls"] >= 2 * most),
        key=lambda row: int(row["admission"]["offered"]),
        default=None,
    )


def _final_goal(what: str, row: Row | None) -> Goal:
    if row is None:
        return Goal(what=what, goal=f"<= {_FINAL_GOAL_S:g}", measured="-", is_met=None)
    p95_s = row["latency"]["speech_end_to_final_s"]["p95"]
    admission = row["admission"]
    return Goal(
        what=what,
        goal=f"<= {_FINAL_GOAL_S:g}",
        measured=f"{_number(p95_s, 2)} ({admission['taken']} of {admission['offered']} taken)",
        is_met=p95_s is not None and p95_s <= _FINAL_GOAL_S,
    )


def _cpu_s(rows: Sequence[Row], engine: str) -> float | None:
    """The cost in the row with the most calls carried, else in the busiest one."""
    most = carried(rows, engine)
    row = next(
        (r for r in rows if r["engine"] == engine and most and r["admission"]["taken"] == most),
        _busiest(rows, engine),
    )
    cost: float | None = row["cost"]["node_cpu_s_per_call_s"] if row is not None else None
    return cost


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
