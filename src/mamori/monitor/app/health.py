"""``/livez``, ``/readyz`` and ``/metrics`` over plain HTTP: no words, no numbers, no keys."""

from __future__ import annotations

import http
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

State = Literal["ok", "degraded", "down"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PartHealth:
    """How one part is. Only a critical part that is down takes the node out of service."""

    state: State
    critical: bool
    hint: str = ""


class HealthServer:
    """Answers who looks after the machine; nothing here needs another part to be well."""

    def __init__(
        self,
        *,
        host: str,
        port: int,
        parts: Callable[[], Mapping[str, PartHealth]],
        exposition: Callable[[], bytes],
    ) -> None:
        self._host = host
        self._port = port
        self._parts = parts
        self._exposition = exposition
        self._server: Server | None = None

    @property
    def port(self) -> int:
        """The port that is listened on; 0 before the start."""
        if self._server is None:
            return 0
        port: int = next(iter(self._server.sockets)).getsockname()[1]
        return port

    async def start(self) -> None:
        """Listen; OSError where the port is taken."""
        self._server = await serve(
            _refuse, self._host, self._port, process_request=self._answer, compression=None
        )

    async def stop(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    def _answer(self, _connection: ServerConnection, request: Request) -> Response:
        match request.path.partition("?")[0]:
            case "/livez":
                return _response(http.HTTPStatus.OK, b"ok\n")
            case "/readyz":
                return self._ready()
            case "/metrics":
                return _response(
                    http.HTTPStatus.OK,
                    self._exposition(),
                    "text/plain; version=0.0.4; charset=utf-8",
                )
            case _:
                return _response(http.HTTPStatus.NOT_FOUND, b"not found\n")

    def _ready(self) -> Response:
        parts = self._parts()
        down = any(part.critical and part.state == "down" for part in parts.values())
        body = {
            "ready": not down,
            "parts": {
                name: {"state": part.state, "hint": part.hint} for name, part in parts.items()
            },
        }
        status = http.HTTPStatus.SERVICE_UNAVAILABLE if down else http.HTTPStatus.OK
        return _response(status, json.dumps(body).encode(), "application/json")


async def _refuse(connection: ServerConnection) -> None:
    """Close whatever got past ``process_request``; every path is answered there."""
    await connection.close()


def _response(
    status: http.HTTPStatus, body: bytes, content_type: str = "text/plain; charset=utf-8"
) -> Response:
    headers = Headers(
        {
            "Content-Type": content_type,
            "Content-Length": str(len(body)),
            "Connection": "close",
            "Cache-Control": "no-store",
        }
    )
    return Response(status.value, status.phrase, headers, body)
