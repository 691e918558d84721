"""Following one real call through every stage, to name the first that does not work."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import urlsplit

import numpy as np

from mamori.errors import MamoriError
from mamori.monitor.app.inbound import listening
from mamori.monitor.app.pipeline import Pipeline
from mamori.monitor.app.replay import parse_transcript
from mamori.monitor.demo import DEMO_CHANNELS, DemoCall, demo_calls
from mamori.monitor.events import (
    AlertRaised,
    CallEnded,
    Category,
    Channel,
    Detection,
    FinalHypothesis,
    JsonEvent,
    PhraseEvidence,
    SpeechStarted,
)
from mamori.telephony.client import SendReport, send_recording
from mamori.telephony.recording import Recording, read_recording

Step = Literal["port", "handshake", "key", "codec", "samples", "speech", "text", "rule", "alert"]
STEPS: Final[tuple[Step, ...]] = (
    "port",
    "handshake",
    "key",
    "codec",
    "samples",
    "speech",
    "text",
    "rule",
    "alert",
)
_CONNECT_S: Final = 3.0
# The excerpt lasts about five seconds; recognition of it and the commit take two at the most.
_CALL_S: Final = 20.0
_SILENCE_MS: Final = 700
_SERIOUS: Final = frozenset({Category.THREAT, Category.VIOLENCE})
# The client's error codes, by the step that they show to be broken.
_BROKEN_STEP: Final[dict[str, Step]] = {
    "not_reachable": "port",
    "bad_url": "handshake",
    "not_mamori": "handshake",
    "no_answer": "handshake",
    "refused_address": "handshake",
    "refused": "handshake",
    "bad_key": "key",
    "refused_key": "key",
    "unknown_encoding": "codec",
    "bad_sample_rate": "codec",
    "bad_channels": "codec",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """How one step went; ``detail`` is a code or a measured value, never a caller's words."""

    step: Step
    state: Literal["ok", "failed", "skipped"]
    detail: str = ""


async def diagnose(url: str, key: str, *, call_id: str) -> AsyncIterator[Finding]:
    """Each step in order, up to and including the first that fails.

    A short call with a threat is played in real time as ``call_id``; it leaves one alert behind.
    """
    try:
        await _connect(url)
    except (OSError, TimeoutError) as error:
        yield Finding("port", "failed", type(error).__name__)
        return
    yield Finding("port", "ok")
    call, recording = excerpt()
    events: list[JsonEvent] = []
    try:
        async with asyncio.timeout(_CALL_S):
            report = await _play(
                url,
                key,
                call=call,
                recording=recording,
                call_id=call_id,
                on_event=events.append,
            )
    except MamoriError as error:
        broken = _BROKEN_STEP.get(error.code, "samples")
        for step in STEPS[1 : STEPS.index(broken)]:
            yield Finding(step, "ok")
        yield Finding(broken, "failed", error.code)
        return
    except TimeoutError:
        yield Finding("handshake", "failed", "no_answer")
        return
    for step in ("handshake", "key", "codec"):
        yield Finding(step, "ok")
    for finding in judge(events, report, recording):
        yield finding
        if finding.state == "failed":
            return


def judge(events: list[JsonEvent], report: SendReport, recording: Recording) -> list[Finding]:
    """What the call's own events say of the steps from ``samples`` on."""
    sent = len(recording.channels[0])
    received = _received(events)
    finals = [e for e in events if isinstance(e, FinalHypothesis)]
    rules = [e for e in events if isinstance(e, Detection)]
    worded = [e for e in rules if isinstance(e.evidence, PhraseEvidence)]
    speech = any(isinstance(e, SpeechStarted) and e.channel is Channel.CUSTOMER for e in events)
    raised = [e for e in events if isinstance(e, AlertRaised)]
    return [
        _found("samples", received == sent, f"{received}/{sent}"),
        _found("speech", speech, ""),
        _found("text", bool(finals), finals[0].engine if finals else "no_words"),
        _found("rule", bool(worded), worded[0].rule if worded else "no_match"),
        _found("alert", bool(raised), raised[0].category if raised else "no_alert"),
    ]


def excerpt() -> tuple[DemoCall, Recording]:
    """The demo call's threat alone, with silence around it."""
    call = next(call for call in demo_calls() if _SERIOUS & call.expected)
    whole = read_recording(call.file)
    rate_hz = whole.sample_rate_hz
    start_ms, end_ms = _threatening_turn(call)
    silence = np.zeros(_SILENCE_MS * rate_hz // 1000, np.int16)
    cut = slice(start_ms * rate_hz // 1000, end_ms * rate_hz // 1000)
    channels = tuple(np.concatenate([silence, pcm[cut], silence]) for pcm in whole.channels)
    return call, Recording(
        channels=channels,
        sample_rate_hz=rate_hz,
        source_encoding=whole.source_encoding,
    )


def _threatening_turn(call: DemoCall) -> tuple[int, int]:
    """Start and end of the first turn in which the rules find a serious category."""
    matcher = Pipeline.load(languages=[call.language]).matchers[call.language]
    lines = call.transcript.read_text(encoding="utf-8").split("\n")
    for turn in parse_transcript(lines, call.transcript.name):
        categories = {match.category for match in matcher.match(turn.text)}
        if turn.channel is Channel.CUSTOMER and turn.end_s and categories & _SERIOUS:
            return round(turn.start_s * 1000), round(turn.end_s * 1000)
    raise MamoriError("no_rule", f"the rules find nothing serious in {call.transcript.name}")


def _found(step: Step, is_there: bool, detail: str) -> Finding:
    return Finding(step, "ok" if is_there else "failed", detail)


def _received(events: list[JsonEvent]) -> int:
    for event in events:
        if isinstance(event, CallEnded):
            return event.ledger[0].received_samples if event.ledger else 0
    return 0


async def _connect(url: str) -> None:
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "wss" else 80)
    async with asyncio.timeout(_CONNECT_S):
        _, writer = await asyncio.open_connection(parts.hostname, port)
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()


async def _play(
    url: str,
    key: str,
    *,
    call: DemoCall,
    recording: Recording,
    call_id: str,
    on_event: Callable[[JsonEvent], None],
) -> SendReport:
    return await send_recording(
        url,
        key,
        recording,
        call_id=call_id,
        channels=DEMO_CHANNELS,
        encoding="mulaw",
        language=call.language,
        agent_id="doctor",
        want_events=True,
        on_event=listening(on_event),
    )
