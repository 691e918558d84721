"""A worker: one thread that decodes one job after another until the node hangs up."""

from __future__ import annotations

import os
import socket
import time
from typing import Any

from mamori.monitor.recognition.port import RecognitionError
from mamori.monitor.recognition.workers.messages import (
    capabilities_to_json,
    engine_failed,
    error_to_json,
    job_of,
    reply_to_json,
)
from mamori.monitor.recognition.workers.process import queued_for_core_s, trim_heap
from mamori.monitor.recognition.workers.spec import EngineSet
from mamori.monitor.recognition.workers.wire import Frame, receive, send


def serve(sock: socket.socket, engines: EngineSet) -> None:
    """Start the engines, say ``ready`` (or ``failed``), and answer jobs until the socket ends.

    ``cpu_total_s`` of every message is the processor time of this process so far.
    """
    try:
        capabilities = engines.start()
    except Exception as error:  # the one boundary between an engine and the node
        send(sock, {"is": "failed", **error_to_json(_as_recognition_error(error)), **_cpu()})
        return
    trim_heap()
    send(sock, {"is": "ready", "capabilities": capabilities_to_json(capabilities), **_cpu()})
    while (frame := receive(sock)) is not None:
        send(sock, _answer(frame, engines))


def _answer(frame: Frame, engines: EngineSet) -> dict[str, Any]:
    queued_s = queued_for_core_s(os.getpid())
    cpu_s, wall_s = time.process_time(), time.perf_counter()
    try:
        reply = engines.decode(job_of(frame))
    except Exception as error:  # the one boundary between an engine and the node
        return {"is": "error", **error_to_json(_as_recognition_error(error)), **_cpu()}
    return {
        "is": "done",
        "reply": reply_to_json(reply),
        "cpu_s": time.process_time() - cpu_s,
        "wall_s": time.perf_counter() - wall_s,
        "queued_s": queued_for_core_s(os.getpid()) - queued_s,
        **_cpu(),
    }


def _cpu() -> dict[str, float]:
    return {"cpu_total_s": time.process_time()}


def _as_recognition_error(error: Exception) -> RecognitionError:
    return error if isinstance(error, RecognitionError) else engine_failed(error)
