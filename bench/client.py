"""The load: a process of its own that sends calls in real time and notes what comes back and when.

``python bench/client.py JOB.json``: prints ``ready`` when its calls are made, begins at the first
line on standard input, and writes the result to the file that the job names. Words stay out of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import importlib.util
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.speech import BenchCall, build_call, load_clips, noise_clips
from bench.talk import CHUNK_MS, CHUNK_SAMPLES, NATIVE, make_talk
from bench.wire import HandshakeRefused, Wire, binary_frame, open_wire
from websockets.exceptions import WebSocketException

from mamori.telephony.codecs import decode, encode, interleave

_TAKEN_TIMEOUT_S: Final = 30.0
# A server without admission may have minutes of audio before it when the last sample is sent.
_FINISHED_TIMEOUT_S: Final = 300.0
_FULL: Final = frozenset({429, 503})


class Call:
    """One call on one connection."""

    def __init__(self, job: dict[str, Any], number: int, call: BenchCall) -> None:
        self.call_id = f"{job['name']}-{number:03}"
        self._url = job["url"].format(call_id=self.call_id)
        self._headers = {"Authorization": f"Bearer {job['key']}"} if job["key"] else {}
        self._talk = make_talk(job["dialect"], self.call_id)
        self._frames = _frames(call, both=job["dialect"] == NATIVE)
        self._voiced = {
            "customer": call.customer_voiced.tolist(),
            "agent": call.agent_voiced.tolist(),
        }
        self._speech = {
            "customer_ratio": call.customer_speech_ratio,
            "agent_ratio": call.agent_speech_ratio,
            "sentences": call.sentences,
        }
        self._sent_s: list[float] = []
        self._may_speak = asyncio.Event()
        self._all_sent = asyncio.Event()
        self._finished = asyncio.Event()

    async def run(self, begin_s: float) -> None:
        """Send the call from ``begin_s`` on; the result tells of refusal and failure."""
        notes = self._talk.notes
        try:
            await asyncio.sleep(max(0.0, begin_s - time.monotonic()))
            wire = await open_wire(self._url, self._headers, self._listen)
        except HandshakeRefused as refused:
            if refused.status in _FULL:
                notes.refused(f"http_{refused.status}", refused.retry_after_s)
            else:
                notes.failure = f"handshake answered with {refused.status}"
            return
        except (OSError, TimeoutError, WebSocketException) as error:
            notes.failure = f"{type(error).__name__}: {error}"
            return
        try:
            await self._talk_on(wire)
        except TimeoutError:
            notes.failure = "call not taken" if not self._sent_s else "call not finished"
        finally:
            wire.abort()

    def result(self) -> dict[str, Any]:
        """All that is known of the call, ready for JSON."""
        notes = self._talk.notes
        return {
            "call_id": self.call_id,
            "sent_s": self._sent_s,
            "sent_samples": len(self._sent_s) * CHUNK_SAMPLES,
            "speech": self._speech,
            "voiced": self._voiced,
            "events": notes.events,
            "partials": notes.partials,
            "dropped_events": notes.dropped_events,
            "ledger": notes.ledger,
            "refusal": notes.refusal,
            "failure": notes.failure,
            "reply_lags_s": notes.reply_lags_s,
        }

    async def _talk_on(self, wire: Wire) -> None:
        wire.closed.add_done_callback(self._closed)
        wire.send_text(self._talk.opening)
        if self._talk.may_speak:
            self._may_speak.set()
        async with asyncio.timeout(_TAKEN_TIMEOUT_S):
            await self._may_speak.wait()
        if self._finished.is_set():
            return
        self._speak(wire)
        await self._all_sent.wait()
        if not self._finished.is_set():
            wire.send_text(self._talk.closing)
        async with asyncio.timeout(_FINISHED_TIMEOUT_S):
            await self._finished.wait()

    def _listen(self, text: str) -> None:
        self._talk.take(text, time.monotonic(), self._sent_s)
        if self._talk.may_speak:
            self._may_speak.set()

    def _closed(self, closed: asyncio.Future[int | None]) -> None:
        self._talk.closed(closed.result())
        for waited in (self._finished, self._may_speak, self._all_sent):
            waited.set()

    def _speak(self, wire: Wire) -> None:
        """One callback a message instead of a task that wakes: this happens 2000 times a second."""
        loop = asyncio.get_running_loop()
        first_s = time.monotonic()
        frames, sent_s = self._frames, self._sent_s

        def send() -> None:
            if self._finished.is_set():
                return
            now_s = time.monotonic()
            # A chunk leaves when its last sample would have been spoken; what is late, at once.
            number = len(sent_s)
            while number < len(frames) and first_s + (number + 1) * CHUNK_MS / 1000 <= now_s + 5e-4:
                sent_s.append(now_s)
                wire.write(frames[number])
                number += 1
            if number == len(frames):
                self._all_sent.set()
            else:
                loop.call_later(first_s + (number + 1) * CHUNK_MS / 1000 - now_s, send)

        loop.call_later(CHUNK_MS / 1000, send)


def _frames(call: BenchCall, *, both: bool) -> list[bytes]:
    """The call's messages: both channels as mu-law, or what mu-law leaves of the customer's."""
    if both:
        audio, sample_bytes = encode("mulaw", interleave([call.customer, call.agent])), 2
    else:
        heard = decode("mulaw", encode("mulaw", call.customer))
        audio, sample_bytes = encode("pcm_s16le", heard), 2
    size = CHUNK_SAMPLES * sample_bytes
    return [binary_frame(audio[at : at + size]) for at in range(0, len(audio), size)]


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
    """All calls; they begin evenly over ``stagger_s``, as no two callers ring at once."""
    begin_s = time.monotonic()
    spacing_s = job["stagger_s"] / len(calls)
    await asyncio.gather(*(call.run(begin_s + n * spacing_s) for n, call in enumerate(calls)))


def main() -> None:
    """Make the calls, wait for the word, play them, write the result."""
    job = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    calls = make_calls(job)
    # A hundred thousand prepared messages: nothing to look through again and again.
    gc.collect()
    gc.freeze()
    print("ready", flush=True)
    sys.stdin.readline()
    before = os.times()
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(play(job, calls))
    after = os.times()
    result = {
        "cpu_s": after.user + after.system - before.user - before.system,
        "calls": [call.result() for call in calls],
    }
    Path(job["result"]).write_text(json.dumps(result), encoding="utf-8")


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    if importlib.util.find_spec("uvloop") is None:
        return None
    import uvloop

    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main()
