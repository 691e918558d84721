"""The staged call clock: how long the call has lasted, in media time."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from mamori.errors import ConfigError
from mamori.monitor.events import (
    AudioFrame,
    Category,
    Channel,
    ClockEvidence,
    Detection,
    Event,
    FinalHypothesis,
    MediaGap,
    Severity,
)

_LONGEST_STAGE_MS: Final = 24 * 3_600_000
_STAGE_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,31}")


class ClockStage(NamedTuple):
    """One stage: its name (lower case, used in the rule id), its media time and its severity."""

    name: str
    threshold_ms: int
    severity: Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class CallClockConfig:
    """The stages in rising order of time; ConfigError names every wrong one. None switches off."""

    # 15 min: the limit of a prefecture for harassing calls; 30 min: that of an expressway operator
    # for the same claim; 60 min: the call centre association's line for a long call.
    stages: tuple[tuple[str, int, Severity], ...] = (
        ClockStage("notice", 15 * 60_000, Severity.ATTENTION),
        ClockStage("warning", 30 * 60_000, Severity.WARNING),
        ClockStage("critical", 60 * 60_000, Severity.CRITICAL),
    )

    def __post_init__(self) -> None:
        problems: list[str] = []
        earlier_ms = 0
        for name, threshold_ms, _ in self.stages:
            if not _STAGE_NAME.fullmatch(name):
                problems.append(f"call_clock stage name {name!r} must match {_STAGE_NAME.pattern}")
            if not earlier_ms < threshold_ms <= _LONGEST_STAGE_MS:
                problems.append(
                    f"call_clock stage {name!r}: threshold_ms must be above {earlier_ms} and at "
                    f"most {_LONGEST_STAGE_MS}, not {threshold_ms}"
                )
            earlier_ms = max(earlier_ms, threshold_ms)
        if len({name for name, _, _ in self.stages}) < len(self.stages):
            problems.append("call_clock stage names must differ")
        if problems:
            raise ConfigError(problems)


class CallClockDetector:
    """Reports each stage once, when the call's media time reaches it.

    Time advances with the audio of any channel, with gaps, and with final hypotheses (a transcript
    replays without audio). Detections are on the customer's channel, or on ``mixed`` where
    ``channels``, those of the call, have that; ``offset_ms`` is the stage's threshold,
    ``end_offset_ms`` the time reached.
    """

    name: str = "call_clock"
    interests: tuple[type[Event], ...] = (AudioFrame, MediaGap, FinalHypothesis)

    def __init__(
        self,
        config: CallClockConfig,
        *,
        call_id: str,
        channels: Sequence[Channel] = (Channel.CUSTOMER, Channel.AGENT),
    ) -> None:
        self._call_id = call_id
        self._pending = [ClockStage(*stage) for stage in reversed(config.stages)]
        self._sample_rate_hz = 0
        self._due_samples = 0
        self._channel = Channel.MIXED if Channel.MIXED in channels else Channel.CUSTOMER

    def feed(self, event: Event) -> Sequence[Detection]:
        """Advance to the end of ``event``; return the stages reached, earliest first."""
        if isinstance(event, AudioFrame):  # 50 times a second and channel: one comparison of ints
            if event.sample_rate_hz != self._sample_rate_hz:
                self._sample_rate_hz = event.sample_rate_hz
                self._set_due()
            if event.offset_samples + len(event.pcm) < self._due_samples:
                return ()
            return self._advance(event.end_offset_ms)
        if isinstance(event, MediaGap):
            return self._advance(event.offset_ms + event.duration_ms)
        if isinstance(event, FinalHypothesis):
            return self._advance(event.end_offset_ms)
        return ()

    def flush(self, offset_ms: int) -> Sequence[Detection]:
        """The call ended at ``offset_ms``; stages reached since the last event come out."""
        return self._advance(offset_ms)

    def _set_due(self) -> None:
        """The first sample count whose milliseconds, rounded down, reach the next stage."""
        threshold_ms = self._pending[-1].threshold_ms if self._pending else 2**62
        self._due_samples = -(-threshold_ms * self._sample_rate_hz // 1000)

    def _advance(self, elapsed_ms: int) -> list[Detection]:
        reached: list[Detection] = []
        while self._pending and elapsed_ms >= self._pending[-1].threshold_ms:
            stage = self._pending.pop()
            reached.append(self._detection(stage, elapsed_ms))
        if reached:
            self._set_due()
        return reached

    def _detection(self, stage: ClockStage, elapsed_ms: int) -> Detection:
        return Detection(
            call_id=self._call_id,
            detector=self.name,
            rule=f"call_clock.{stage.name}",
            category=Category.LONG_CALL,
            channel=self._channel,
            offset_ms=stage.threshold_ms,
            end_offset_ms=elapsed_ms,
            score=1.0,
            severity=stage.severity,
            evidence=ClockEvidence(
                stage=stage.name, elapsed_ms=elapsed_ms, threshold_ms=stage.threshold_ms
            ),
        )
