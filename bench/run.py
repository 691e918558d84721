"""Capacity and latency of a node on this machine: ``make bench``, or this file with options."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.goals import AUTO, NONE, PEER, WHISPER, goals, twice_admitted
from bench.machine import machine, machine_line
from bench.measure import measure
from bench.node import BenchNode
from bench.phrases import phrase_file
from bench.report import add_ratios, report
from bench.row import Load
from bench.server import BenchPeer, ServerError
from bench.speech import SHARED_DATA, load_clips
from bench.talk import NATIVE, VOSK

from mamori import __version__
from mamori.errors import MamoriError
from mamori.monitor.app.engines import choose

_RESULTS: Final = Path(__file__).with_name("results")
_ENGINES: Final = (PEER, AUTO, "vosk", WHISPER, "vosk+whisper", NONE)
_BY_VOSK: Final = "@vosk"
"""After an engine's name: calls come by the vosk-server protocol."""


def main(arguments: list[str] | None = None) -> int:
    """Run every row, print the tables, write the JSON; 1 where a row failed."""
    options = parse(arguments)
    with tempfile.TemporaryDirectory(prefix="mamori-bench-") as name:
        run = Run(options, Path(name))
        run.play_all()
    rows, failures = run.rows, run.failures
    add_ratios(rows)
    found = machine()
    if rows:
        print(report(rows, machine_line(found), run.notes))
    for failure in failures:
        print(f"FAILED {failure}", file=sys.stderr)
    file = options.json or _RESULTS / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    document = {
        "version": __version__,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": found,
        "notes": run.notes,
        "options": {k: str(v) if isinstance(v, Path) else v for k, v in vars(options).items()},
        "rows": rows,
        "goals": [asdict(goal) for goal in goals(rows)],
        "failures": failures,
    }
    file.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"\nwritten to {file}")
    return 1 if failures else 0


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The options; a list of numbers is ``1,2,4``."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    ladder, utterance_ladder = [1, 2, 4, 8, 16, 24, 32], [40, 48]
    add("--calls", type=numbers, default=ladder, help="calls at once, with the peer or an engine")
    add("--utterance-calls", type=numbers, default=utterance_ladder, help="more, of whisper alone")
    add("--none-calls", type=numbers, default=[50, 100], help="calls at once, detectors only")
    add("--seconds", type=float, default=60.0, help="length of each call, 10 to 3600")
    add(
        "--engines",
        type=engines,
        default=[PEER, WHISPER, AUTO, NONE],
        help=f"{', '.join(_ENGINES)}; with {_BY_VOSK} behind it, by the vosk-server protocol",
    )
    add("--no-overload", action="store_true", help="leave out twice as many calls as are admitted")
    add("--customer-speech", type=float, default=0.4, help="share of the customer's channel")
    add("--agent-speech", type=float, default=0.0, help="share of the agent's channel")
    add("--seed", type=int, default=1, help="which sentences in which order")
    add("--json", type=Path, help="where the figures go")
    add("--models-dir", type=Path, help="models that are kept (default: joined anew each time)")
    add("--workers", type=int, help="worker processes that decode (default: one a core)")
    add("--profile", type=Path, help="sample the node's threads; one text file a row goes here")
    add("--quick", action="store_true", help="15 s, 2 calls, detectors only 20: a trial")
    options = parser.parse_args(arguments)
    if options.quick:
        options.calls, options.utterance_calls, options.none_calls = [2], [], [20]
        options.seconds, options.no_overload = 15.0, True
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
    known = {*_ENGINES, *(f"{name}{_BY_VOSK}" for name in _ENGINES if name != PEER)}
    if unknown := [name for name in found if name not in known]:
        raise argparse.ArgumentTypeError(
            f"{', '.join(unknown)}: not known; allowed are {', '.join(_ENGINES)},"
            f" all but {PEER} also with {_BY_VOSK} behind it"
        )
    return found


def ladder(options: argparse.Namespace, engine: str) -> list[int]:
    """How many calls the rows of ``engine`` have."""
    name = engine.removesuffix(_BY_VOSK)
    if name == NONE:
        calls: list[int] = options.none_calls
    elif name == WHISPER:
        calls = sorted({*options.calls, *options.utterance_calls})
    else:
        calls = options.calls
    return calls


