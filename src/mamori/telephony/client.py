"""Sends a recorded call to Mamori as a telephone system would: in real time, natively.

Chunks leave at fixed moments counted from the first one, so that a late chunk delays no other and
an hour of audio takes an hour.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import (
    ConnectionClosed,
    InvalidHandshake,
    InvalidMessage,
    InvalidStatus,
    InvalidURI,
)

from mamori.errors import MamoriError
from mamori.monitor.events import Channel, Direction, Party
from mamori.telephony.codecs import ENCODINGS, MediaFormat, encode, interleave
from mamori.telephony.protocols.messages import PROTOCOL_VERSION
from mamori.telephony.recording import Recording

# A server that is alive answers a handshake and a start at once; 10 s also covers a busy one.
CONNECT_TIMEOUT_S: Final = 10.0
STARTED_TIMEOUT_S: Final = 10.0
# After ``stop`` the server still recognises the last utterances, or gives them up after 10 s.
STOPPED_TIMEOUT_S: Final = 60.0

Clock = Callable[[], float]
Sleep = Callable[[float], Awaitable[None]]
OnEvent = Callable[[dict[str, Any]], None]


class SendError(MamoriError):
    """A call could not be sent.

    Codes: ``bad_url`` ``bad_key`` ``refused_key`` ``refused_address`` ``refused`` ``not_mamori``
    ``no_answer`` ``connection_lost``, or the code of the server's own ``error`` message.
    """


class NotReachableError(SendError):
    """Nobody answers at the address."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SendReport:
    """How a call was sent and what the server made of its audio.

    ``call_id``: the call's name inside the server. ``sent_samples`` of each channel.
    ``worst_lag_ms``: the furthest that a chunk left behind its moment. ``stopped``: the server's
    last message, with the ledger. ``warnings``: its warning messages, in order.
    """

    call_id: str
    sent_samples: int
    elapsed_s: float
    worst_lag_ms: float
    stopped: Mapping[str, Any]
    warnings: tuple[Mapping[str, Any], ...] = ()


async def send_recording(
    url: str,
    key: str,
    recording: Recording,
    *,
    call_id: str,
    channels: tuple[Channel, ...],
    encoding: str = "mulaw",
    language: str | None = None,
    direction: Direction = Direction.UNKNOWN,
    agent_id: str | None = None,
    customer: Party | None = None,
    agent: Party | None = None,
    speed: float = 1.0,
    chunk_ms: int = 20,
    want_events: bool = False,
    on_event: OnEvent | None = None,
    clock: Clock = time.monotonic,
    sleep: Sleep = asyncio.sleep,
) -> SendReport:
    """Send the recording as one call and wait for the server's account of it.

    ``url``: ``ws://`` or ``wss://`` with the path ``/v1/native/<tenant>``. ``channels`` name those
    of the recording, in its order. ``speed`` > 0 times real time, infinity for no pacing at all: a
    server drops what comes more than 2 s early. ``chunk_ms`` in [5, 1000]. ``on_event`` gets every
    event of the call where ``want_events`` asks for them; what it raises ends the call.
    NotReachableError, SendError; ValueError for arguments that cannot be right.
    """
    _check(recording, channels, encoding, speed, chunk_ms)
    media = MediaFormat(
        encoding=encoding, sample_rate_hz=recording.sample_rate_hz, channels=channels
    )
    start: dict[str, Any] = {
        "type": "start",
        "version": PROTOCOL_VERSION,
        "call_id": call_id,
        "media": {
            "encoding": media.encoding,
            "sample_rate_hz": media.sample_rate_hz,
            "channels": [channel.value for channel in channels],
        },
        "direction": direction.value,
        "events": want_events,
        **_given(language=language, agent_id=agent_id),
        **_given(customer=_party(customer), agent=_party(agent)),
    }
    sender = _Sender(
        start=start,
        recording=recording,
        encoding=encoding,
        chunk_samples=recording.sample_rate_hz * chunk_ms // 1000,
        speed=speed,
        clock=clock,
        sleep=sleep,
        on_event=on_event,
    )
    return await _converse(url, key, sender)


async def _converse(url: str, key: str, sender: _Sender) -> SendReport:
    """Connect, send and listen."""
    if not (key.isascii() and key.isprintable()) or " " in key or not key:
        raise SendError("bad_key", "a key is printable ASCII without spaces")
    async with await _connected(url, key) as connection:
        return await sender.run(connection)


async def _connected(url: str, key: str) -> ClientConnection:
    """An open connection; what the library raises is turned into what a person can act on.

    Apart from the call itself: an error of the caller's ``on_event`` says nothing about the server.
    """
    try:
        return await connect(
            url,
            additional_headers={"Authorization": f"Bearer {key}"},
            compression=None,
            open_timeout=CONNECT_TIMEOUT_S,
            proxy=None,  # live audio goes straight to its server
        )
    except InvalidURI:
        raise SendError(
            "bad_url", "the address must be ws://host:port/v1/native/<tenant>"
        ) from None
    except InvalidStatus as refusal:
        raise _refusal(refusal.response.status_code) from None
    except (InvalidHandshake, InvalidMessage):
        raise SendError("not_mamori", "what answers at this address speaks no WebSocket") from None
    except (OSError, TimeoutError) as error:
        raise NotReachableError(
            "not_reachable",
            f"nobody answers at this address ({_reason(error)}): is `mamori serve` running there?",
            recoverable=True,
        ) from error


