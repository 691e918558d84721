"""Drains the outbox into the alert streams, for ever, whatever happens to the server."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final, TypeVar

import structlog
from redis.asyncio import Redis

from mamori.errors import MamoriError
from mamori.monitor.store.cancelling import raise_if_cancelled
from mamori.monitor.store.delivery import PublisherConfig, PublisherState
from mamori.monitor.store.faults import UNANSWERED, StoreFault, fault_code
from mamori.monitor.store.keys import BadKeyError, TenantKeys, check_tenant
from mamori.monitor.store.port import Outbox, OutboxItem
from mamori.monitor.store.quarantine import Quarantine, dead_letter
from mamori.monitor.store.scripts import TRIM, StoreClient
from mamori.monitor.store.sender import StoreLostError, StreamSender, batches

_log = structlog.get_logger(__name__)
_random = secrets.SystemRandom()
_T = TypeVar("_T")

# The list of dead letters is for a person to look at; the bodies are still with the owner.
_DEAD_LETTERS_KEPT: Final = 1_000
# What may be the fault of the entry and not of the server: its size, an error without a name, a
# connection that the server closes while it reads the entry.
_PERHAPS_THE_ENTRY: Final = frozenset({"too_large", "refused", "unreachable"})
# The owner has been asked to fill a tenant's stream: read the outbox again, older entries first.
_ASK_AGAIN: Final = "first_contact"


class PublishError(MamoriError):
    """A pass over the outbox did not get through; ``code`` says why. The next pass may."""

    def __init__(self, code: str) -> None:
        super().__init__(code, f"delivery did not get through: {code}", recoverable=True)


class StreamPublisher:
    """Takes entries from the outbox and puts each into ``mamori:{tenant}:alerts`` exactly once.

    ``on_store_lost(tenant)`` is awaited when entries that were confirmed are gone, or the tenant's
    stream was never seen before: the owner marks as unpublished what the stream should hold again;
    what it still holds is not doubled. ``on_dead_letter(entry, code)`` is awaited before an entry
    that the server refuses for itself is marked published: it is in the list ``dead`` then, and
    nowhere else but with its owner. ``tenants`` are checked from the start.
    """

    def __init__(
        self,
        client: StoreClient,
        outbox: Outbox,
        *,
        config: PublisherConfig | None = None,
        on_store_lost: Callable[[str], Awaitable[None]] | None = None,
        on_dead_letter: Callable[[OutboxItem, str], Awaitable[None]] | None = None,
        tenants: Iterable[str] = (),
    ) -> None:
        self._client = client
        self._outbox = outbox
        self._config = config or PublisherConfig()
        self._on_store_lost = on_store_lost
        self._on_dead_letter = on_dead_letter
        self._tenants = dict.fromkeys(check_tenant(tenant) for tenant in tenants)
        self._sender = StreamSender(
            client, publisher_id=self._config.publisher_id, seen_ttl_s=self._config.seen_life_s
        )
        self._quarantine = Quarantine(tries=self._config.poison_tries)
        self._state = PublisherState(status="ok", since=datetime.now(UTC))
        self._verify_at = 0.0
        self._trim_at = 0.0

    @property
    def state(self) -> PublisherState:
        """How delivery stands now."""
        return self._state

    async def run(self) -> None:
        """Drain the outbox until cancelled; returns never, whatever the server does."""
        delay_s = self._config.backoff_first_s
        while True:
            raise_if_cancelled()
            try:
                drained = await self.drain()
            except MamoriError as error:  # the store; or the outbox: its disk full, itself locked
                self._failed(error.code)
            except Exception:  # boundary of the stage: delivery goes on, whatever its neighbours do
                _log.exception("delivery_pass_failed")
                self._failed("internal")
            else:
                self._recovered()
                delay_s = self._config.backoff_first_s
                if drained == 0:
                    await self._wait()
                continue
            # Jitter keeps the nodes of a firm from returning all at once.
            await asyncio.sleep(delay_s * _random.uniform(0.5, 1.0))
            delay_s = min(delay_s * 2, self._config.backoff_longest_s)

    async def drain(self) -> int:
        """One pass: publish what the outbox gives, then what is due of checking and trimming.

        Returns how many entries the pass took; PublishError when any of it did not get through.
        """
        entries = await self._outbox.unpublished(self._config.batch_entries)
        groups: dict[str, list[OutboxItem]] = {}
        for entry in entries:
            groups.setdefault(entry.tenant, []).append(entry)
        failure: str | None = None
        for tenant, group in groups.items():
            failure = await self._publish_tenant(tenant, group) or failure
            if failure in UNANSWERED:
                break
        if failure not in UNANSWERED:
            failure = failure or await self._verify()
            failure = await self._trim() or failure
        if failure == _ASK_AGAIN:
            return max(1, len(entries))
        if failure:
            raise PublishError(failure)
        return len(entries)

    async def _wait(self) -> None:
        due_at = min(self._verify_at, self._trim_at)
        timeout_s = max(0.0, due_at - asyncio.get_running_loop().time())
        try:
            async with asyncio.timeout(timeout_s):
                await self._outbox.wait_for_unpublished()
        except TimeoutError:
            return

    async def _publish_tenant(self, tenant: str, group: Sequence[OutboxItem]) -> str | None:
        """Publish one tenant's entries in order; the code of what stopped it, None if nothing."""
        failure: str | None = None
        try:
            check_tenant(tenant)
        except BadKeyError as error:
            await self._set_aside(group, error.code)
            return None
        self._tenants[tenant] = None
        for batch in batches(
            group, max_entries=self._config.batch_entries, max_bytes=self._config.batch_bytes
        ):
            code = await self._attempt(tenant, batch)
            if code in _PERHAPS_THE_ENTRY and await self._is_well():
                code = await self._one_by_one(tenant, batch)
                failure = code or failure
                if code is None or code in _PERHAPS_THE_ENTRY:
                    continue
            if code is not None:
                return code
        return failure

    async def _attempt(self, tenant: str, batch: Sequence[OutboxItem]) -> str | None:
        """Send one batch and mark it; the code of the fault, None when it is in the stream."""
        try:
            sent = await self._within_deadline(self._sender.send(tenant, batch))
        except StoreLostError as lost:
            return await self._store_lost(lost)
        except StoreFault as error:
            return await self._fault(error)
        await self._outbox.mark_published([entry.sequence for entry in batch])
        self._quarantine.passed(tenant, len(batch))
        self._state = replace(
            self._state,
            published=self._state.published + sent.published,
            duplicates=self._state.duplicates + sent.duplicates,
        )
        return None

    async def _one_by_one(self, tenant: str, batch: Sequence[OutboxItem]) -> str | None:
        """Find the entries of a refused batch that are to blame; the others go on."""
        refused: list[tuple[OutboxItem, str]] = []
        published_before = self._quarantine.published(tenant)
        for entry in batch:
            code = await self._attempt(tenant, [entry])
            if code is None:
                self._quarantine.forgive(entry)
            elif code in _PERHAPS_THE_ENTRY and await self._is_well():
                refused.append((entry, code))
            else:
                return code
        failure: str | None = None
        for entry, code in refused:
            if self._quarantine.refused(entry, code, published_before):
                await self._dead_letter(entry, code)
            else:
                failure = code
        return failure

    async def _is_well(self) -> bool:
        try:
            await self._within_deadline(self._client.execute_command("PING"))
        except StoreFault:
            return False
        return True

    async def _dead_letter(self, entry: OutboxItem, code: str) -> None:
        record = dead_letter(entry, code, datetime.now(UTC))
        key = TenantKeys(entry.tenant).dead
        try:
            await self._client.execute_command("LPUSH", key, record)
            await self._client.execute_command("LTRIM", key, 0, _DEAD_LETTERS_KEPT - 1)
        except StoreFault as error:
            # The record is a courtesy to whoever looks at the store; the report below is not.
            _log.warning("dead_letter_not_listed", tenant=entry.tenant, code=fault_code(error))
        await self._set_aside([entry], code)

    async def _set_aside(self, entries: Sequence[OutboxItem], code: str) -> None:
        for entry in entries:
            _log.error("alert_undeliverable", event_id=entry.event_id, code=code)
            if self._on_dead_letter is not None:
                await self._on_dead_letter(entry, code)
        await self._outbox.mark_published([entry.sequence for entry in entries])
        self._state = replace(
            self._state, dead_lettered=self._state.dead_lettered + len(entries), error_code=code
        )

    async def _store_lost(self, lost: StoreLostError) -> str:
        if not lost.first_contact:
            self._state = replace(self._state, store_losses=self._state.store_losses + 1)
            _log.warning("stream_entries_missing", tenant=lost.tenant)
        if self._on_store_lost is not None:
            await self._on_store_lost(lost.tenant)
        self._sender.accept_loss(lost.tenant)
        return _ASK_AGAIN if lost.first_contact else "entries_missing"

    async def _fault(self, error: BaseException) -> str:
        code = fault_code(error)
        if code == "read_only" and isinstance(self._client, Redis):
            # A former primary: connect anew, to whatever the name or the sentinels point to now.
            await self._client.connection_pool.disconnect(inuse_connections=False)
        return code

    async def _verify(self) -> str | None:
        now_s = asyncio.get_running_loop().time()
        if now_s < self._verify_at:
            return None
        for tenant in tuple(self._tenants):
            code = await self._attempt(tenant, [])
            if code is not None:
                return code
        self._verify_at = now_s + self._config.verify_every_s
        return None

    async def _trim(self) -> str | None:
        now_s = asyncio.get_running_loop().time()
        if now_s < self._trim_at:
            return None
        try:
            for tenant in tuple(self._tenants):
                await self.trim(tenant)
        except StoreFault as error:
            return await self._fault(error)
        self._trim_at = now_s + self._config.trim_every_s
        return None

    async def trim(self, tenant: str) -> int:
        """Remove entries older than the retention, never an unread one; how many were removed."""
        key = TenantKeys(tenant).alerts
        removed, holder = await self._within_deadline(
            TRIM.run(self._client, [key], [self._config.retention_s * 1000])
        )
        held = [pair for pair in self._state.trim_held_by if pair[0] != tenant]
        if holder:
            _log.warning("trim_held_back", tenant=tenant, group=holder)
            held.append((tenant, str(holder)))
        self._state = replace(
            self._state, trimmed=self._state.trimmed + int(removed), trim_held_by=tuple(held)
        )
        return int(removed)

    async def _within_deadline(self, call: Awaitable[_T]) -> _T:
        async with asyncio.timeout(self._config.call_deadline_s):
            return await call

    def _failed(self, code: str) -> None:
        if self._state.status == "ok":
            _log.warning("delivery_degraded", code=code)
            self._state = replace(self._state, status="degraded", since=datetime.now(UTC))
        self._state = replace(self._state, error_code=code, retries=self._state.retries + 1)

    def _recovered(self) -> None:
        if self._state.status == "degraded":
            _log.info("delivery_recovered", code=self._state.error_code)
            self._state = replace(self._state, status="ok", since=datetime.now(UTC))
