"""``mamori`` with a thread that looks every few milliseconds at what each thread is doing.

``python bench/sampled_node.py OUTPUT.txt serve …``: at the end the output holds, for each kind of
thread, how often a function was at work itself and how often it was anywhere on the stack. Time
inside native code counts for the Python function that called it, so the event loop's waiting shows
as the function that runs the loop.
"""

from __future__ import annotations

import sys
import threading
import time
from collections import Counter, defaultdict
from pathlib import Path
from types import FrameType
from typing import Final

_EVERY_S: Final = 0.005
# So that the sampler gets its turn soon after its moment, also while Python is busy.
_SWITCH_INTERVAL_S: Final = 0.0005
_SHOWN: Final = 45


class Sampler:
    """Counts functions by thread until it is told to write them down."""

    def __init__(self) -> None:
        self._own: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._within: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._samples: Counter[str] = Counter()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sampler", daemon=True)
        self._cpu_s: float = 0.0

    def start(self) -> None:
        """Begin to look."""
        sys.setswitchinterval(_SWITCH_INTERVAL_S)
        self._thread.start()

    def stop(self, output: Path) -> None:
        """End, and write what was seen."""
        self._stopping.set()
        self._thread.join()
        output.write_text(self._text(), encoding="utf-8")

    def _run(self) -> None:
        myself = threading.get_ident()
        while not self._stopping.wait(_EVERY_S):
            names = {thread.ident: thread.name for thread in threading.enumerate()}
            for ident, frame in sys._current_frames().items():
                if ident != myself:
                    self._count(names.get(ident, "native").rstrip("0123456789_-"), frame)
        self._cpu_s = time.process_time()

    def _count(self, thread: str, frame: FrameType) -> None:
        self._samples[thread] += 1
        self._own[thread][f"{_name(frame)} line {frame.f_lineno}"] += 1
        seen = set()
        walker: FrameType | None = frame
        while walker is not None:
            seen.add(_name(walker))
            walker = walker.f_back
        self._within[thread].update(seen)

    def _text(self) -> str:
        lines = [f"process time {self._cpu_s:.1f} s, a sample every {_EVERY_S * 1000:g} ms"]
        for thread, samples in self._samples.most_common():
            lines.append(f"\n== {thread}: {samples} samples")
            for title, counts in (("itself", self._own[thread]), ("within", self._within[thread])):
                lines.append(f"-- {title}")
                lines += [
                    f"{100 * count / samples:6.2f} %  {name}"
                    for name, count in counts.most_common(_SHOWN)
                ]
        return "\n".join(lines) + "\n"


def _name(frame: FrameType) -> str:
    code = frame.f_code
    return f"{'/'.join(Path(code.co_filename).parts[-2:])}:{code.co_qualname}"


def main() -> None:
    """Run ``mamori`` with the arguments after the output file."""
    output = Path(sys.argv.pop(1))
    from mamori.monitor.cli.main import app

    sampler = Sampler()
    sampler.start()
    try:
        app()
    finally:
        sampler.stop(output)


if __name__ == "__main__":
    main()
