"""What every wire protocol promises: text and bytes in, typed outputs out, no socket and no clock.

The connection carries the outputs out in order, and tells the protocol what became of them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from mamori.monitor.events import CallEnded, CallStarted, Direction, GapCause, JsonEvent, Party
from mamori.telephony.codecs import MediaFormat


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRequest:
    """A client asks to begin a call, or to go on with one after its connection was lost.

    ``resumable`` is False where the id was made up for this connection and nobody can come back
    with it. ``position_ms`` is the client's media time of its next sample, where it says so.
    """

    call_id: str
    dialect: str
    media: MediaFormat
    resumable: bool = True
    language: str | None = None
    direction: Direction = Direction.UNKNOWN
    customer: Party = field(default_factory=Party)
    agent: Party = field(default_factory=Party)
    agent_id: str | None = None
    position_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenCall:
    """Open the call; answer with ``call_opened`` or ``call_refused``."""

    request: CallRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeAudio:
    """Audio of the call in its wire encoding, of any length."""

    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeGap:
    """The client says that audio is missing from here on."""

    duration_ms: int
    cause: GapCause


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeUpdate:
    """Something about the call changed; None means unchanged."""

    agent_id: str | None = None
    customer: Party | None = None
    agent: Party | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EndCall:
    """The client ended the call; answer with ``call_ended``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Send:
    """Text for the client that must not be lost."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SendEvent:
    """Text for the client that may be dropped, and counted, when the client reads too slowly."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseSocket:
    """Close the connection with this code once everything before it is sent."""

    code: int
    reason: str


Output = OpenCall | TakeAudio | TakeGap | TakeUpdate | EndCall | Send | SendEvent | CloseSocket


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedCall:
    """What became of a CallRequest: a new call, or one that goes on (``resumed``)."""

    started: CallStarted
    resumed: bool
    position_ms: int


class WireProtocol(Protocol):
    """One connection of one dialect.

    Implementers MUST NOT raise on anything a client sends: what cannot be accepted becomes a Send
    and a CloseSocket, after which everything received is ignored.
    """

    dialect: str
    """Stable word for events, logs and metrics."""

    wants_events: bool
    """Whether ``call_event`` wants the call's events; final once a call was opened."""

    paced: bool
    """Whether audio that comes too fast waits (the client is slowed down) or is dropped."""

    def receive_text(self, text: str) -> list[Output]:
        """Take one text message."""
        ...

    def receive_binary(self, data: bytes) -> list[Output]:
        """Take one binary message."""
        ...

    def call_opened(self, opened: OpenedCall) -> list[Output]:
        """The call asked for is open."""
        ...

    def call_event(self, event: JsonEvent) -> list[Output]:
        """The call says something about itself."""
        ...

    def call_ended(self, ended: CallEnded, *, odd_bytes: int) -> list[Output]:
        """The call is over; ``odd_bytes`` at its end did not fill a sample of every channel."""
        ...

    def fail(
        self,
        code: str,
        message: str,
        *,
        detail: str | None = None,
        retry_after_s: int | None = None,
    ) -> list[Output]:
        """End the connection with a code of ERRORS, whoever found the reason: CloseSocket last."""
        ...