@dataclass(slots=True, kw_only=True)
class _Sender:
    """One call on one connection: a speaker with a clock and a listener."""

    start: Mapping[str, Any]
    recording: Recording
    encoding: str
    chunk_samples: int
    speed: float
    clock: Clock
    sleep: Sleep
    on_event: OnEvent | None
    call_id: str = ""
    sent_samples: int = 0
    worst_lag_s: float = 0.0
    warnings: list[Mapping[str, Any]] = field(default_factory=list)
    started: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self, connection: ClientConnection) -> SendReport:
        """The whole conversation; the server's last message decides how it ended."""
        began_s = self.clock()
        speaker = asyncio.create_task(self._speak(connection))
        listener = asyncio.create_task(self._listen(connection))
        try:
            await asyncio.wait({speaker, listener}, return_when=asyncio.FIRST_COMPLETED)
            if speaker.done() and not isinstance(speaker.exception(), ConnectionClosed):
                speaker.result()
            async with asyncio.timeout(STOPPED_TIMEOUT_S) as patience:
                stopped = await listener
        except TimeoutError:
            if not patience.expired():
                raise
            raise SendError(
                "no_answer", "the server does not end the call", recoverable=True
            ) from None
        finally:
            for task in (speaker, listener):
                task.cancel()
            await asyncio.gather(speaker, listener, return_exceptions=True)
        return SendReport(
            call_id=self.call_id,
            sent_samples=self.sent_samples,
            elapsed_s=self.clock() - began_s,
            worst_lag_ms=self.worst_lag_s * 1000,
            stopped=stopped,
            warnings=tuple(self.warnings),
        )

    async def _speak(self, connection: ClientConnection) -> None:
        await connection.send(json.dumps(self.start, ensure_ascii=False))
        try:
            async with asyncio.timeout(STARTED_TIMEOUT_S):
                await self.started.wait()
        except TimeoutError:
            raise SendError("no_answer", "the server does not start the call") from None
        first_s = self.clock()
        rate_hz = self.recording.sample_rate_hz
        for position in range(0, self.recording.samples, self.chunk_samples):
            due_s = first_s + position / rate_hz / self.speed
            if (early_s := due_s - self.clock()) > 0:
                await self.sleep(early_s)
            if self.speed < float("inf"):
                self.worst_lag_s = max(self.worst_lag_s, self.clock() - due_s)
            planes = [
                plane[position : position + self.chunk_samples] for plane in self.recording.channels
            ]
            await connection.send(encode(self.encoding, interleave(planes)))
            self.sent_samples += len(planes[0])
        # The last chunk takes its time too, so that the call is as long as the recording.
        end_s = first_s + self.recording.samples / rate_hz / self.speed
        if (early_s := end_s - self.clock()) > 0:
            await self.sleep(early_s)
        await connection.send('{"type":"stop"}')

    async def _listen(self, connection: ClientConnection) -> dict[str, Any]:
        """The ``stopped`` message; SendError for an ``error`` or a connection that just ends."""
        try:
            async for text in connection:
                message = _parsed(text)
                kind = message["type"]
                if kind == "stopped":
                    return message
                if kind == "error":
                    raise _told(message)
                if kind == "warning":
                    self.warnings.append(message)
                elif kind == "started":
                    self.call_id = str(message.get("call_id", self.start["call_id"]))
                    self.started.set()
                elif self.on_event is not None:
                    self.on_event(message)
        except ConnectionClosed as closed:
            reason = f": {closed.rcvd.reason}" if closed.rcvd and closed.rcvd.reason else ""
            raise SendError(
                "connection_lost", f"the connection was lost{reason}", recoverable=True
            ) from None
        raise SendError(
            "connection_lost", "the server hung up without its account", recoverable=True
        )


def _check(
    recording: Recording,
    channels: tuple[Channel, ...],
    encoding: str,
    speed: float,
    chunk_ms: int,
) -> None:
    if encoding not in ENCODINGS:
        raise ValueError(f"encoding must be one of {', '.join(ENCODINGS)}")
    if len(channels) != len(recording.channels):
        raise ValueError(
            f"the recording has {len(recording.channels)} channels, {len(channels)} are named"
        )
    if not speed > 0:
        raise ValueError(f"speed must be above 0, not {speed}")
    if not 5 <= chunk_ms <= 1000:
        raise ValueError(f"chunk_ms must be in [5, 1000], not {chunk_ms}")


def _party(party: Party | None) -> dict[str, str] | None:
    return None if party is None else _given(number=party.number, name=party.name)


def _given(**fields: Any) -> dict[str, Any]:  # noqa: ANN401 - values of JSON
    return {name: value for name, value in fields.items() if value is not None}


def _parsed(text: str | bytes) -> dict[str, Any]:
    """A message of the server; SendError where it is none."""
    try:
        message = json.loads(text)
    except ValueError:
        message = None
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        raise SendError("not_mamori", "what answers at this address does not speak the protocol")
    return message


def _told(message: Mapping[str, Any]) -> SendError:
    return SendError(
        str(message.get("code", "refused")),
        f"the server ended the call: {message.get('message', 'no reason given')}",
        recoverable=message.get("recoverable") is True,
    )


def _refusal(status: int) -> SendError:
    if status in {401, 403}:
        return SendError("refused_key", "the server knows no such key for this tenant")
    if status == 404:
        return SendError("refused_address", "the server has no such address or tenant")
    return SendError(
        "refused", f"the server refused with HTTP status {status}", recoverable=status == 503
    )


def _reason(error: OSError | TimeoutError) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer within {CONNECT_TIMEOUT_S:.0f} s"
    return error.strerror or str(error)
