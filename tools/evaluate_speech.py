#!/usr/bin/env python3
"""Measures what docs/detectors.md claims of recognition: ``make evaluate-speech``.

    tools/evaluate_speech.py [texts|sounds|shouting ...] [--quick] [--json PATH]

Each engine as a node runs it, on the recordings of ``../shared/data`` and on synthesised Japanese,
over three lines: 16 kHz, 8 kHz mu-law, and mu-law within the telephone band. ``texts`` are
character error and phrases, ``sounds`` words where nobody speaks, ``shouting`` abuse that is lost.
Prints the tables of the document and whether each goal is met; ``--quick`` takes one recording in
ten, which shows that all works and nothing more. For each set or model that is absent one line
says so on standard error, and the rest is measured; the exit code is 1 where nothing could be.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tools.measure.speech import measure
from tools.measure.speech_plan import PARTS, QUICK_EVERY


def main(arguments: list[str] | None = None) -> int:
    """Measure, print, write; 1 where nothing could be measured."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)}; all of them")
    parser.add_argument("--quick", action="store_true", help=f"one recording in {QUICK_EVERY}")
    parser.add_argument("--json", type=Path, metavar="PATH", help="write the plain figures here")
    options = parser.parse_args(arguments)
    unknown = [part for part in options.parts if part not in PARTS]
    if unknown:
        parser.error(f"{unknown[0]!r} is no part (allowed: {', '.join(PARTS)})")
    began_s = time.monotonic()
    report, done = measure(
        options.parts or PARTS, tell=_tell, every=QUICK_EVERY if options.quick else 1
    )
    if not done.jobs:
        return 1
    print(report.markdown(), flush=True)
    _tell(f"took {time.monotonic() - began_s:.0f} s, {_cpu_s():.0f} s of processor time")
    if options.json is not None:
        figures = report.as_json() | {"absent": list(done.absent)}
        options.json.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(figures, indent=1, ensure_ascii=False)
        options.json.write_text(text + "\n", encoding="utf-8")
    return 0


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _cpu_s() -> float:
    """This process and the ones it has waited for."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


if __name__ == "__main__":
    sys.exit(main())
