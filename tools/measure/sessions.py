"""Whole calls through the session that a node runs: the same stages with the same settings."""

from __future__ import annotations

from collections.abc import Sequence

from mamori.monitor.app.pipeline import Pipeline
from mamori.monitor.app.replay import Turn, frames
from mamori.monitor.events import (
    AlertRaised,
    AlertUpdated,
    CallStarted,
    Category,
    Channel,
    Detection,
    EndReason,
    Event,
    Pcm,
)

RAISED_VOICE = Category.RAISED_VOICE


def started(channels: tuple[Channel, ...], language: str, rate_hz: int) -> CallStarted:
    """A call that begins; its id is always the same."""
    return CallStarted(
        call_id="call",
        tenant="measure",
        dialect="replay",
        channels=channels,
        encoding="pcm_s16le",
        sample_rate_hz=rate_hz,
        language=language,
    )


def raised_voices(
    pipeline: Pipeline, pcm: Pcm, rate_hz: int, channel: Channel = Channel.CUSTOMER
) -> list[Detection]:
    """The raised voices of a call of one channel."""
    session = pipeline.session(started((channel,), "en", rate_hz), alert_id_prefix="measure")
    events: list[Event] = []
    for frame in frames(session.started, [pcm]):
        events += session.feed(frame)
    events += session.finish_media()
    events += session.end(EndReason.COMPLETED)[0]
    return [
        each for each in events if isinstance(each, Detection) and each.category == RAISED_VOICE
    ]


def alerts_of_turns(
    pipeline: Pipeline, turns: Sequence[Turn], language: str
) -> list[AlertRaised | AlertUpdated]:
    """The alerts that the words of a call give; how long it lasts is left aside."""
    channels = (Channel.CUSTOMER, Channel.AGENT)
    session = pipeline.session(started(channels, language, 8_000), alert_id_prefix="measure")
    events: list[Event] = []
    for number, turn in enumerate(turns, start=1):
        events += session.feed(turn.hypothesis(session.started, number))
    events += session.end(EndReason.COMPLETED)[0]
    return [
        each
        for each in events
        if isinstance(each, AlertRaised | AlertUpdated) and each.category != Category.LONG_CALL
    ]
