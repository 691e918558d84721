#!/usr/bin/env python3
"""Measures what docs/detectors.md claims: ``tools/measure_detectors.py words|calls|voice``.

Prints the tables of the document, with 95 % Wilson intervals, from the recordings and lines of
``../shared/data`` through the stages that a call goes through. The same tables come every time, but
for the cost in CPU. Where the data are absent, one line says so and the exit code is 1. What is
recognised of speech is measured by ``tools/evaluate_speech.py``.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tools.measure import calls, voice, words
from tools.measure.data import NotHereError
from tools.measure.figures import Report

PARTS: Final[Mapping[str, Callable[[], Report]]] = {
    "words": words.measure,
    "calls": calls.measure,
    "voice": voice.measure,
}


def main(arguments: list[str] | None = None) -> int:
    """Measure, print, write; 1 where something that is needed is absent."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=[*PARTS, "all"])
    parser.add_argument("--json", type=Path, metavar="PATH", help="write the plain figures here")
    options = parser.parse_args(arguments)
    found: dict[str, Any] = {}
    for name in PARTS if options.part == "all" else [options.part]:
        began_s, cpu_s = time.monotonic(), time.process_time()
        try:
            report = PARTS[name]()
        except NotHereError as absent:
            print(f"{name}: {absent}", file=sys.stderr)
            return 1
        print(f"## {name}\n\n{report.markdown()}\n", flush=True)
        took_s, cpu_s = time.monotonic() - began_s, time.process_time() - cpu_s
        print(f"{name} took {took_s:.0f} s, {cpu_s:.0f} s of CPU", file=sys.stderr)
        found[name] = report.as_json()
    if options.json is not None:
        text = json.dumps(found, indent=1, ensure_ascii=False)
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(text + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
