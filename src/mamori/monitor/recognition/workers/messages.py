"""Jobs, answers and errors as frames."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from mamori.monitor.events import Pcm
from mamori.monitor.recognition.port import (
    Depth,
    EngineCapabilities,
    EngineKind,
    Job,
    LiveText,
    ReadJob,
    RecognitionError,
    Reply,
    StreamJob,
    StreamReply,
    Transcript,
    TranscriptWord,
)
from mamori.monitor.recognition.workers.wire import Frame, FrameError, pack_head


def pack_job(job: Job) -> tuple[bytes, bytes]:
    """A job as the head of its frame and the body, in the byte order of this machine."""
    pcm = np.ascontiguousarray(job.pcm, np.int16)
    common = {"language": job.language, "sample_rate_hz": job.sample_rate_hz}
    if isinstance(job, ReadJob):
        header = {"job": "read", **common, "depth": job.depth, "phrases": job.phrases}
    else:
        header = {
            "job": "stream",
            **common,
            "slot": job.slot,
            "voice": job.voice,
            "begins": job.begins,
            "finishes": job.finishes,
        }
    return pack_head(header, pcm.nbytes), pcm.tobytes()


def job_of(frame: Frame) -> Job:
    """The job of a frame, its audio read-only; FrameError."""
    fields = frame.header
    try:
        pcm: Pcm = np.frombuffer(frame.body, np.int16)
        if fields["job"] == "read":
            return ReadJob(
                pcm=pcm,
                language=fields["language"],
                sample_rate_hz=fields["sample_rate_hz"],
                depth=Depth(fields["depth"]),
                phrases=tuple(fields["phrases"]),
            )
        return StreamJob(
            pcm=pcm,
            language=fields["language"],
            sample_rate_hz=fields["sample_rate_hz"],
            slot=fields["slot"],
            voice=fields["voice"],
            begins=fields["begins"],
            finishes=fields["finishes"],
        )
    except (KeyError, TypeError, ValueError) as error:
        raise FrameError(f"a frame holds no job: {type(error).__name__}") from None


def reply_to_json(reply: Reply) -> dict[str, Any]:
    """A JSON object that ``reply_of`` reads."""
    if isinstance(reply, Transcript):
        return {"transcript": asdict(reply)}
    return {
        "live": asdict(reply.live),
        "transcript": None if reply.transcript is None else asdict(reply.transcript),
    }


def reply_of(fields: Mapping[str, Any]) -> Reply:
    """The reply that ``reply_to_json`` wrote; FrameError."""
    try:
        written = fields["transcript"]
        if "live" not in fields:
            return _transcript(written)
        live = fields["live"]
        return StreamReply(
            live=LiveText(text=live["text"], hints=tuple(live["hints"])),
            transcript=None if written is None else _transcript(written),
        )
    except (KeyError, TypeError) as error:
        raise FrameError(f"a frame holds no reply: {type(error).__name__}") from None


def error_to_json(error: RecognitionError) -> dict[str, Any]:
    """A JSON object that ``error_of`` reads."""
    return {"code": error.code, "message": str(error), "recoverable": error.recoverable}


def error_of(fields: Mapping[str, Any]) -> RecognitionError:
    """The error that ``error_to_json`` wrote."""
    return RecognitionError(
        str(fields.get("code")),
        str(fields.get("message")),
        recoverable=bool(fields.get("recoverable")),
    )


def engine_failed(error: Exception) -> RecognitionError:
    """What is said of an exception nobody expected: its type, for its text may hold words."""
    return RecognitionError(
        "engine_failed", f"the engine raised {type(error).__name__}", recoverable=True
    )


def capabilities_to_json(capabilities: tuple[EngineCapabilities, ...]) -> list[dict[str, Any]]:
    """A JSON array that ``capabilities_of`` reads."""
    return [{**asdict(engine), "languages": sorted(engine.languages)} for engine in capabilities]


def capabilities_of(engines: Iterable[Mapping[str, Any]]) -> tuple[EngineCapabilities, ...]:
    """The capabilities that ``capabilities_to_json`` wrote."""
    return tuple(
        EngineCapabilities(
            name=engine["name"],
            kind=EngineKind(engine["kind"]),
            languages=frozenset(engine["languages"]),
            word_times=engine["word_times"],
        )
        for engine in engines
    )


def _transcript(fields: Mapping[str, Any]) -> Transcript:
    return Transcript(
        text=fields["text"],
        words=tuple(TranscriptWord(**word) for word in fields["words"]),
        confidence=fields["confidence"],
        marks=tuple(fields["marks"]),
    )
