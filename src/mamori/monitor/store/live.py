"""What a screen follows while a call goes on: best effort, never in the way of the call."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

import structlog

from mamori.monitor.store.cancelling import raise_if_cancelled
from mamori.monitor.store.faults import StoreFault, fault_code
from mamori.monitor.store.keys import BadKeyError, TenantKeys
from mamori.monitor.store.scripts import StoreClient

_log = structlog.get_logger(__name__)

# Commands a round trip: well below a millisecond of the server's time.
_BATCH_COMMANDS: Final = 200
# After a failed attempt. Levels arrive ten times a second; nobody waits for the old ones.
_RETRY_EVERY_S: Final = 0.5
_REFUSALS: Final = frozenset({"refused", "too_large", "wrong_type", "forbidden"})


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveConfig:
    """Bounds of the live feed."""

    # Messages of 100 calls for about a minute, some 5 MB; what is older no screen shows.
    queue_messages: int = 5_000
    # One level a channel: 1,000 calls with two channels and room to spare.
    queue_levels: int = 4_000
    # What a screen that joins late can still read: about ten minutes of 100 calls.
    stream_entries: int = 20_000
    # Also the time after which the calls of a node that died leave the screens.
    call_ttl_s: int = 60
    # Three chances before a live call would be taken for dead.
    refresh_every_s: float = 15.0
    # Callers' words and numbers do not stay longer than a day; alerts have their own stream.
    retention_s: int = 86_400
    # Who opens the page of a call that has just ended still finds it.
    ended_call_ttl_s: int = 600
    # Calls known at once; more are shown by their messages only.
    most_calls: int = 10_000

    def __post_init__(self) -> None:
        for name, value, low, high in (
            ("queue_messages", self.queue_messages, 1, 1_000_000),
            ("queue_levels", self.queue_levels, 1, 1_000_000),
            ("stream_entries", self.stream_entries, 1, 10_000_000),
            ("call_ttl_s", self.call_ttl_s, 1, 86_400),
            ("refresh_every_s", self.refresh_every_s, 0.01, self.call_ttl_s / 2),
            ("retention_s", self.retention_s, 60, 30 * 86_400),
            ("ended_call_ttl_s", self.ended_call_ttl_s, 1, 7 * 86_400),
            ("most_calls", self.most_calls, 1, 1_000_000),
        ):
            if not low <= value <= high:
                raise ValueError(f"{name} must be in [{low}, {high}], not {value}")


@dataclass(slots=True, kw_only=True)
class LiveCounts:
    """What became of the live feed's messages; ``error_code`` is the last fault, None while well.

    ``replaced_levels`` counts those whose place a newer one of the same key took: nothing is lost.
    ``refused`` counts messages whose tenant or call id cannot be part of a key.
    """

    published: int = 0
    dropped_messages: int = 0
    dropped_levels: int = 0
    replaced_levels: int = 0
    dropped_calls: int = 0
    refused: int = 0
    failures: int = 0
    error_code: str | None = None


@dataclass(slots=True, kw_only=True)
class _Call:
    keys: TenantKeys
    call_id: str
    fields: dict[str, str]
    ended: bool = False
    refreshed_at: float | None = field(default=None)
    dirty: bool = True


class LivePublisher:
    """Takes messages from the call without waiting or raising; ``run`` brings them to the store.

    Levels keep only the newest of each ``key``. When the queue is full the oldest message is
    dropped and counted. After a fault a message may arrive twice in the live stream; its ``id``
    tells. Call states are written again after a fault, so a server that lost them has them back.
    """

    def __init__(
        self,
        client: StoreClient,
        *,
        config: LiveConfig | None = None,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        self._client = client
        self._config = config or LiveConfig()
        self._now_s = now_s
        self._messages: deque[tuple[TenantKeys, str]] = deque()
        self._levels: dict[tuple[str, str], str] = {}
        self._calls: dict[tuple[str, str], _Call] = {}
        self._work = asyncio.Event()
        self.counts = LiveCounts()

    def publish(self, tenant: str, message_json: str) -> None:
        """Queue one message for the live stream of ``tenant``."""
        keys = self._keys(tenant)
        if keys is None:
            return
        if len(self._messages) >= self._config.queue_messages:
            self._messages.popleft()
            self.counts.dropped_messages += 1
        self._messages.append((keys, message_json))
        self._work.set()

    def publish_level(self, tenant: str, message_json: str, *, key: str) -> None:
        """Queue one level or partial; a newer one with the same ``key`` takes its place.

        ``key`` is what it is about, such as the call id and channel.
        """
        keys = self._keys(tenant)
        if keys is None:
            return
        slot = (keys.levels, key)
        if self._levels.pop(slot, None) is not None:
            self.counts.replaced_levels += 1
        elif len(self._levels) >= self._config.queue_levels:
            del self._levels[next(iter(self._levels))]
            self.counts.dropped_levels += 1
        self._levels[slot] = message_json
        self._work.set()

    def call_opened(self, tenant: str, call_id: str, state: Mapping[str, str]) -> None:
        """A call began; ``state`` becomes its hash."""
        keys = self._keys(tenant, call_id)
        if keys is None:
            return
        slot = (tenant, call_id)
        if slot not in self._calls and len(self._calls) >= self._config.most_calls:
            self.counts.dropped_calls += 1
            return
        self._calls[slot] = _Call(keys=keys, call_id=call_id, fields=dict(state))
        self._work.set()

    def call_updated(self, tenant: str, call_id: str, changes: Mapping[str, str]) -> None:
        """Fields of a call changed; unknown calls are ignored."""
        call = self._calls.get((tenant, call_id))
        if call is not None:
            call.fields.update(changes)
            call.dirty = True
            self._work.set()

    def call_closed(self, tenant: str, call_id: str, changes: Mapping[str, str]) -> None:
        """A call ended; its hash stays for ``ended_call_ttl_s``. Unknown calls are ignored."""
        self.call_updated(tenant, call_id, changes)
        call = self._calls.get((tenant, call_id))
        if call is not None:
            call.ended = True

    async def run(self) -> None:
        """Bring what is queued to the store until cancelled."""
        while True:
            raise_if_cancelled()
            try:
                async with asyncio.timeout(self._config.refresh_every_s / 4):
                    await self._work.wait()
            except TimeoutError:
                self._work.set()
            if not await self.flush():
                await asyncio.sleep(_RETRY_EVERY_S)

    async def flush(self) -> bool:
        """Send what is queued now; False when the store did not take it. Never raises a fault."""
        self._work.clear()
        taken: list[tuple[TenantKeys, str]] = []
        try:
            await self._send_calls()
            while self._levels or self._messages:
                await self._send_levels()
                taken = [
                    self._messages.popleft()
                    for _ in range(min(len(self._messages), _BATCH_COMMANDS))
                ]
                await self._send_messages(taken)
                taken = []
        except StoreFault as error:
            self._failed(fault_code(error), taken)
            return False
        self.counts.error_code = None
        return True

    def _failed(self, code: str, taken: list[tuple[TenantKeys, str]]) -> None:
        if self.counts.error_code is None:
            _log.warning("live_feed_degraded", code=code)
        self.counts.error_code = code
        self.counts.failures += 1
        # A server that answers with a refusal would refuse the same messages for ever.
        room = 0 if code in _REFUSALS else self._config.queue_messages - len(self._messages)
        kept = taken[max(0, len(taken) - room) :] if room > 0 else []
        self.counts.dropped_messages += len(taken) - len(kept)
        self._messages.extendleft(reversed(kept))
        for call in self._calls.values():
            call.dirty = True
        self._work.set()

    async def _send_messages(self, batch: list[tuple[TenantKeys, str]]) -> None:
        if not batch:
            return
        pipeline = self._client.pipeline(transaction=False)
        for keys, body in batch:
            pipeline.xadd(
                keys.live, {"body": body}, maxlen=self._config.stream_entries, approximate=True
            )
        oldest_ms = int((self._now_s() - self._config.retention_s) * 1000)
        for stream in {keys.live for keys, _ in batch}:
            pipeline.xtrim(stream, minid=oldest_ms, approximate=False)
            # A tenant without calls keeps nothing either.
            pipeline.expire(stream, self._config.retention_s)
        await pipeline.execute()
        self.counts.published += len(batch)

    async def _send_levels(self) -> None:
        # Not in a pipeline: a cluster's pipeline does not take PUBLISH.
        for slot in list(self._levels):
            body = self._levels.pop(slot, None)
            if body is None:  # pushed out while we waited
                continue
            try:
                await self._client.execute_command("PUBLISH", slot[0], body)
            except StoreFault:
                self.counts.dropped_levels += 1
                raise
            self.counts.published += 1

    async def _send_calls(self) -> None:
        now_s = self._now_s()
        due = [call for call in self._calls.values() if self._is_due(call, now_s)]
        for start in range(0, len(due), _BATCH_COMMANDS):
            await self._send_call_batch(due[start : start + _BATCH_COMMANDS], now_s)

    def _is_due(self, call: _Call, now_s: float) -> bool:
        return (
            call.dirty
            or call.refreshed_at is None
            # A clock that was set back makes the call due too.
            or not 0 <= now_s - call.refreshed_at < self._config.refresh_every_s
        )

    async def _send_call_batch(self, batch: list[_Call], now_s: float) -> None:
        pipeline = self._client.pipeline(transaction=False)
        for call in batch:
            call.dirty = False
            name = call.keys.call(call.call_id)
            if call.fields:
                pipeline.hset(name, items=[text for pair in call.fields.items() for text in pair])
            if call.ended:
                pipeline.expire(name, self._config.ended_call_ttl_s)
                pipeline.zrem(call.keys.calls, call.call_id)
            else:
                pipeline.expire(name, self._config.call_ttl_s)
                pipeline.zadd(call.keys.calls, {call.call_id: now_s})
        for calls_key in {call.keys.calls for call in batch}:
            # Calls of a node that died.
            pipeline.zremrangebyscore(calls_key, "-inf", now_s - self._config.call_ttl_s)
        await pipeline.execute()
        for call in batch:
            call.refreshed_at = now_s
            slot = (call.keys.tenant, call.call_id)
            # An update that came meanwhile is sent before the call is forgotten.
            if call.ended and not call.dirty and self._calls.get(slot) is call:
                del self._calls[slot]

    def _keys(self, tenant: str, call_id: str | None = None) -> TenantKeys | None:
        try:
            keys = TenantKeys(tenant)
            if call_id is not None:
                keys.call(call_id)
        except BadKeyError:
            self.counts.refused += 1
            return None
        return keys
