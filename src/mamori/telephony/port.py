"""The ports behind which the application lies: telephony hands over events and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from mamori.errors import MamoriError
from mamori.monitor.events import (
    AudioFrame,
    CallEnded,
    CallStarted,
    CallUpdated,
    EndReason,
    JsonEvent,
    MediaDropped,
    MediaGap,
)


class CallRefused(MamoriError):  # noqa: N818 - a refusal is an answer, not a fault
    """The application does not take this call; the client is told ``code`` and ``message``.

    ``message`` holds no caller's words or number. ``retry_after_s`` is when trying again may help;
    None means never.
    """

    def __init__(self, code: str, message: str, *, retry_after_s: int | None = None) -> None:
        super().__init__(code, message, recoverable=retry_after_s is not None)
        self.retry_after_s = retry_after_s


class CallHandle(Protocol):
    """One call inside the application. All methods run on the server's event loop."""

    def feed(self, event: AudioFrame | MediaGap | MediaDropped | CallUpdated) -> None:
        """Take the next event of the call, in order; MUST be cheap and MUST NOT block."""
        ...

    async def end(self, reason: EndReason) -> CallEnded:
        """The call is over: return once all of it is recognised; called once."""
        ...

    def subscribe(self, listener: Callable[[JsonEvent], None]) -> Callable[[], None]:
        """Call ``listener`` on the event loop with every event from now on.

        Return what ends it. The listener is cheap, and an exception of it is the server's own.
        """
        ...


class CallSink(Protocol):
    """Where calls go."""

    async def open_call(self, started: CallStarted) -> CallHandle:
        """Take a new call; CallRefused when it cannot be taken."""
        ...


class TelephonyObserver(Protocol):
    """What happens at the door, for metrics. Methods MUST be cheap and MUST NOT raise."""

    def connection_opened(self, *, tenant: str, dialect: str) -> None:
        """A client was let in."""
        ...

    def connection_closed(self, *, tenant: str, dialect: str, close_code: int) -> None:
        """Its connection is gone, with this WebSocket close code."""
        ...

    def refused(self, *, tenant: str | None, code: str) -> None:
        """A client was refused or cut off with this code of the error table.

        ``tenant`` is None until a key has proved it.
        """
        ...

    def call_started(self, *, tenant: str, dialect: str) -> None:
        """A new call began."""
        ...

    def call_resumed(self, *, tenant: str, dialect: str) -> None:
        """A call went on after its connection was lost."""
        ...

    def call_ended(self, *, tenant: str, dialect: str, reason: EndReason) -> None:
        """A call is over."""
        ...

    def audio_dropped(self, *, tenant: str, samples: int, sample_rate_hz: int) -> None:
        """Audio came faster than it may: samples of each channel, at the wire's rate."""
        ...

    def events_dropped(self, *, tenant: str, count: int) -> None:
        """A client read its call's events too slowly."""
        ...

    def call_failed(self, *, tenant: str) -> None:
        """The application raised an exception in a call."""
        ...


class NullObserver:
    """Looks away."""

    def connection_opened(self, *, tenant: str, dialect: str) -> None:
        """Do nothing."""

    def connection_closed(self, *, tenant: str, dialect: str, close_code: int) -> None:
        """Do nothing."""

    def refused(self, *, tenant: str | None, code: str) -> None:
        """Do nothing."""

    def call_started(self, *, tenant: str, dialect: str) -> None:
        """Do nothing."""

    def call_resumed(self, *, tenant: str, dialect: str) -> None:
        """Do nothing."""

    def call_ended(self, *, tenant: str, dialect: str, reason: EndReason) -> None:
        """Do nothing."""

    def audio_dropped(self, *, tenant: str, samples: int, sample_rate_hz: int) -> None:
        """Do nothing."""

    def events_dropped(self, *, tenant: str, count: int) -> None:
        """Do nothing."""

    def call_failed(self, *, tenant: str) -> None:
        """Do nothing."""
