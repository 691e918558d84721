"""Frames between the node, the template and its workers: a JSON header and raw bytes.

Both ends are the same installation, so there is no version. A frame is two unsigned 32-bit lengths
in network order, the header as a UTF-8 JSON object, and the body.
"""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

MAX_HEADER_BYTES: Final = 1_000_000
"""The largest header is the start message: hint phrases by the thousand."""
MAX_BODY_BYTES: Final = 8_000_000
"""A minute of audio at 48 kHz is 5.8 MB."""
_PREFIX: Final = struct.Struct("!II")
_READ_BYTES: Final = 65_536


class FrameError(ValueError):
    """The peer sent what is no frame, or one past the bounds; nothing after it can be read."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One message."""

    header: Mapping[str, Any]
    body: bytes = b""


def pack_head(header: Mapping[str, Any], body_bytes: int = 0) -> bytes:
    """The frame up to its body; FrameError past the bounds."""
    encoded = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    _check(len(encoded), body_bytes)
    return _PREFIX.pack(len(encoded), body_bytes) + encoded


class FrameReader:
    """Frames out of a stream of bytes that comes in any pieces."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[Frame]:
        """The frames that ``data`` completes; FrameError."""
        self._buffer += data
        while len(self._buffer) >= _PREFIX.size:
            header_bytes, body_bytes = _PREFIX.unpack_from(self._buffer)
            _check(header_bytes, body_bytes)
            body_at = _PREFIX.size + header_bytes
            end = body_at + body_bytes
            if len(self._buffer) < end:
                return
            header = _parse(bytes(self._buffer[_PREFIX.size : body_at]))
            body = bytes(self._buffer[body_at:end])
            del self._buffer[:end]
            yield Frame(header, body)


def send(sock: socket.socket, header: Mapping[str, Any]) -> None:
    """Write a frame without a body to a blocking socket."""
    sock.sendall(pack_head(header))


def receive(sock: socket.socket) -> Frame | None:
    """The next frame of a blocking socket, None where the peer is gone; FrameError."""
    prefix = _receive_exactly(sock, _PREFIX.size)
    if prefix is None:
        return None
    header_bytes, body_bytes = _PREFIX.unpack(prefix)
    _check(header_bytes, body_bytes)
    header = _receive_exactly(sock, header_bytes)
    body = _receive_exactly(sock, body_bytes)
    if header is None or body is None:
        return None
    return Frame(_parse(header), body)


def receive_with_descriptors(
    sock: socket.socket, reader: FrameReader
) -> tuple[list[Frame], list[int]] | None:
    """What can be read now, and the descriptors that came with it; None where the peer is gone."""
    data, descriptors, _, _ = socket.recv_fds(sock, _READ_BYTES, 16)
    if not data:
        return None
    return list(reader.feed(data)), descriptors


def _check(header_bytes: int, body_bytes: int) -> None:
    if header_bytes > MAX_HEADER_BYTES or body_bytes > MAX_BODY_BYTES:
        raise FrameError(
            f"a frame may have a header of {MAX_HEADER_BYTES} and a body of {MAX_BODY_BYTES} bytes,"
            f" not {header_bytes} and {body_bytes}"
        )


def _parse(header: bytes) -> Mapping[str, Any]:
    try:
        fields = json.loads(header)
    except ValueError:
        # The error would quote the header, and that may hold words.
        raise FrameError("a frame's header is not JSON") from None
    if not isinstance(fields, dict):
        raise FrameError("a frame's header is not a JSON object")
    return fields


def _receive_exactly(sock: socket.socket, size: int) -> bytes | None:
    buffer = bytearray(size)
    view = memoryview(buffer)
    while view:
        count = sock.recv_into(view)
        if not count:
            return None
        view = view[count:]
    return bytes(buffer)
