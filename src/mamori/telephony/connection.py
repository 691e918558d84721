"""One client's connection: carries the protocol's outputs out, and tells it what became of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import structlog
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from mamori.errors import MamoriError
from mamori.monitor.events import EndReason, JsonEvent
from mamori.telephony.desk import CallDesk, DeskCall
from mamori.telephony.limits import TelephonyConfig
from mamori.telephony.outbox import Outbox
from mamori.telephony.port import CallRefused, TelephonyObserver
from mamori.telephony.protocols.errors import ERRORS
from mamori.telephony.protocols.port import (
    CloseSocket,
    EndCall,
    OpenCall,
    Output,
    Send,
    SendEvent,
    TakeAudio,
    TakeGap,
    TakeUpdate,
    WireProtocol,
)
from mamori.telephony.registry import ClaimError
from mamori.telephony.trouble import where

log = structlog.get_logger(__name__)

# Messages that are here already come without a pause; after so many, other calls have their turn.
_MESSAGES_PER_TURN: Final = 8
# Close codes with which the library itself refuses a frame.
_REFUSED_FRAMES: Final = {1002: None, 1007: "invalid_utf8", 1009: "message_too_big"}
_MESSAGES: Final = {
    "first_message_timeout": "no message came: send start right after connecting",
    "idle_timeout": "no audio came for too long: send silence, or gap messages, during pauses",
    "shutting_down": "the server is shutting down: connect again",
    "internal_error": "the server failed in this call; other calls are not affected",
}


class Connection:
    """Runs one connection from its first message to its close."""

    def __init__(
        self,
        socket: ServerConnection,
        protocol: WireProtocol,
        *,
        tenant: str,
        desk: CallDesk,
        config: TelephonyConfig,
        observer: TelephonyObserver,
        on_finishing: Callable[[], None],
    ) -> None:
        self._socket = socket
        self._protocol = protocol
        self._tenant = tenant
        self._desk = desk
        self._config = config
        self._observer = observer
        self._on_finishing = on_finishing
        self._call: DeskCall | None = None
        self._unsubscribe: Callable[[], None] = _nothing
        self._finishing = False  # the call is being ended: nothing else may end it too
        self._closing = False
        self._heard = False
        self._outbox = Outbox(
            max_events=config.max_queued_events,
            max_replies=config.max_queued_replies,
            on_dropped=self._events_dropped,
        )
        self._loop = asyncio.get_running_loop()
        self._deadline_s: float | None = self._loop.time() + config.first_message_timeout_ms / 1000

    async def run(self) -> None:
        """Serve the client until the connection is gone."""
        dialect = self._protocol.dialect
        self._observer.connection_opened(tenant=self._tenant, dialect=dialect)
        sender = asyncio.create_task(self._outbox.run(self._send), name="telephony-sender")
        try:
            await self._receive()
        except ConnectionClosed:
            pass
        except Exception as error:  # the boundary of one connection: no other may feel it
            await self._failed(error)
        finally:
            self._detach(EndReason.TRANSPORT_LOST)
            sender.cancel()
            await asyncio.gather(sender, return_exceptions=True)
            self._observer.connection_closed(
                tenant=self._tenant, dialect=dialect, close_code=self._socket.close_code or 1006
            )

    async def shut_down(self) -> None:
        """The node stops: end the call, tell the client and close."""
        await self._end_with("shutting_down", EndReason.SHUTDOWN)

    async def _receive(self) -> None:
        messages = 0
        while not self._closing:
            try:
                async with asyncio.timeout_at(self._deadline_s):
                    message = await self._socket.recv()
            except TimeoutError:
                code = "idle_timeout" if self._heard else "first_message_timeout"
                await self._end_with(code, EndReason.IDLE_TIMEOUT)
                return
            except ConnectionClosed as closed:
                self._lost(closed)
                return
            self._keep_alive(first=not self._heard)
            if isinstance(message, str):
                outputs = self._protocol.receive_text(message)
            else:
                outputs = self._protocol.receive_binary(message)
            for output in outputs:
                await self._carry_out(output)
            messages += 1
            if messages % _MESSAGES_PER_TURN == 0:
                await asyncio.sleep(0)

    async def _carry_out(self, output: Output) -> None:
        match output:
            case TakeAudio() | TakeGap() | TakeUpdate():
                if self._call is not None:
                    await self._take(self._call, output)
            case Send():
                await self._reply(output.text)
            case SendEvent():
                self._outbox.put_event(output.text)
            case OpenCall():
                await self._open(output)
            case EndCall():
                await self._end_call()
            case CloseSocket():
                await self._close(output)

    async def _take(self, call: DeskCall, output: TakeAudio | TakeGap | TakeUpdate) -> None:
        if isinstance(output, TakeUpdate):
            self._desk.update(call, output)
            return
        if isinstance(output, TakeGap):
            self._desk.gap(call, output)
        elif self._protocol.paced:
            await self._desk.paced_audio(call, output.data)
        elif not self._desk.audio(call, output.data):
            # Whoever floods the server waits for everybody else.
            await asyncio.sleep(0)
        self._keep_alive(first=False)

    async def _open(self, opening: OpenCall) -> None:
        try:
            call, opened = await self._desk.open(self._tenant, opening.request)
        except (ClaimError, CallRefused) as refused:
            await self._refuse(refused)
            return
        if self._finishing:
            # The node began to stop while the application was opening the call.
            await self._desk.end(call, EndReason.SHUTDOWN)
            return
        self._call = call
        if self._protocol.wants_events:
            self._unsubscribe = call.handle.subscribe(self._on_event)
        for output in self._protocol.call_opened(opened):
            await self._carry_out(output)
        self._keep_alive(first=False)

    async def _refuse(self, refused: MamoriError) -> None:
        spec = ERRORS.get(refused.code)
        retry_after_s = refused.retry_after_s if isinstance(refused, CallRefused) else None
        if spec is not None and spec.close_code is not None:
            outputs = self._protocol.fail(refused.code, str(refused), retry_after_s=retry_after_s)
        else:
            outputs = self._protocol.fail(
                "call_refused", str(refused), detail=refused.code, retry_after_s=retry_after_s
            )
        for output in outputs:
            await self._carry_out(output)

    async def _end_call(self) -> None:
        call = self._take_call()
        if call is None or self._finishing:
            return
        self._finish()
        odd_bytes = call.intake.odd_bytes
        ended = await self._desk.end(call, EndReason.COMPLETED)
        self._stop_listening()
        if ended is None:
            for output in self._protocol.fail("internal_error", _MESSAGES["internal_error"]):
                await self._carry_out(output)
            return
        for output in self._protocol.call_ended(ended, odd_bytes=odd_bytes):
            await self._carry_out(output)

    async def _end_with(self, code: str, reason: EndReason) -> None:
        """Tell the client ``code``, end its call if it has one, give the account, and close."""
        if self._finishing:
            return
        self._finish()
        call = self._take_call()
        *told, close = self._protocol.fail(code, _MESSAGES[code])
        for output in told:
            await self._carry_out(output)
        ended = await self._desk.end(call, reason) if call is not None else None
        self._stop_listening()
        if ended is not None:
            for output in self._protocol.call_ended(ended, odd_bytes=0):
                if isinstance(output, Send):
                    await self._carry_out(output)
        await self._carry_out(close)

    async def _close(self, close: CloseSocket) -> None:
        if self._closing:
            return
        self._closing = True
        self._finish()
        self._detach(EndReason.PROTOCOL_ERROR)
        if close.reason in ERRORS:
            log.info(
                "connection_refused",
                tenant=self._tenant,
                dialect=self._protocol.dialect,
                code=close.reason,
            )
            self._observer.refused(tenant=self._tenant, code=close.reason)
        await self._outbox.flush(self._config.close_timeout_ms / 1000)
        await self._socket.close(close.code, close.reason)

    async def _reply(self, text: str) -> None:
        if not self._outbox.put_reply(text):
            self._outbox.close()
            await self._close(CloseSocket(code=1008, reason="slow_reader"))

    def _lost(self, closed: ConnectionClosed) -> None:
        """The connection ended without a goodbye that the protocol knows."""
        refused_here = closed.sent is not None and not closed.rcvd_then_sent
        code = closed.sent.code if closed.sent is not None and refused_here else None
        if code not in _REFUSED_FRAMES:
            self._detach(EndReason.TRANSPORT_LOST)
            return
        self._detach(EndReason.PROTOCOL_ERROR)
        name = _REFUSED_FRAMES[code]
        if name is not None:
            self._observer.refused(tenant=self._tenant, code=name)

    async def _failed(self, error: Exception) -> None:
        log.error(
            "connection_failed",
            tenant=self._tenant,
            dialect=self._protocol.dialect,
            error_type=type(error).__name__,
            at=where(error),
        )
        self._observer.call_failed(tenant=self._tenant)
        try:
            await self._end_with("internal_error", EndReason.INTERRUPTED)
        except ConnectionClosed:
            self._detach(EndReason.INTERRUPTED)

    def _on_event(self, event: JsonEvent) -> None:
        for output in self._protocol.call_event(event):
            if isinstance(output, SendEvent):
                self._outbox.put_event(output.text)

    def _finish(self) -> None:
        self._finishing = True
        self._on_finishing()
        self._deadline_s = None

    def _stop_listening(self) -> None:
        unsubscribe, self._unsubscribe = self._unsubscribe, _nothing
        unsubscribe()

    def _take_call(self) -> DeskCall | None:
        call, self._call = self._call, None
        return call

    def _detach(self, reason: EndReason) -> None:
        self._stop_listening()
        call = self._take_call()
        if call is not None:
            self._desk.lose(call, reason)

    def _keep_alive(self, *, first: bool) -> None:
        """Signs of life are the first message, audio, and gaps that the client declares."""
        self._heard = True
        if not self._finishing and (first or self._call is not None):
            self._deadline_s = self._loop.time() + self._config.idle_timeout_ms / 1000

    def _events_dropped(self, count: int) -> None:
        self._observer.events_dropped(tenant=self._tenant, count=count)

    async def _send(self, data: bytes) -> None:
        await self._socket.send(data, text=True)


def _nothing() -> None:
    """There is nothing to unsubscribe from."""
