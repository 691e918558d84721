"""Reads the alert stream for a terminal or another program: nothing twice, across reconnects."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any, Final

from mamori.monitor.store.cancelling import raise_if_cancelled
from mamori.monitor.store.faults import StoreFault, fault_code
from mamori.monitor.store.keys import TenantKeys
from mamori.monitor.store.scripts import StoreClient

# Entries a read; a screenful or two, so that a long backlog does not arrive as one reply.
_READ_ENTRIES: Final = 100
# Ids remembered against doubles. A refilled stream repeats entries that were lately read.
_REMEMBERED_IDS: Final = 10_000
# A server that is away is asked again this often: a person is watching.
_RETRY_EVERY_S: Final = 0.5

FROM_NOW: Final = "$"
"""``after_id`` of who wants only what comes from now on."""
FROM_START: Final = "0-0"
"""``after_id`` of who wants all that the stream holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredMessage:
    """One message of the alert stream; ``entry_id`` is the place to go on from."""

    entry_id: str
    event_id: str
    body: str


async def latest(client: StoreClient, tenant: str, count: int) -> list[StoredMessage]:
    """The last ``count`` (1..10,000) messages of the tenant's alert stream, oldest first."""
    if not 1 <= count <= 10_000:
        raise ValueError(f"count must be in [1, 10000], not {count}")
    # Texts, because connect() asks for them.
    entries: Any = await client.xrevrange(TenantKeys(tenant).alerts, count=count)
    return [_message(entry_id, fields) for entry_id, fields in reversed(entries)]


async def follow(
    client: StoreClient,
    tenant: str,
    after_id: str = FROM_NOW,
    *,
    block_ms: int = 2_000,
    on_trouble: Callable[[str], None] | None = None,
) -> AsyncIterator[StoredMessage]:
    """The messages after ``after_id``, then each new one, without end and each event once.

    A server that goes away is waited for; ``on_trouble`` hears the code of each failed attempt.
    ``block_ms`` must stay below the client's socket timeout (``ClientConfig.block_ms``).
    """
    key = TenantKeys(tenant).alerts
    position: str | None = None if after_id == FROM_NOW else after_id
    remembered: OrderedDict[str, None] = OrderedDict()
    while True:
        raise_if_cancelled()
        try:
            if position is None:
                # A fixed place: what is written while we reconnect is not missed.
                position = await _end_of(client, key)
            reply: Any = await client.xread({key: position}, count=_READ_ENTRIES, block=block_ms)
        except StoreFault as error:
            if on_trouble is not None:
                on_trouble(fault_code(error))
            await asyncio.sleep(_RETRY_EVERY_S)
            continue
        for entry_id, fields in reply[0][1] if reply else ():
            position = entry_id
            message = _message(entry_id, fields)
            if message.event_id in remembered:
                continue
            remembered[message.event_id] = None
            if len(remembered) > _REMEMBERED_IDS:
                remembered.popitem(last=False)
            yield message


async def _end_of(client: StoreClient, key: str) -> str:
    newest: Any = await client.xrevrange(key, count=1)
    return str(newest[0][0]) if newest else FROM_START


def _message(entry_id: str, fields: dict[str, str]) -> StoredMessage:
    # An entry that another program wrote has no id of ours: its place in the stream is its name.
    return StoredMessage(
        entry_id=entry_id, event_id=fields.get("id", entry_id), body=fields.get("body", "")
    )
