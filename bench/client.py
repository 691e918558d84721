"""The load: a process of its own that sends calls in real time and notes what comes back and when.

``python bench/client.py JOB.json``: prints ``ready`` when its calls are made, begins at the first
line on standard input, and writes the result to the file that the job names. Words stay out of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.speech import SAMPLE_RATE_HZ, BenchCall, build_call, load_clips, noise_clips
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from mamori.telephony.codecs import encode, interleave

CHUNK_MS: Final = 20
"""What telephone systems send."""
CHUNK_SAMPLES: Final = SAMPLE_RATE_HZ * CHUNK_MS // 1000
_CHUNK_BYTES: Final = CHUNK_SAMPLES * 2  # one byte a sample, two channels
# A node that is far behind may still decode its backlog of 10 s on every channel.
_STOPPED_TIMEOUT_S: Final = 180.0
# The times and places of an event; its words stay where they are.
_KEPT: Final = ("type", "channel", "utterance_id", "offset_ms", "end_offset_ms", "cause", "engine")


class Call:
    """One call on one connection."""

    def __init__(self, job: dict[str, Any], number: int, call: BenchCall) -> None:
        self.call_id = f"{job['name']}-{number:03}"
        self._job = job
        self._audio = encode("mulaw", interleave([call.customer, call.agent]))
        self._voiced = {
            "customer": call.customer_voiced.tolist(),
            "agent": call.agent_voiced.tolist(),
        }
        self._sentences = call.sentences
        self._sent_s: list[float] = []
        self._events: list[dict[str, Any]] = []
        self._dropped_events = 0
        self._ledger: list[dict[str, Any]] = []
        self._failure: str | None = None
        self._started = asyncio.Event()

    async def run(self, begin_s: float) -> None:
        """Send the call from ``begin_s`` on; a failure is kept and told in the result."""
        try:
            await asyncio.sleep(max(0.0, begin_s - time.monotonic()))
            async with connect(
                self._job["url"],
                additional_headers={"Authorization": f"Bearer {self._job['key']}"},
                compression=None,
                proxy=None,
            ) as socket:
                listening = asyncio.create_task(self._listen(socket))
                await socket.send(json.dumps(self._start()))
                await asyncio.wait_for(self._started.wait(), 30)
                await self._speak(socket)
                async with asyncio.timeout(_STOPPED_TIMEOUT_S):
                    await listening
        except (OSError, TimeoutError, WebSocketException) as error:
            self._failure = f"{type(error).__name__}: {error}"

    def result(self) -> dict[str, Any]:
        """All that is known of the call, ready for JSON."""
        return {
            "call_id": self.call_id,
            "sent_s": self._sent_s,
            "sent_samples": len(self._sent_s) * CHUNK_SAMPLES,
            "sentences": self._sentences,
            "voiced": self._voiced,
            "events": self._events,
            "dropped_events": self._dropped_events,
            "ledger": self._ledger,
            "failure": self._failure,
        }

    def _start(self) -> dict[str, Any]:
        media = {
            "encoding": "mulaw",
            "sample_rate_hz": SAMPLE_RATE_HZ,
            "channels": ["customer", "agent"],
        }
        return {
            "type": "start",
            "version": 1,
            "call_id": self.call_id,
            "media": media,
            "language": "ko",
            "events": True,
        }

    async def _speak(self, socket: ClientConnection) -> None:
        first_s = time.monotonic()
        for number, chunk in enumerate(self._chunks(), start=1):
            # A chunk leaves when its last sample would have been spoken.
            early_s = first_s + number * CHUNK_MS / 1000 - time.monotonic()
            if early_s > 0:
                await asyncio.sleep(early_s)
            self._sent_s.append(time.monotonic())
            await socket.send(chunk)
        await socket.send('{"type":"stop"}')

    def _chunks(self) -> Iterator[bytes]:
        for start in range(0, len(self._audio), _CHUNK_BYTES):
            yield self._audio[start : start + _CHUNK_BYTES]

    async def _listen(self, socket: ClientConnection) -> None:
        async for text in socket:
            arrived_s = time.monotonic()
            message = json.loads(text)
            match message["type"]:
                case "started":
                    self._started.set()
                case "stopped":
                    self._ledger = message["ledger"]
                case "error":
                    self._failure = message["code"]
                case "events_dropped":
                    self._dropped_events += message["count"]
                case _:
                    kept = {key: message[key] for key in _KEPT if key in message}
                    self._events.append(kept | {"arrived_s": arrived_s})


def make_calls(job: dict[str, Any]) -> list[Call]:
    """The job's calls, the same for the same seed."""
    clips = load_clips() if job["speech"] else noise_clips()
    return [
        Call(
            job,
            number,
            build_call(
                clips,
                duration_s=job["duration_s"],
                seed=job["seed"] + number,
                customer_speech_ratio=job["customer_speech_ratio"],
                agent_speech_ratio=job["agent_speech_ratio"],
            ),
        )
        for number in range(job["calls"])
    ]


async def play(job: dict[str, Any], calls: list[Call]) -> None:
    """All calls; they begin evenly over the first ``stagger_s``, as no two callers ring at once."""
    begin_s = time.monotonic()
    spacing_s = job["stagger_s"] / len(calls)
    await asyncio.gather(*(call.run(begin_s + n * spacing_s) for n, call in enumerate(calls)))


def main() -> None:
    """Make the calls, wait for the word, play them, write the result."""
    job = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    calls = make_calls(job)
    print("ready", flush=True)
    sys.stdin.readline()
    before = os.times()
    factory = None
    if importlib.util.find_spec("uvloop") is not None:
        import uvloop

        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(play(job, calls))
    after = os.times()
    result = {
        "cpu_s": after.user + after.system - before.user - before.system,
        "calls": [call.result() for call in calls],
    }
    Path(job["result"]).write_text(json.dumps(result), encoding="utf-8")


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main()