class Run:
    """All rows; ``notes`` is what a reader must know of them, ``failures`` what went wrong."""

    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        self._options = options
        self._folder = folder
        self._models_dir = options.models_dir or folder / "models"
        clips = load_clips()
        self._has_speech = bool(clips)
        self._phrases: Path | None = None
        self.rows: list[dict[str, Any]] = []
        self.notes: list[str] = []
        self.failures: list[str] = []
        if clips:
            self._phrases = folder / "phrases.toml"
            self._phrases.write_text(phrase_file([clip.text for clip in clips]), encoding="utf-8")
            self.notes.append(
                f"audio: {len(clips)} sentences of real Korean speech, 8 kHz mu-law, 20 ms"
            )
        else:
            self.notes.append(
                f"audio: bursts of noise, as {SHARED_DATA} is not here: no words, no alerts"
            )

    def play_all(self) -> None:
        """Every engine with every number of calls, and more than it admits."""
        for engine in self._options.engines:
            if engine.removesuffix(_BY_VOSK) != NONE and not self._has_speech:
                self.notes.append(f"engine {engine} is left out: without speech there are no words")
                continue
            for calls in ladder(self._options, engine):
                self._play(engine, calls)
            if engine in {WHISPER, AUTO} and not self._options.no_overload:
                self._play_overload(engine)

    def _play_overload(self, engine: str) -> None:
        # Where the first such row takes more than any before it, twice as many is more again.
        for _ in range(2):
            calls = twice_admitted(self.rows, engine)
            if calls is None or not self._play(engine, calls):
                return
            if not self.rows[-1]["admission"]["refused"]:
                self.notes.append(f"{engine} x {calls}: no call was refused")
                return

    def _play(self, engine: str, calls: int) -> bool:
        """One row; whether it was played."""
        options = self._options
        print(f"{engine} x {calls} ...", file=sys.stderr, flush=True)
        load = Load(
            calls=calls,
            duration_s=options.seconds,
            is_speech=self._has_speech,
            customer_speech_ratio=options.customer_speech,
            agent_speech_ratio=options.agent_speech,
            seed=options.seed * 10_000,
        )
        folder = self._folder / f"{engine}-{calls}"
        try:
            played = (
                self._peer_row(load, folder) if engine == PEER else self._row(engine, load, folder)
            )
        except (ServerError, MamoriError, RuntimeError, OSError) as error:
            self.failures.append(f"{engine} x {calls}: {error}")
            return False
        self.rows.append({"engine": engine, **played})
        if failed := played["account"]["failed_calls"]:
            self.failures.append(f"{engine} x {calls}: {len(failed)} calls: {sorted(set(failed))}")
        return True

    def _peer_row(self, load: Load, folder: Path) -> dict[str, Any]:
        # The very model that a node would take.
        choice = choose(engine="vosk", languages=["ko"], models_dir=self._models_dir)
        with BenchPeer(folder / "peer", model_folder=choice.stream_models["ko"]) as peer:
            return {**measure(peer, load, folder), "log_troubles": peer.troubles}

    def _row(self, engine: str, load: Load, folder: Path) -> dict[str, Any]:
        """One row against a node of its own, and what the node said of its engines."""
        options = self._options
        program = [str(Path(sys.executable).with_name("mamori")), "serve"]
        if options.profile is not None:
            options.profile.mkdir(parents=True, exist_ok=True)
            output = options.profile.resolve() / f"{engine}-{load.calls}.txt"
            sampled = Path(__file__).with_name("sampled_node.py")
            program = [sys.executable, str(sampled), str(output), "serve"]
        node = BenchNode(
            folder / "node",
            program=program,
            engine=engine.removesuffix(_BY_VOSK),
            models_dir=self._models_dir,
            phrase_file=self._phrases,
            dialect=VOSK if engine.endswith(_BY_VOSK) else NATIVE,
            workers=options.workers,
        )
        with node:
            told = [line for line in node.said if line.startswith("speech recognition:")]
            if engine.removesuffix(_BY_VOSK) != NONE and not node.has_words:
                told.append(f"engine {engine} found no model: its rows have no words")
            self.notes += [line for line in told if line not in self.notes]
            found = measure(node, load, folder)
        return {"started_in_s": round(node.started_in_s, 2), **found, "log_troubles": node.troubles}


if __name__ == "__main__":
    sys.exit(main())
