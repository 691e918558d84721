"""Memory over one long call: hours of real speech through the real engines at high speed.

``python bench/long_call.py --engines vosk,whisper``: for each engine a table of what every process
takes after each ten minutes of audio, and its growth for each hour after the first ten minutes.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import structlog
from bench.growth import REPLACED_BYTES, Sample, drops, slopes
from bench.machine import machine, machine_line
from bench.report import table
from bench.speech import SAMPLE_RATE_HZ, SHARED_DATA, Clip, build_call, load_clips, make_clip
from bench.tree import pss_bytes

from mamori.errors import MamoriError
from mamori.monitor.app.engines import choose
from mamori.monitor.app.pipeline import Pipeline
from mamori.monitor.app.replay import Deliver, Lane, Pace, replay_audio
from mamori.monitor.events import CallStarted, Channel, FinalHypothesis, JsonEvent, Pcm
from mamori.monitor.recognition.config import RecognitionConfig
from mamori.monitor.recognition.dependencies import WorkersListener
from mamori.monitor.recognition.selection import EngineChoice
from mamori.monitor.recognition.service import RecognitionService
from mamori.monitor.recognition.workers.pool import WorkerPool
from mamori.monitor.recognition.workers.spec import EngineSpec

_ENGINES: Final = ("vosk", "whisper", "auto")
_MEBIBYTE: Final = 2**20
# There are some minutes of different speech; said faster or slower it is not the same again.
_TEMPO: Final = (0.92, 1.08)
_BLOCK_S: Final = 1200.0


class Sampler:
    """A clock of media time that moves in steps, and looks at every process at each of them."""

    def __init__(self, every_s: float, processes: Callable[[], Mapping[str, int]]) -> None:
        self._every_s = every_s
        self._processes = processes
        self._next_s = 0.0
        self.samples: list[Sample] = []

    def pace(self) -> Pace:
        """The pace of a replay that never waits and is sampled on its way."""
        return Pace(speed=1.0, clock_s=lambda: self._next_s, sleep=self._step)

    def take(self, at_s: float) -> None:
        """Look now."""
        taken = {}
        for name, pid in self._processes().items():
            try:
                taken[name] = pss_bytes(pid)
            except OSError:  # it has just ended
                continue
        self.samples.append(Sample(at_s=at_s, pss_bytes=taken))
        print(f"  {at_s / 60:.0f} min: {_mib(self.samples[-1].total_bytes)} MiB", file=sys.stderr)

    async def _step(self, _ahead_s: float) -> None:
        self.take(self._next_s)
        self._next_s += self._every_s


class LongCall:
    """One call through one engine, with a pool of its own."""

    def __init__(self, choice: EngineChoice, options: argparse.Namespace) -> None:
        self._options = options
        self._spec = EngineSpec(
            stream_models=choice.stream_models,
            utterance_model=choice.utterance_model,
            **(
                {} if options.cap_mib is None else {"memory_cap_bytes": options.cap_mib * _MEBIBYTE}
            ),
        )
        self._pool: WorkerPool | None = None
        self._workers: set[int] = set()
        self._finals = 0

    async def run(self, channels: list[Pcm]) -> dict[str, Any]:
        """Play it; figures ready for JSON."""
        options = self._options
        sampler = Sampler(options.every_min * 60, self._processes)
        service = RecognitionService(self._make, config=RecognitionConfig(offline=True))
        started = CallStarted(
            call_id="long",
            tenant="bench",
            dialect="replay",
            channels=(Channel.CUSTOMER, Channel.AGENT),
            encoding="mulaw",
            sample_rate_hz=SAMPLE_RATE_HZ,
            language="ko",
        )

        def open_lanes(deliver: Deliver) -> Mapping[Channel, Lane]:
            return service.open_call(
                call_id=started.call_id,
                channels=started.channels,
                language=started.language,
                sample_rate_hz=started.sample_rate_hz,
                deliver=deliver,
            ).lanes

        await service.start()
        began_s, began_cpu_s = time.monotonic(), _cpu_s(service)
        try:
            session = Pipeline.load(languages=["ko"]).session(started, alert_id_prefix="long")
            await replay_audio(
                session, channels, open_lanes=open_lanes, pace=sampler.pace(), show=self._show
            )
            sampler.take(options.hours * 3600)
            cpu_s = _cpu_s(service) - began_cpu_s
        finally:
            await service.stop()
        workers = [f"worker {number}" for number in sorted(self._workers)]
        return {
            "samples": [
                {"at_s": sample.at_s, "pss_bytes": dict(sample.pss_bytes)}
                for sample in sampler.samples
            ],
            "slopes_bytes_per_hour": slopes(sampler.samples, options.every_min * 60),
            "replaced": drops(sampler.samples, workers, REPLACED_BYTES),
            # One more is the spare, and each further one took the place of one that was lost.
            "workers_lost": max(0, len(workers) - options.workers - 1),
            "finals": self._finals,
            "cpu_s": cpu_s,
            "wall_s": time.monotonic() - began_s,
        }

    def _make(self, listener: WorkersListener) -> WorkerPool:
        self._pool = WorkerPool(self._spec, workers=self._options.workers, listener=listener)
        return self._pool

    def _processes(self) -> dict[str, int]:
        assert self._pool is not None
        found = {"node": os.getpid()}
        for worker_id, pid in self._pool.processes():
            if worker_id is None:
                found["template"] = pid
            else:
                self._workers.add(worker_id)
                found[f"worker {worker_id}"] = pid
        return found

    def _show(self, event: JsonEvent) -> None:
        self._finals += isinstance(event, FinalHypothesis)


def long_audio(clips: list[Clip], *, duration_s: float, seed: int) -> list[Pcm]:
    """Both channels of a call of ``duration_s``: the customer speaks 40 % of the time.

    Every block of it has its own order of sentences, and its own tempo of each.
    """
    random = np.random.default_rng(seed)
    channels: list[list[Pcm]] = [[], []]
    left_s, block = duration_s, 0
    while left_s > 0:
        call = build_call(
            [_at_tempo(clip, random.uniform(*_TEMPO)) for clip in clips],
            duration_s=min(left_s, _BLOCK_S),
            seed=seed + block,
            customer_speech_ratio=0.4,
            agent_speech_ratio=0.0,
        )
        channels[0].append(call.customer)
        channels[1].append(call.agent)
        left_s, block = left_s - _BLOCK_S, block + 1
    return [np.concatenate(pieces) for pieces in channels]


def _at_tempo(clip: Clip, tempo: float) -> Clip:
    """The sentence said faster (``tempo`` above 1) or slower, and higher or lower with it."""
    places = np.arange(0, len(clip.pcm) - 1, tempo)
    pcm = np.rint(np.interp(places, np.arange(len(clip.pcm)), clip.pcm)).astype(np.int16)
    return make_clip(pcm, clip.text)


def report(engine: str, found: dict[str, Any]) -> str:
    """The table of one engine."""
    names = list(dict.fromkeys(n for sample in found["samples"] for n in sample["pss_bytes"]))
    lines = []
    for sample in found["samples"]:
        taken = sample["pss_bytes"]
        cells = [_mib(taken[name]) if name in taken else "-" for name in names]
        lines.append([f"{sample['at_s'] / 60:.0f}", *cells, _mib(sum(taken.values()))])
    growth = found["slopes_bytes_per_hour"]
    lines.append(["MiB/h", *(_mib(growth.get(name), 1) for name in names), _mib(growth["all"], 1)])
    return (
        f"{engine}: PSS in MiB by minutes of audio\n"
        f"{table(['min', *names, 'all'], lines)}\n"
        f"{found['finals']} finals; workers gave {REPLACED_BYTES // _MEBIBYTE} MiB or more back"
        f" {found['replaced']} times; workers lost: {found['workers_lost']};"
        f" {found['cpu_s']:.0f} s of processor time in {found['wall_s']:.0f} s\n"
    )


def _mib(value: float | None, digits: int = 0) -> str:
    return "-" if value is None else f"{value / _MEBIBYTE:.{digits}f}"


def _cpu_s(service: RecognitionService) -> float:
    return time.process_time() + service.cpu_s


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--engines", default="vosk,whisper", help=f"of {', '.join(_ENGINES)}")
    add("--hours", type=float, default=3.0, help="of audio, 0.05 to 24")
    add("--every-min", type=float, default=10.0, help="of audio between two looks, 0.5 to 60")
    add("--workers", type=int, default=1, help="one has all of the call's speech")
    add("--cap-mib", type=int, help="replace recognisers past this memory of a worker")
    add("--seed", type=int, default=1, help="which sentences in which order")
    add("--json", type=Path, help="where the figures go")
    add("--models-dir", type=Path, help="models that are kept (default: joined anew)")
    options = parser.parse_args(arguments)
    options.engines = options.engines.split(",")
    if unknown := [name for name in options.engines if name not in _ENGINES]:
        parser.error(f"--engines: {', '.join(unknown)}: allowed are {', '.join(_ENGINES)}")
    for name, low, high in (("hours", 0.05, 24), ("every_min", 0.5, 60), ("workers", 1, 64)):
        if not low <= getattr(options, name) <= high:
            parser.error(f"--{name.replace('_', '-')} must be in [{low}, {high}]")
    if options.cap_mib is not None and options.cap_mib < 1:
        parser.error("--cap-mib must be at least 1")
    return options


def main(arguments: list[str] | None = None) -> int:
    """Every engine in turn; 1 where one could not be run, 2 without recordings."""
    options = parse(arguments)
    clips = load_clips()
    if not clips:
        print(f"the recordings are not here: {SHARED_DATA}", file=sys.stderr)
        return 2
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    print(f"machine: {machine_line(machine())}\n")
    channels = long_audio(clips, duration_s=options.hours * 3600, seed=options.seed)
    results: dict[str, Any] = {}
    is_failed = False
    with tempfile.TemporaryDirectory(prefix="mamori-long-call-") as folder:
        for engine in options.engines:
            print(f"{engine} ...", file=sys.stderr, flush=True)
            try:
                models_dir = options.models_dir or Path(folder)
                choice = choose(engine=engine, languages=["ko"], models_dir=models_dir)
                results[engine] = asyncio.run(LongCall(choice, options).run(channels))
            except MamoriError as error:
                print(f"FAILED {engine}: {error}", file=sys.stderr)
                is_failed = True
                continue
            print(report(engine, results[engine]), flush=True)
    if options.json is not None:
        options.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    return 1 if is_failed else 0


if __name__ == "__main__":
    sys.exit(main())
