"""A WebSocket client that costs little: the load must not eat the processor that it measures.

Audio is framed before the call begins and written without waiting, so neither masking nor a server
that reads slowly holds the next message up. What has to be right (handshake, pings, closing) is
left to the library.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable, Mapping
from typing import Final, cast
from urllib.parse import urlsplit

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidHandshake
from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.protocol import OPEN, Event
from websockets.uri import parse_uri

_BINARY_FIN: Final = 0x82
_MASKED: Final = 0x80
# A frame of a client must be masked; with this mask the payload stands as it is.
_NO_MASK: Final = bytes(4)
_HANDSHAKE_TIMEOUT_S: Final = 30.0


def binary_frame(payload: bytes) -> bytes:
    """One whole binary message of at most 65,535 bytes, ready to be written (RFC 6455, 5.2)."""
    size = len(payload)
    if size > 0xFFFF:
        raise ValueError(f"a message holds at most 65535 bytes, not {size}")
    if size < 126:
        head = bytes((_BINARY_FIN, _MASKED | size))
    else:
        head = struct.pack("!BBH", _BINARY_FIN, _MASKED | 126, size)
    return head + _NO_MASK + payload


class HandshakeRefused(Exception):  # noqa: N818 - an answer of the server
    """The server answered the handshake with another ``status`` than 101."""

    def __init__(self, *, status: int, retry_after_s: int | None) -> None:
        super().__init__(f"HTTP status {status}")
        self.status = status
        self.retry_after_s = retry_after_s


class Wire(asyncio.Protocol):
    """One connection. ``on_text`` gets every text message; ``closed`` the close code, or None."""

    def __init__(
        self, url: str, headers: Mapping[str, str], on_text: Callable[[str], None]
    ) -> None:
        loop = asyncio.get_running_loop()
        self._on_text = on_text
        self.closed: asyncio.Future[int | None] = loop.create_future()
        self._opened: asyncio.Future[None] = loop.create_future()
        self._protocol = ClientProtocol(parse_uri(url), max_size=None)
        self._headers = headers
        self._transport: asyncio.Transport | None = None

    async def open(self) -> None:
        """Wait for the handshake; HandshakeRefused with what the server answered."""
        async with asyncio.timeout(_HANDSHAKE_TIMEOUT_S):
            await self._opened

    def write(self, frames: bytes) -> None:
        """Hand over whole frames at once, whatever the server has read so far."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(frames)

    def send_text(self, text: str) -> None:
        """Send one text message, unless the connection is being closed."""
        if self._protocol.state is OPEN:
            self._protocol.send_text(text.encode())
            self._flush()

    def abort(self) -> None:
        """Give the connection up."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the upgrade."""
        self._transport = cast("asyncio.Transport", transport)
        request = self._protocol.connect()
        for name, value in self._headers.items():
            request.headers[name] = value
        self._protocol.send_request(request)
        self._flush()

    def data_received(self, data: bytes) -> None:
        """Bytes of the server."""
        self._protocol.receive_data(data)
        self._take_events()

    def eof_received(self) -> None:
        """The server sends nothing more."""
        self._protocol.receive_eof()
        self._take_events()

    def connection_lost(self, exc: Exception | None) -> None:
        """The end, whoever wanted it."""
        self._transport = None
        if not self._opened.done():
            self._opened.set_exception(exc or ConnectionResetError("closed in the handshake"))
            self._opened.exception()  # the one who waits for it may be gone
        if not self.closed.done():
            self.closed.set_result(self._protocol.close_code)

    def _take_events(self) -> None:
        for event in self._protocol.events_received():
            self._take(event)
        self._flush()

    def _take(self, event: Event) -> None:
        if isinstance(event, Frame):
            if event.opcode is Opcode.TEXT:
                self._on_text(bytes(event.data).decode())
        elif isinstance(event, Response) and not self._opened.done():
            self._answer(event)

    def _answer(self, response: Response) -> None:
        refused = self._protocol.handshake_exc
        if refused is None:
            self._opened.set_result(None)
        elif response.status_code == 101:
            self._opened.set_exception(refused)
        else:
            wait = response.headers.get("Retry-After", "")
            self._opened.set_exception(
                HandshakeRefused(
                    status=response.status_code,
                    retry_after_s=int(wait) if wait.isdecimal() else None,
                )
            )

    def _flush(self) -> None:
        for data in self._protocol.data_to_send():
            if self._transport is None or self._transport.is_closing():
                return
            if data:
                self._transport.write(data)
            elif self._transport.can_write_eof():
                self._transport.write_eof()


async def open_wire(url: str, headers: Mapping[str, str], on_text: Callable[[str], None]) -> Wire:
    """A connection after its handshake; HandshakeRefused, OSError, TimeoutError otherwise."""
    address = urlsplit(url)
    loop = asyncio.get_running_loop()
    _, wire = await loop.create_connection(
        lambda: Wire(url, headers, on_text), address.hostname or "localhost", address.port or 80
    )
    try:
        await wire.open()
    except (InvalidHandshake, HandshakeRefused, TimeoutError):
        wire.abort()
        raise
    return wire
