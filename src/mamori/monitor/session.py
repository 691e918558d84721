"""One call: media and hypotheses in, speech, detections and alerts out.

Pure: the session knows media time only, so a recording replays to the same result at any speed.
Who runs it hands the utterances in what it returns to recognition and feeds the hypotheses back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from mamori.monitor.events import (
    AlertRaised,
    AlertResolved,
    AlertUpdated,
    AudioFrame,
    CallEnded,
    CallStarted,
    Channel,
    Detection,
    EndReason,
    Event,
    FinalHypothesis,
    JsonEvent,
    MediaDropped,
    MediaGap,
    ResolveReason,
    SpeechEvent,
    StageFailed,
)
from mamori.monitor.ledger import LedgerAccount

SessionInput = AudioFrame | JsonEvent
"""Media and changes of the call from telephony; hypotheses, sheds and failures from recognition."""


class SpeechStage(Protocol):
    """Finds the utterances of one channel."""

    def feed(self, frame: AudioFrame) -> Sequence[SpeechEvent]:
        """The next frame."""
        ...

    def gap(self, gap: MediaGap) -> Sequence[SpeechEvent]:
        """A stretch without audio; what it says lies before that stretch."""
        ...

    def flush(self) -> Sequence[SpeechEvent]:
        """The call ends, and with it the utterance."""
        ...


class DetectorStage(Protocol):
    """What the session needs of a detector; the promise is in ``detectors/port.py``."""

    name: str
    interests: tuple[type[Event], ...]

    def feed(self, event: Event) -> Sequence[Detection]:
        """The next event of the call."""
        ...

    def flush(self, offset_ms: int) -> Sequence[Detection]:
        """The call ended."""
        ...


class AlertStage(Protocol):
    """Turns detections into the alerts that people see."""

    def feed(self, detection: Detection) -> Sequence[AlertRaised | AlertUpdated]:
        """The next detection."""
        ...

    def end(self, offset_ms: int, reason: ResolveReason) -> Sequence[AlertResolved]:
        """The call ended; close what is open."""
        ...


class CallSession:
    """The stages of one call, in order.

    ``feed`` while the call goes on; ``finish_media`` when no more audio comes; then the last
    hypotheses; then ``end``.
    """

    def __init__(
        self,
        started: CallStarted,
        *,
        speech: Mapping[Channel, SpeechStage],
        detectors: Sequence[DetectorStage],
        alerts: AlertStage,
    ) -> None:
        self.started = started
        self._speech = dict(speech)
        self._detectors = list(detectors)
        self._alerts = alerts
        self._accounts = {
            channel: LedgerAccount(channel, started.sample_rate_hz) for channel in started.channels
        }
        self._transcript_end_ms = 0
        self._listeners: dict[type, list[DetectorStage]] = {}
        self._media_finished = False
        self._ended = False

    @property
    def offset_ms(self) -> int:
        """Media time that the call has reached."""
        return max(
            self._transcript_end_ms,
            *(account.position_ms for account in self._accounts.values()),
        )

    def feed(self, event: SessionInput) -> list[Event]:
        """Take the next event; return everything that follows from it, the event itself included.

        Audio is not repeated. ValueError for an event of a channel that the call does not have, for
        audio off the timeline, and after the end.
        """
        if self._ended:
            raise ValueError("the call has ended")
        match event:
            case AudioFrame():
                return self._feed_frame(event)
            case MediaGap():
                self._account(event.channel).add_gap(event)
                # Speech that was held back came before the gap: who hears both hears it first.
                heard = self._hear(event.channel, lambda stage: stage.gap(event))
                return [event, *heard, *self._detect(event)]
            case MediaDropped():
                if event.stage != "ingest":
                    self._account(event.channel).add_shed(event)
                return [event]
            case FinalHypothesis():
                self._transcript_end_ms = max(self._transcript_end_ms, event.end_offset_ms)
                return [event, *self._detect(event)]
            case _:
                return [event, *self._detect(event)]

    def finish_media(self) -> list[Event]:
        """No more audio comes: end the open utterances."""
        self._media_finished = True
        out: list[Event] = []
        for channel in tuple(self._speech):
            out += self._hear(channel, lambda stage: stage.flush())
        return out

    def end(self, reason: EndReason) -> tuple[list[Event], CallEnded]:
        """End the call; return what was still pending, and the call's last event apart."""
        if self._ended:
            raise ValueError("the call has ended")
        out = [] if self._media_finished else self.finish_media()
        offset_ms = self.offset_ms
        for detector in tuple(self._detectors):
            out += self._guarded(detector, lambda d=detector: d.flush(offset_ms))  # type: ignore[misc]
        try:
            out += self._alerts.end(offset_ms, ResolveReason.CALL_ENDED)
        except Exception as error:  # boundary of the stage
            out.append(self._failed("alerts", error, recoverable=False))
        self._ended = True
        ended = CallEnded(
            call_id=self.started.call_id,
            reason=reason,
            offset_ms=offset_ms,
            duration_ms=offset_ms,
            ledger=tuple(account.close() for account in self._accounts.values()),
        )
        return out, ended

    def _feed_frame(self, frame: AudioFrame) -> list[Event]:
        """Detections of the frame itself, then of the speech that follows from it."""
        self._account(frame.channel).add_frame(frame)
        found = self._detect(frame)
        return [*found, *self._hear(frame.channel, lambda stage: stage.feed(frame))]

    def _hear(
        self, channel: Channel, ask: Callable[[SpeechStage], Sequence[SpeechEvent]]
    ) -> list[Event]:
        """Speech of one channel and its detections; a stage that raises is switched off."""
        stage = self._speech.get(channel)
        if stage is None:
            return []
        try:
            heard = ask(stage)
        except Exception as error:  # boundary of the stage
            del self._speech[channel]
            return [self._failed("speech", error, recoverable=False, channel=channel)]
        out: list[Event] = []
        for spoken in heard:
            out += [spoken, *self._detect(spoken)]
        return out

    def _detect(self, event: Event) -> list[Event]:
        kind = type(event)
        interested = self._listeners.get(kind)
        if interested is None:
            interested = [d for d in self._detectors if kind in d.interests]
            self._listeners[kind] = interested
        out: list[Event] = []
        for detector in tuple(interested) if interested else ():
            out += self._guarded(detector, lambda d=detector: d.feed(event))  # type: ignore[misc]
        return out

    def _guarded(
        self, detector: DetectorStage, ask: Callable[[], Sequence[Detection]]
    ) -> list[Event]:
        """A detector that raises is switched off for this call; the others go on."""
        try:
            found = ask()
        except Exception as error:  # boundary of the stage
            self._detectors.remove(detector)
            self._listeners.clear()
            return [self._failed(f"detector:{detector.name}", error, recoverable=False)]
        out: list[Event] = []
        for detection in found:
            out.append(detection)
            try:
                out += self._alerts.feed(detection)
            except Exception as error:  # boundary of the stage: the next detection may be sound
                out.append(self._failed("alerts", error, recoverable=True))
        return out

    def _failed(
        self, stage: str, error: Exception, *, recoverable: bool, channel: Channel | None = None
    ) -> StageFailed:
        return StageFailed(
            call_id=self.started.call_id,
            offset_ms=self.offset_ms,
            stage=stage,
            code="stage_failed",
            recoverable=recoverable,
            # The text of an error may repeat a caller's words; its class does not.
            detail=type(error).__name__,
            channel=channel,
        )

    def _account(self, channel: Channel) -> LedgerAccount:
        try:
            return self._accounts[channel]
        except KeyError:
            channels = ", ".join(self._accounts)
            raise ValueError(f"the call has the channels {channels}, not {channel}") from None
