"""The door: who may connect, decided before the upgrade to WebSocket."""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter, OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import structlog
from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from mamori.telephony.keys import AccessKeys
from mamori.telephony.limits import TelephonyConfig
from mamori.telephony.port import TelephonyObserver
from mamori.telephony.protocols.errors import ERRORS, ProtocolError, error_json
from mamori.telephony.protocols.native import NativeProtocol
from mamori.telephony.protocols.port import WireProtocol
from mamori.telephony.protocols.vosk import VoskProtocol
from mamori.telephony.routes import (
    SUBPROTOCOL,
    Route,
    anonymous_route,
    bearer_key,
    parse_route,
    vosk_options,
)

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Admission:
    """A client that may come in: for whom it speaks, and how."""

    tenant: str
    protocol: WireProtocol


class DoorConnection(ServerConnection):
    """A connection that the door counts from its first byte to its last."""

    def __init__(self, door: Door, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        super().__init__(*args, **kwargs)
        self._door = door
        self.admission: Admission | None = None
        self.finishing = False
        self.gone = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count it in."""
        super().connection_made(transport)
        self._door.came(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Count it out."""
        super().connection_lost(exc)
        self._door.went(self)


class Door:
    """Checks address, key and room for every connection of the server."""

    def __init__(
        self, *, config: TelephonyConfig, keys: AccessKeys, observer: TelephonyObserver
    ) -> None:
        self._config = config
        self._keys = keys
        self._observer = observer
        self._half_open: OrderedDict[DoorConnection, None] = OrderedDict()
        self._admitted: Counter[str] = Counter()  # those whose call does not end yet
        self._finishing = 0
        self.draining = False

    def came(self, connection: DoorConnection) -> None:
        """A connection was made; the oldest that has not yet spoken makes room if need be."""
        self._half_open[connection] = None
        if len(self._half_open) > self._config.max_half_open:
            oldest, _ = self._half_open.popitem(last=False)
            oldest.transport.abort()

    def went(self, connection: DoorConnection) -> None:
        """A connection is gone."""
        connection.gone = True
        self._half_open.pop(connection, None)
        if connection.finishing:
            self._finishing -= 1
        elif connection.admission is not None:
            self._admitted[connection.admission.tenant] -= 1

    def finishing(self, connection: DoorConnection) -> None:
        """The connection only waits for the end of its call: it keeps no new one out any more."""
        if connection.admission is not None and not connection.finishing:
            connection.finishing = True
            self._finishing += 1
            self._admitted[connection.admission.tenant] -= 1

    async def check(self, connection: ServerConnection, request: Request) -> Response | None:
        """Let a client with a key in (None), or say over HTTP why not."""
        return await self._check(connection, request, parse_route(request.path), anonymous=False)

    async def check_anonymous(
        self, connection: ServerConnection, request: Request
    ) -> Response | None:
        """Let a client in at the address that asks for no key."""
        route = anonymous_route(request.path, self._config.vosk_tenant)
        return await self._check(connection, request, route, anonymous=True)

    async def _check(
        self,
        connection: ServerConnection,
        request: Request,
        route: Route | None,
        *,
        anonymous: bool,
    ) -> Response | None:
        assert isinstance(connection, DoorConnection)  # noqa: S101 - create_connection makes these
        loop = asyncio.get_running_loop()
        answer_at_s = loop.time() + self._config.auth_failure_delay_ms / 1000
        tenant: str | None = None
        try:
            if route is None:
                raise ProtocolError("not_found", "no such address: /v1/native/<tenant> or /vosk")
            tenant = route.tenant if anonymous else self._tenant(route, request)
            if tenant is None:
                # As long for a wrong key as for a wrong tenant, or for none at all.
                await asyncio.sleep(answer_at_s - loop.time())
                raise ProtocolError("unauthorised", "this key does not open this address")
            self._check_room(tenant)
            protocol = self._protocol(route)
        except ProtocolError as refused:
            return self._refuse(connection, tenant, refused)
        if connection.gone:
            # It was counted out while it was looked at; counted in now, it would stay for ever.
            return None
        connection.admission = Admission(tenant, protocol)
        self._admitted[tenant] += 1
        self._half_open.pop(connection, None)
        if protocol.paced:
            # Its answers to pings may wait behind audio that is kept back; the idle limit holds.
            connection.ping_interval = None
        return None

    def _tenant(self, route: Route, request: Request) -> str | None:
        """The tenant that the key proves."""
        key = bearer_key(request.headers.get_all("Authorization")) or route.key
        if route.tenant is None:
            return self._keys.tenant_of(route.key)
        return route.tenant if self._keys.allows(route.tenant, key) else None

    def _check_room(self, tenant: str) -> None:
        if self.draining:
            raise ProtocolError("draining", "no new calls are taken: try another node")
        if self._admitted.total() + self._finishing >= self._config.max_connections:
            raise ProtocolError("busy", "too many connections")
        if self._admitted[tenant] >= self._config.registry.max_calls_per_tenant:
            raise ProtocolError("busy", "too many connections of this tenant")

    @staticmethod
    def _protocol(route: Route) -> WireProtocol:
        if route.dialect == "native":
            return NativeProtocol()
        return VoskProtocol(vosk_options(route, generated_id=f"vosk-{uuid.uuid4().hex}"))

    def _refuse(
        self, connection: ServerConnection, tenant: str | None, refused: ProtocolError
    ) -> Response:
        log.info("connection_refused", tenant=tenant, code=refused.code)
        self._observer.refused(tenant=tenant, code=refused.code)
        status = HTTPStatus(ERRORS[refused.code].http_status or HTTPStatus.BAD_REQUEST)
        response = connection.respond(status, error_json(refused.code, str(refused)) + "\n")
        del response.headers["Content-Type"]
        response.headers["Content-Type"] = "application/json"
        if status is HTTPStatus.SERVICE_UNAVAILABLE:
            response.headers["Retry-After"] = str(self._config.retry_after_s)
        if status is HTTPStatus.UNAUTHORIZED:
            response.headers["WWW-Authenticate"] = 'Bearer realm="mamori"'
        return response


def select_subprotocol(
    connection: ServerConnection, offered: Sequence[Subprotocol]
) -> Subprotocol | None:
    """Echo the native protocol's name where a client offers it; otherwise go without one."""
    admission = getattr(connection, "admission", None)
    native = admission is not None and isinstance(admission.protocol, NativeProtocol)
    return Subprotocol(SUBPROTOCOL) if native and SUBPROTOCOL in offered else None
