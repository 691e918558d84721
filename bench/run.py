"""Capacity and latency of a node on this machine: ``make bench``, or this file with options."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.machine import machine, machine_line
from bench.measure import Load, measure
from bench.node import BenchNode, NodeError
from bench.phrases import phrase_file
from bench.report import NONE, add_ratios, report
from bench.speech import SHARED_DATA, load_clips

from mamori import __version__

_RESULTS: Final = Path(__file__).with_name("results")
_ENGINES: Final = ("auto", "vosk", "whisper", "vosk+whisper", NONE)


def main(arguments: list[str] | None = None) -> int:
    """Run every row, print the tables, write the JSON; 1 where a row failed."""
    options = parse(arguments)
    with tempfile.TemporaryDirectory(prefix="mamori-bench-") as name:
        rows, notes, failures = run(options, Path(name))
    add_ratios(rows)
    found = machine()
    if rows:
        print(report(rows, machine_line(found), notes))
    for failure in failures:
        print(f"FAILED {failure}", file=sys.stderr)
    file = options.json or _RESULTS / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    document = {
        "version": __version__,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": found,
        "notes": notes,
        "options": {k: str(v) if isinstance(v, Path) else v for k, v in vars(options).items()},
        "rows": rows,
        "failures": failures,
    }
    file.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"\nwritten to {file}")
    return 1 if failures else 0


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The options; a list of numbers is ``1,2,4``."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--calls", type=numbers, default=[1, 2, 4, 8], help="calls at once, with an engine")
    add("--none-calls", type=numbers, default=[50, 100], help="calls at once, detectors only")
    add("--seconds", type=float, default=60.0, help="length of each call, 10 to 3600")
    add("--engines", type=engines, default=["auto", NONE], help=", ".join(_ENGINES))
    add("--customer-speech", type=float, default=0.4, help="share of the customer's channel")
    add("--agent-speech", type=float, default=0.0, help="share of the agent's channel")
    add("--seed", type=int, default=1, help="which sentences in which order")
    add("--json", type=Path, help="where the figures go")
    add("--models-dir", type=Path, help="models that are kept (default: joined anew each time)")
    add("--worker-threads", type=int, help="decoding threads (default: one a core)")
    add("--profile", type=Path, help="sample the node's threads; one text file a row goes here")
    add("--quick", action="store_true", help="15 s, 1 and 2 calls, detectors only 20: a trial")
    options = parser.parse_args(arguments)
    if options.quick:
        options.calls, options.none_calls, options.seconds = [1, 2], [20], 15.0
    if not 10 <= options.seconds <= 3600:
        parser.error("--seconds must be in [10, 3600]")
    for name in ("customer_speech", "agent_speech"):
        if not 0 <= getattr(options, name) <= 0.9:
            parser.error(f"--{name.replace('_', '-')} must be in [0, 0.9]")
    return options


def numbers(text: str) -> list[int]:
    """``1,2,4`` as numbers of calls, each at least 1."""
    found = [int(part) for part in text.split(",")]
    if any(value < 1 for value in found):
        raise argparse.ArgumentTypeError("each number of calls is at least 1")
    return found


def engines(text: str) -> list[str]:
    """``auto,none`` as engines."""
    found = text.split(",")
    if unknown := [name for name in found if name not in _ENGINES]:
        raise argparse.ArgumentTypeError(
            f"{', '.join(unknown)}: not known; allowed are {', '.join(_ENGINES)}"
        )
    return found


def run(
    options: argparse.Namespace, folder: Path
) -> tuple[list[dict[str, Any]], list[str], list[str]]:
    """All rows; what a reader must know of them; and what failed."""
    notes: list[str] = []
    failures: list[str] = []
    clips = load_clips()
    phrases: Path | None = None
    if clips:
        phrases = folder / "phrases.toml"
        phrases.write_text(phrase_file([clip.text for clip in clips]), encoding="utf-8")
        notes.append(f"audio: {len(clips)} sentences of real Korean speech, 8 kHz mu-law, 20 ms")
    else:
        notes.append(f"audio: bursts of noise, as {SHARED_DATA} is not here: no words, no alerts")
    rows: list[dict[str, Any]] = []
    for engine in options.engines:
        for calls in options.none_calls if engine == NONE else options.calls:
            if engine != NONE and not clips:
                notes.append(f"engine {engine} is left out: without speech there are no words")
                break
            print(f"{engine} x {calls} ...", file=sys.stderr, flush=True)
            load = Load(
                calls=calls,
                duration_s=options.seconds,
                is_speech=bool(clips),
                customer_speech_ratio=options.customer_speech,
                agent_speech_ratio=options.agent_speech,
                seed=options.seed * 10_000,
            )
            try:
                row, told = run_row(options, engine, load, folder / f"{engine}-{calls}", phrases)
            except (NodeError, RuntimeError, OSError) as error:
                failures.append(f"{engine} x {calls}: {error}")
                continue
            notes += [line for line in told if line not in notes]
            rows.append(row)
            if row["account"]["failed_calls"]:
                failures.append(f"{engine} x {calls}: {row['account']['failed_calls']}")
    return rows, notes, failures


def run_row(
    options: argparse.Namespace, engine: str, load: Load, folder: Path, phrases: Path | None
) -> tuple[dict[str, Any], list[str]]:
    """One row against a node of its own, and what the node said of its engines."""
    program = [str(Path(sys.executable).with_name("mamori")), "serve"]
    if options.profile is not None:
        options.profile.mkdir(parents=True, exist_ok=True)
        output = options.profile.resolve() / f"{engine}-{load.calls}.txt"
        sampled = Path(__file__).with_name("sampled_node.py")
        program = [sys.executable, str(sampled), str(output), "serve"]
    node = BenchNode(
        folder / "node",
        program=program,
        engine=engine,
        models_dir=options.models_dir or folder.parent / "models",
        phrase_file=phrases,
        worker_threads=options.worker_threads,
    )
    with node:
        told = [line for line in node.said if line.startswith("speech recognition:")]
        if engine != NONE and not node.has_words:
            told.append(f"engine {engine} found no model: its rows have no words")
        row = measure(node, load, folder)
    return {
        "engine": engine,
        "started_in_s": round(node.started_in_s, 2),
        **row,
        "log_troubles": node.troubles,
    }, told


if __name__ == "__main__":
    sys.exit(main())
