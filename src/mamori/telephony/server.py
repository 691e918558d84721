"""The WebSocket server that telephone systems connect to."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import ssl
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final, cast

import structlog
from websockets.asyncio.server import Server, ServerConnection, serve

from mamori.monitor.events import EndReason
from mamori.telephony.connection import Connection
from mamori.telephony.desk import CallDesk
from mamori.telephony.door import Door, DoorConnection, select_subprotocol
from mamori.telephony.keys import AccessKeys
from mamori.telephony.limits import TelephonyConfig
from mamori.telephony.port import CallSink, NullObserver, TelephonyObserver

log = structlog.get_logger(__name__)

# What a call still recognises and writes at its end is a few seconds of audio at most; a node that
# is being stopped has little more to give before its service manager kills it.
END_TIMEOUT_S: Final = 5.0
# Breaking off takes a turn of the event loop; a second covers a busy machine.
_GIVE_UP_S: Final = 1.0


def _utc_now() -> datetime:
    return datetime.now(UTC)


class TelephonyServer:
    """Takes call audio in and hands it to the sink; one instance per node, on one event loop.

    ``monotonic_ns`` tells how fast audio comes and how long calls wait; ``utc_now`` stamps starts.
    """

    def __init__(
        self,
        config: TelephonyConfig,
        keys: AccessKeys,
        sink: CallSink,
        observer: TelephonyObserver | None = None,
        *,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
        utc_now: Callable[[], datetime] = _utc_now,
    ) -> None:
        self._config = config
        self._observer = observer or NullObserver()
        self._door = Door(config=config, keys=keys, observer=self._observer)
        self._desk = CallDesk(
            config=config,
            sink=sink,
            observer=self._observer,
            monotonic_ns=monotonic_ns,
            utc_now=utc_now,
        )
        self._connections: dict[Connection, asyncio.Task[Any] | None] = {}
        self._closing: asyncio.Future[Any] | None = None  # the loop holds tasks only weakly
        self._drained = False
        self._servers: list[Server] = []

    async def start(self) -> None:
        """Listen; OSError when an address is taken, ssl.SSLError for a wrong certificate."""
        config = self._config
        tls = self._tls()
        try:
            self._servers.append(await self._serve(config.host, config.port, self._door.check, tls))
            if config.vosk_listen is not None:
                host, port = config.vosk_listen
                # Clients with a hard-coded address speak neither keys nor TLS.
                self._servers.append(
                    await self._serve(host, port, self._door.check_anonymous, None)
                )
        except OSError:
            await self.stop()
            raise
        log.info("telephony_listening", host=config.host, port=self.port, tls=tls is not None)

    @property
    def port(self) -> int:
        """The port that the server listens on, also where any free one was asked for."""
        return _port(self._servers[0])

    @property
    def vosk_port(self) -> int | None:
        """The port that asks for no key, where there is one."""
        return _port(self._servers[1]) if len(self._servers) > 1 else None

    @property
    def live_calls(self) -> int:
        """Calls that are connected, waiting for a lost connection, or ending."""
        return self._desk.live_calls

    def begin_draining(self) -> None:
        """Refuse new calls with 503 and Retry-After; calls that live go on."""
        self._door.draining = True
        self._desk.draining = True

    async def drain(self, timeout_s: float, end_timeout_s: float = END_TIMEOUT_S) -> int:
        """Take no new calls, wait for the live ones, then end what is left as a shutdown.

        Calls have ``timeout_s`` to end by themselves; those ended then have ``end_timeout_s`` to be
        worked through. Return how many had not ended even so; they go on ending.
        """
        self.begin_draining()
        await self._desk.wait_until_idle(timeout_s)
        give_up_at_s = asyncio.get_running_loop().time() + end_timeout_s
        self._desk.end_waiting(EndReason.SHUTDOWN)
        self._closing = asyncio.gather(
            *(connection.shut_down() for connection in tuple(self._connections)),
            return_exceptions=True,
        )
        await asyncio.wait({self._closing}, timeout=end_timeout_s)
        left_s = give_up_at_s - asyncio.get_running_loop().time()
        await self._desk.wait_until_idle(max(0.0, left_s))
        self._drained = True
        return self.live_calls

    async def stop(self, end_timeout_s: float = END_TIMEOUT_S) -> None:
        """End every call that still lives, close every connection and stop listening.

        A call that has not ended within ``end_timeout_s``, or within an earlier ``drain``, is
        broken off: its client hears ``internal_error``.
        """
        await self.drain(0, 0 if self._drained else end_timeout_s)
        await self._desk.give_up(_GIVE_UP_S)
        handlers = {task for task in self._connections.values() if task is not None}
        if handlers:
            _, stuck = await asyncio.wait(handlers, timeout=_GIVE_UP_S)
            for task in stuck:
                task.cancel()
        for server in self._servers:
            server.close()
        # Each connection has its closing handshake, and as long to send what is still queued.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(2 * self._config.close_timeout_ms / 1000):
                for server in self._servers:
                    await server.wait_closed()

    async def _serve(
        self,
        host: str,
        port: int,
        check: Callable[..., Any],
        tls: ssl.SSLContext | None,
    ) -> Server:
        config = self._config
        make = functools.partial(DoorConnection, self._door)
        return await serve(
            self._handle,
            host,
            port,
            ssl=tls,
            process_request=check,
            select_subprotocol=select_subprotocol,
            create_connection=cast("type[ServerConnection]", make),
            # Speech does not compress, and a bomb needs compression.
            compression=None,
            open_timeout=config.open_timeout_ms / 1000,
            close_timeout=config.close_timeout_ms / 1000,
            ping_interval=config.ping_interval_ms / 1000,
            ping_timeout=config.ping_timeout_ms / 1000,
            max_size=config.max_message_bytes,
            server_header="mamori",
            logger=_silent_logger(),
        )

    async def _handle(self, socket: ServerConnection) -> None:
        admission = cast("DoorConnection", socket).admission
        if admission is None:
            return
        connection = Connection(
            socket,
            admission.protocol,
            tenant=admission.tenant,
            desk=self._desk,
            config=self._config,
            observer=self._observer,
            on_finishing=functools.partial(self._door.finishing, cast("DoorConnection", socket)),
        )
        self._connections[connection] = asyncio.current_task()
        try:
            await connection.run()
        finally:
            del self._connections[connection]

    def _tls(self) -> ssl.SSLContext | None:
        certificate = self._config.tls_certificate_path
        if certificate is None:
            return None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(certificate, self._config.tls_key_path)
        return context


def _port(server: Server) -> int:
    port: int = next(iter(server.sockets)).getsockname()[1]
    return port


def _silent_logger() -> logging.Logger:
    """The library's own log: it would hold addresses with keys, and messages with numbers."""
    logger = logging.getLogger("mamori.telephony.websockets")
    logger.setLevel(logging.CRITICAL + 1)
    return logger
