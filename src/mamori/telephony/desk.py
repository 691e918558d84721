"""All calls of the node between their connections and the application."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog

from mamori.monitor.events import CallEnded, CallStarted, CallUpdated, EndReason
from mamori.telephony.framing import pipeline_rate_hz
from mamori.telephony.intake import CallIntake, MediaEvent
from mamori.telephony.limits import TelephonyConfig
from mamori.telephony.port import CallHandle, CallSink, TelephonyObserver
from mamori.telephony.protocols.port import CallRequest, OpenedCall, TakeGap, TakeUpdate
from mamori.telephony.registry import CallName, CallRegistry, CallState, Claim, ClaimError
from mamori.telephony.trouble import where

log = structlog.get_logger(__name__)

_NS_PER_MS = 1_000_000
# Paced audio goes in by half seconds: well below what may run ahead, and little waiting at a time.
_PACED_PIECE_MS = 500


@dataclass(slots=True, kw_only=True, eq=False)
class DeskCall:
    """One live call, whatever connection it has."""

    name: CallName
    started: CallStarted
    resumable: bool
    handle: CallHandle
    intake: CallIntake
    ending: asyncio.Task[CallEnded | None] | None = None


class CallDesk:
    """Opens calls, feeds them, lets them wait for a lost connection, and ends them."""

    def __init__(
        self,
        *,
        config: TelephonyConfig,
        sink: CallSink,
        observer: TelephonyObserver,
        monotonic_ns: Callable[[], int],
        utc_now: Callable[[], datetime],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._config = config
        self._sink = sink
        self._observer = observer
        self._monotonic_ns = monotonic_ns
        self._utc_now = utc_now
        self._sleep = sleep
        self._registry = CallRegistry(config.registry)
        self._calls: dict[CallName, DeskCall] = {}
        self._idle = asyncio.Event()
        self._idle.set()
        self.draining = False

    @property
    def live_calls(self) -> int:
        """Calls that are connected, waiting or ending."""
        return len(self._registry)

    async def open(self, tenant: str, request: CallRequest) -> tuple[DeskCall, OpenedCall]:
        """A new call, or the one that goes on.

        ClaimError or CallRefused, with a code of the error table or the application's own, when it
        cannot be had.
        """
        claim = self._registry.claim(tenant, request.call_id, request.media, self._now_ms())
        self._idle.clear()
        if claim.resumed:
            return self._resume(claim, request)
        try:
            if self.draining:
                raise ClaimError("shutting_down", "no new calls are taken", recoverable=True)
            started = self._started(claim, request)
            handle = await self._sink.open_call(started)
        except BaseException:
            self._registry.release(claim.name)
            self._check_idle()
            raise
        call = DeskCall(
            name=claim.name,
            started=started,
            resumable=request.resumable,
            handle=handle,
            intake=CallIntake(
                call_id=started.call_id,
                media=request.media,
                inflow=self._config.inflow,
                now_ns=self._monotonic_ns(),
            ),
        )
        self._calls[claim.name] = call
        log.info("call_started", tenant=tenant, call_id=started.call_id, dialect=started.dialect)
        self._observer.call_started(tenant=tenant, dialect=started.dialect)
        return call, OpenedCall(started=started, resumed=False, position_ms=0)

    def audio(self, call: DeskCall, data: bytes) -> bool:
        """Feed audio from the wire; False when some of it came too fast and was dropped."""
        if call.ending is not None:
            return True
        before = call.intake.dropped_samples
        self._feed(call, call.intake.receive(data, self._monotonic_ns()))
        dropped = call.intake.dropped_samples - before
        if dropped:
            self._observer.audio_dropped(
                tenant=call.name.tenant,
                samples=dropped,
                sample_rate_hz=call.intake.media.sample_rate_hz,
            )
        return not dropped

    async def paced_audio(self, call: DeskCall, data: bytes) -> None:
        """Feed audio no faster than it may come in; the client waits and loses nothing."""
        media = call.intake.media
        piece_ms = min(_PACED_PIECE_MS, self._config.inflow.max_ahead_ms)
        step = media.group_bytes * (media.sample_rate_hz * piece_ms // 1000)
        for start in range(0, len(data), step):
            piece = data[start : start + step]
            # Timers of uvloop fire up to 1.3 ms early, by which a sample or ten are still missing.
            while (wait_ns := call.intake.wait_ns(len(piece), self._monotonic_ns())) > 0:
                if call.ending is not None:
                    return
                await self._sleep(wait_ns / 1e9)
            self.audio(call, piece)

    def gap(self, call: DeskCall, gap: TakeGap) -> None:
        """The client says that audio is missing."""
        if call.ending is None:
            now_ns = self._monotonic_ns()
            self._feed(call, call.intake.gap(gap.duration_ms, gap.cause, now_ns))

    def update(self, call: DeskCall, update: TakeUpdate) -> None:
        """The client says something new about the call."""
        if call.ending is None:
            call.handle.feed(
                CallUpdated(
                    call_id=call.name.call_id,
                    offset_ms=call.intake.position_ms,
                    agent_id=update.agent_id,
                    customer=update.customer,
                    agent=update.agent,
                )
            )

    def lose(self, call: DeskCall, reason: EndReason) -> None:
        """The call's connection is gone: let it wait for another one, then end with ``reason``."""
        if call.ending is not None:
            return
        call.intake.disconnected()
        if not call.resumable:
            self._end_soon(call, reason)
            return
        deadline_ms = self._registry.lose(call.name, self._now_ms(), reason)
        self._expire_at(call, deadline_ms)

    async def end(self, call: DeskCall, reason: EndReason) -> CallEnded | None:
        """End the call once and wait until all of it is worked through; None when that failed."""
        return await asyncio.shield(self._end_soon(call, reason))

    def end_waiting(self, reason: EndReason) -> None:
        """End the calls whose connection is lost, without waiting any longer."""
        for call in list(self._calls.values()):
            if self._registry.state(call.name) is CallState.WAITING:
                self._end_soon(call, reason)

    async def give_up(self, timeout_s: float) -> None:
        """Break off the ends that the application does not bring about, for so long at most."""
        ending = {call.ending for call in self._calls.values() if call.ending is not None}
        for task in ending:
            task.cancel()
        if ending:
            await asyncio.wait(ending, timeout=timeout_s)

    async def wait_until_idle(self, timeout_s: float | None) -> bool:
        """Wait until no call lives, for so long at most; whether that came about."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._idle.wait()
        except TimeoutError:
            return False
        return True

    def _resume(self, claim: Claim, request: CallRequest) -> tuple[DeskCall, OpenedCall]:
        call = self._calls[claim.name]
        try:
            self._feed(call, call.intake.reconnected(request.position_ms, self._monotonic_ns()))
        except Exception:
            self._end_soon(call, EndReason.INTERRUPTED)
            raise
        log.info("call_resumed", tenant=claim.name.tenant, call_id=claim.name.call_id)
        self._observer.call_resumed(tenant=claim.name.tenant, dialect=call.started.dialect)
        opened = OpenedCall(started=call.started, resumed=True, position_ms=call.intake.position_ms)
        return call, opened

    def _started(self, claim: Claim, request: CallRequest) -> CallStarted:
        now = self._utc_now().astimezone(UTC)
        return CallStarted(
            call_id=claim.name.call_id,
            tenant=claim.name.tenant,
            dialect=request.dialect,
            channels=request.media.channels,
            encoding=request.media.encoding,
            sample_rate_hz=pipeline_rate_hz(request.media.sample_rate_hz),
            language=request.language or self._config.language_of(claim.name.tenant),
            direction=request.direction,
            customer=request.customer,
            agent=request.agent,
            agent_id=request.agent_id,
            linked_call_id=claim.linked_call_id,
            started_at=now.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        )

    def _expire_at(self, call: DeskCall, deadline_ms: int) -> None:
        wait_ms = max(0, deadline_ms - self._now_ms())
        asyncio.get_running_loop().call_later(wait_ms / 1000, self._expire, call, deadline_ms)

    def _expire(self, call: DeskCall, deadline_ms: int) -> None:
        for name, reason in self._registry.expire(self._now_ms()):
            self._end_soon(self._calls[name], reason)
        waiting = self._registry.state(call.name) is CallState.WAITING
        if waiting and self._calls.get(call.name) is call and self._now_ms() < deadline_ms:
            # The timer ran a fraction of a millisecond ahead of the clock.
            self._expire_at(call, deadline_ms + 1)

    def _end_soon(self, call: DeskCall, reason: EndReason) -> asyncio.Task[CallEnded | None]:
        if call.ending is None:
            self._registry.ending(call.name)
            call.ending = asyncio.create_task(
                self._end(call, reason), name=f"end-call:{call.name.call_id}"
            )
        return call.ending

    async def _end(self, call: DeskCall, reason: EndReason) -> CallEnded | None:
        tenant = call.name.tenant
        try:
            try:
                self._feed(call, call.intake.finish())
            finally:
                ended = await call.handle.end(reason)
        # The boundary of one call: no other may feel it. CancelledError comes from give_up, and the
        # client that waits for the end is to hear of it.
        except (Exception, asyncio.CancelledError) as error:
            log.error(
                "call_failed",
                tenant=tenant,
                call_id=call.name.call_id,
                error_type=type(error).__name__,
                at=where(error),
            )
            self._observer.call_failed(tenant=tenant)
            return None
        finally:
            del self._calls[call.name]
            self._registry.ended(call.name, self._now_ms())
            self._observer.call_ended(tenant=tenant, dialect=call.started.dialect, reason=reason)
            self._check_idle()
        log.info(
            "call_ended",
            tenant=tenant,
            call_id=call.name.call_id,
            reason=ended.reason.value,
            duration_ms=ended.duration_ms,
        )
        return ended

    def _feed(self, call: DeskCall, events: list[MediaEvent]) -> None:
        for event in events:
            call.handle.feed(event)

    def _check_idle(self) -> None:
        if not len(self._registry):
            self._idle.set()

    def _now_ms(self) -> int:
        return self._monotonic_ns() // _NS_PER_MS
