"""What Mamori is compared with: one recogniser per connection, every frame decoded, no gate.

``python bench/peer.py MODEL_FOLDER PORT``: prints ``ready`` when it listens, and serves until it is
told to stop. It speaks the vosk-server protocol and works as that server does: a recogniser is made
on the event loop for each connection, every message goes through a pool of a thread for each core
and is answered before the next one is read, and a final comes when Kaldi's own endpoint is there.
Pings are switched off, so that a call that is minutes behind is late and not cut.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import vosk
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

HOST: Final = "127.0.0.1"


class Peer:
    """All connections on one model."""

    def __init__(self, model_folder: Path, threads: int) -> None:
        vosk.SetLogLevel(-1)
        self._model = vosk.Model(str(model_folder))
        self._pool = ThreadPoolExecutor(threads)

    async def serve_call(self, socket: ServerConnection) -> None:
        """One connection: its settings, then audio until ``eof``."""
        loop = asyncio.get_running_loop()
        rate_hz, words = 8000, False
        recogniser: Any = None
        with contextlib.suppress(ConnectionClosed):
            async for message in socket:
                if isinstance(message, str) and "config" in message:
                    config = json.loads(message)["config"]
                    rate_hz = int(config.get("sample_rate", rate_hz))
                    words = bool(config.get("words", words))
                    continue
                if recogniser is None:
                    recogniser = vosk.KaldiRecognizer(self._model, rate_hz)
                    recogniser.SetWords(words)
                answer, is_end = await loop.run_in_executor(
                    self._pool, answer_to, recogniser, message
                )
                await socket.send(answer)
                if is_end:
                    break


def answer_to(recogniser: Any, message: str | bytes) -> tuple[str, bool]:
    """What a message is answered with, and whether the call is over."""
    if isinstance(message, str):
        return recogniser.FinalResult(), True
    if recogniser.AcceptWaveform(message):
        return recogniser.Result(), False
    return recogniser.PartialResult(), False


async def run(model_folder: Path, port: int) -> None:
    """Serve until SIGTERM or SIGINT."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    peer = Peer(model_folder, threads=os.cpu_count() or 1)
    async with serve(peer.serve_call, HOST, port, compression=None, ping_interval=None):
        print("ready", flush=True)
        await stopping.wait()
    # Threads may be in the middle of a long backlog.
    os._exit(0)


if __name__ == "__main__":
    asyncio.run(run(Path(sys.argv[1]), int(sys.argv[2])))
