"""Recordings and transcripts through the same session as live calls, at any speed."""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from mamori.config.problems import describe
from mamori.errors import ConfigError
from mamori.monitor.app.calls import Listener
from mamori.monitor.events import (
    AudioFrame,
    CallStarted,
    Channel,
    EndReason,
    Event,
    FinalHypothesis,
    JsonEvent,
    Pcm,
    SpeechAudio,
    SpeechEnded,
    SpeechEvent,
    SpeechStarted,
)
from mamori.monitor.session import CallSession

FRAME_MS: Final = 20
Deliver = Callable[[Sequence[JsonEvent]], None]


class Lane(Protocol):
    """Recognition of one channel, as ``recognition/lane.py`` gives it."""

    def submit(self, event: SpeechEvent) -> None:
        """Queue speech; never blocks."""
        ...

    async def drain(self) -> None:
        """Return once everything that was submitted is decoded and delivered."""
        ...

    async def close(self) -> None:
        """Give back what the lane holds."""
        ...


OpenLanes = Callable[[Deliver], Mapping[Channel, Lane]]
"""Opens recognition of the call: a lane for each of its channels."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Waits until media time has come at ``speed`` times real time; ``max`` never waits."""

    speed: float | None
    clock_s: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    def begin(self) -> Callable[[int], Awaitable[None]]:
        """Start the clock; the result waits for a media time in milliseconds."""
        began_s = self.clock_s()

        async def until(offset_ms: int) -> None:
            if self.speed is not None:
                ahead_s = offset_ms / 1000 / self.speed - (self.clock_s() - began_s)
                if ahead_s > 0:
                    await self.sleep(ahead_s)

        return until


def frames(started: CallStarted, channels: Sequence[Pcm]) -> Iterator[AudioFrame]:
    """The frames of a recording in the order in which a line would deliver them.

    ``channels`` in the order of ``started.channels``, at its rate; the last frames may be short.
    """
    rate_hz = started.sample_rate_hz
    step = rate_hz * FRAME_MS // 1000
    longest = max(len(pcm) for pcm in channels)
    for offset in range(0, longest, step):
        for channel, pcm in zip(started.channels, channels, strict=True):
            piece = pcm[offset : offset + step]
            if len(piece):
                yield AudioFrame(
                    call_id=started.call_id,
                    channel=channel,
                    offset_samples=offset,
                    sample_rate_hz=rate_hz,
                    pcm=piece,
                )


async def replay_audio(
    session: CallSession,
    channels: Sequence[Pcm],
    *,
    open_lanes: OpenLanes | None,
    pace: Pace,
    show: Listener,
) -> None:
    """Replay a recording; the same events in the same order at every speed.

    Each utterance is decoded before the next frame is taken, so that text never depends on how
    fast the machine is. ``open_lanes`` None replays without recognition.
    """
    replay = _Replay(session, open_lanes, show)
    show(session.started)
    until = pace.begin()
    for frame in frames(session.started, channels):
        await until(frame.end_offset_ms)
        await replay.take(session.feed(frame))
    await replay.take(session.finish_media())
    await replay.finish()


async def replay_transcript(
    session: CallSession, turns: Sequence[Turn], *, pace: Pace, show: Listener
) -> None:
    """Replay a transcript as finals on media time, through the same detectors."""
    replay = _Replay(session, None, show)
    show(session.started)
    until = pace.begin()
    for number, turn in enumerate(turns, start=1):
        final = turn.hypothesis(session.started, number)
        await until(final.end_offset_ms)
        await replay.take(session.feed(final))
    await replay.finish()


class _Replay:
    def __init__(self, session: CallSession, open_lanes: OpenLanes | None, show: Listener) -> None:
        self._session = session
        self._show = show
        self._recognised: deque[JsonEvent] = deque()
        self._lanes: Mapping[Channel, Lane] = {}
        if open_lanes is not None:
            self._lanes = open_lanes(self._recognised.extend)

    async def take(self, events: Sequence[Event]) -> None:
        for event in events:
            match event:
                case SpeechStarted() | SpeechAudio() | SpeechEnded():
                    if not isinstance(event, SpeechAudio):
                        self._show(event)
                    await self._decode(event)
                case AudioFrame():
                    pass
                case _:
                    self._show(event)

    async def finish(self) -> None:
        for lane in self._lanes.values():
            await lane.close()
        await self._feed_recognised()
        events, ended = self._session.end(EndReason.COMPLETED)
        await self.take(events)
        self._show(ended)

    async def _decode(self, event: SpeechEvent) -> None:
        lane = self._lanes.get(event.channel)
        if lane is None:
            return
        lane.submit(event)
        await lane.drain()
        await self._feed_recognised()

    async def _feed_recognised(self) -> None:
        while self._recognised:
            await self.take(self._session.feed(self._recognised.popleft()))


class Turn(BaseModel):
    """One turn of a transcript; ``end_s`` defaults to a speaking rate of eight characters a second.

    That is a middling rate of spoken Japanese in written characters; it only places offsets.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    channel: Channel
    start_s: float = Field(ge=0, le=24 * 3600)
    end_s: float | None = Field(default=None, ge=0, le=25 * 3600)
    text: str = Field(max_length=100_000)

    @model_validator(mode="after")
    def _ordered(self) -> Turn:
        if self.end_s is not None and self.end_s < self.start_s:
            raise ValueError(f"end_s {self.end_s} is before start_s {self.start_s}")
        return self

    def hypothesis(self, started: CallStarted, number: int) -> FinalHypothesis:
        """The turn as the final hypothesis that recognition would have given."""
        end_s = self.start_s + len(self.text) / 8 if self.end_s is None else self.end_s
        return FinalHypothesis(
            call_id=started.call_id,
            channel=self.channel,
            utterance_id=f"{self.channel}-{number}",
            offset_ms=round(self.start_s * 1000),
            end_offset_ms=round(end_s * 1000),
            text=self.text,
            language=started.language,
            engine="transcript",
        )


def parse_transcript(lines: Sequence[str], source: str) -> list[Turn]:
    """Turns in order of their start; ConfigError naming every line that is wrong."""
    turns: list[Turn] = []
    problems: list[str] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            fields: Any = json.loads(line)
            turns.append(Turn.model_validate(fields))
        except json.JSONDecodeError as error:
            problems.append(f"{source}:{number}: not JSON: {error.msg} at column {error.colno}")
        except RecursionError:
            problems.append(f"{source}:{number}: nested too deep")
        except ValidationError as error:
            problems += [
                describe(problem, Turn, f"{source}:{number}")
                for problem in error.errors(include_url=False)
            ]
    if not problems and not turns:
        problems.append(f"{source}: holds no turn")
    if problems:
        raise ConfigError(problems, code="bad_transcript")
    return sorted(turns, key=lambda turn: turn.start_s)
