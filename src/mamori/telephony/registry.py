"""Which calls are alive, and what a start with a given id means: a pure state machine.

A call is *connected*, or *waiting* after its connection was lost, or *ending* while its last audio
is worked through. Times are milliseconds of any monotonic clock.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from enum import StrEnum

from mamori.errors import MamoriError
from mamori.monitor.events import EndReason
from mamori.telephony.codecs import MediaFormat


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryConfig:
    """How long calls wait and how many there may be.

    ``grace_ms`` in [0, 60000]; ``max_calls_per_tenant`` in [1, 100000]; ``max_remembered`` per
    tenant in [0, 1000000]; ``remember_ms`` in [0, 86400000].
    """

    # A telephone system that lost its connection is back within two seconds or not at all.
    grace_ms: int = 2_000
    # What two cores carry without recognition; a runaway client must not take a whole node.
    max_calls_per_tenant: int = 100
    # An hour of calls at three a second: ids that come again later start a story of their own.
    max_remembered: int = 10_000
    remember_ms: int = 3_600_000

    def __post_init__(self) -> None:
        for name, low, high in (
            ("grace_ms", 0, 60_000),
            ("max_calls_per_tenant", 1, 100_000),
            ("max_remembered", 0, 1_000_000),
            ("remember_ms", 0, 86_400_000),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise ValueError(f"{name} must be in [{low}, {high}], not {value}")


class ClaimError(MamoriError):
    """The id cannot be had: ``duplicate_call``, ``media_changed`` or ``too_many_calls``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallName:
    """A call's one name on this node: the same id of two tenants is two calls."""

    tenant: str
    call_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What a start means: a new call under this name, or (``resumed``) one that goes on."""

    name: CallName
    resumed: bool
    linked_call_id: str | None = None


class CallState(StrEnum):
    """Where a live call stands."""

    CONNECTED = "connected"
    WAITING = "waiting"
    ENDING = "ending"


@dataclass(slots=True)
class _Live:
    base_id: str
    media: MediaFormat
    state: CallState
    deadline_ms: int = 0
    reason: EndReason = EndReason.TRANSPORT_LOST


@dataclass(frozen=True, slots=True)
class _Ended:
    """The latest call that had this base id."""

    call_id: str
    number: int
    ended_ms: int


class CallRegistry:
    """All calls of a node by tenant and id."""

    def __init__(self, config: RegistryConfig) -> None:
        self._config = config
        self._live: dict[CallName, _Live] = {}
        self._per_tenant: dict[str, int] = {}  # those that do not end yet
        self._latest: dict[CallName, CallName] = {}  # base id -> its newest live call
        self._ended: dict[str, OrderedDict[str, _Ended]] = {}  # tenant -> base id -> its last call

    def __len__(self) -> int:
        return len(self._live)

    def state(self, name: CallName) -> CallState | None:
        """Where this call stands; None when it is not alive."""
        live = self._live.get(name)
        return None if live is None else live.state

    def claim(self, tenant: str, call_id: str, media: MediaFormat, now_ms: int) -> Claim:
        """A client starts ``call_id``; ClaimError when it may not.

        A waiting call goes on. An id whose call has ended (or is ending) begins a new call named
        ``<id>~2``, ``<id>~3`` and so on, linked to the one before.
        """
        name = self._newest(CallName(tenant=tenant, call_id=call_id))
        live = self._live.get(name)
        if live is not None and live.state is CallState.CONNECTED:
            raise ClaimError("duplicate_call", "a call with this call_id is connected already")
        if live is not None and live.state is CallState.WAITING:
            if live.media != media:
                raise ClaimError(
                    "media_changed", "a call goes on with the media that it began with"
                )
            live.state = CallState.CONNECTED
            return Claim(name=name, resumed=True)
        if self._per_tenant.get(tenant, 0) >= self._config.max_calls_per_tenant:
            raise ClaimError(
                "too_many_calls",
                f"no more than {self._config.max_calls_per_tenant} calls at a time",
                recoverable=True,
            )
        return self._begin(tenant, live.base_id if live else call_id, media, now_ms)

    def lose(
        self, name: CallName, now_ms: int, reason: EndReason = EndReason.TRANSPORT_LOST
    ) -> int:
        """The call's connection is gone; return until when it waits for another."""
        live = self._live[name]
        live.state = CallState.WAITING
        live.deadline_ms = now_ms + self._config.grace_ms
        live.reason = reason
        return live.deadline_ms

    def expire(self, now_ms: int) -> list[tuple[CallName, EndReason]]:
        """The calls that have waited long enough; they are ending from now on."""
        expired = [
            (name, live.reason)
            for name, live in self._live.items()
            if live.state is CallState.WAITING and live.deadline_ms <= now_ms
        ]
        for name, _ in expired:
            self.ending(name)
        return expired

    def ending(self, name: CallName) -> None:
        """The call takes no more audio; its id may begin a new one, and so may another call.

        However long the application takes to end it, no new call waits for that.
        """
        live = self._live[name]
        if live.state is not CallState.ENDING:
            live.state = CallState.ENDING
            self._make_room(name.tenant)

    def ended(self, name: CallName, now_ms: int) -> None:
        """The call is over; remember its id for a while."""
        live = self._forget(name)
        memory = self._ended.setdefault(name.tenant, OrderedDict())
        before = memory.pop(live.base_id, None)
        number = _number(name.call_id, live.base_id)
        if before is not None and before.number > number:
            memory[live.base_id] = before
        else:
            memory[live.base_id] = _Ended(name.call_id, number, now_ms)
        self._trim(memory, now_ms)

    def release(self, name: CallName) -> None:
        """The call never began: nothing of it is remembered."""
        self._forget(name)

    def _newest(self, wanted: CallName) -> CallName:
        """The newest live call of the same base id, else the name itself."""
        live = self._live.get(wanted)
        base_id = live.base_id if live else wanted.call_id
        return self._latest.get(CallName(tenant=wanted.tenant, call_id=base_id), wanted)

    def _begin(self, tenant: str, call_id: str, media: MediaFormat, now_ms: int) -> Claim:
        memory = self._ended.get(tenant, OrderedDict())
        self._trim(memory, now_ms)
        base_id = self._base_id(memory, call_id)
        base = CallName(tenant=tenant, call_id=base_id)
        previous = memory.get(base_id)
        newest = self._latest.get(base)
        linked = newest.call_id if newest else previous.call_id if previous else None
        name = base
        if linked is not None:
            number = _number(linked, base_id) + 1
            name = CallName(tenant=tenant, call_id=f"{base_id}~{number}")
            while name in self._live or name.call_id in memory:
                number += 1
                name = CallName(tenant=tenant, call_id=f"{base_id}~{number}")
        self._live[name] = _Live(base_id, media, CallState.CONNECTED)
        self._latest[base] = name
        self._per_tenant[tenant] = self._per_tenant.get(tenant, 0) + 1
        return Claim(name=name, resumed=False, linked_call_id=linked)

    @staticmethod
    def _base_id(memory: OrderedDict[str, _Ended], call_id: str) -> str:
        """The id that ``call_id`` goes back to: a client may come back with ``<id>~2``."""
        base_id, tilde, _ = call_id.rpartition("~")
        ended = memory.get(base_id) if tilde else None
        return base_id if ended is not None and ended.call_id == call_id else call_id

    def _forget(self, name: CallName) -> _Live:
        live = self._live.pop(name)
        base = CallName(tenant=name.tenant, call_id=live.base_id)
        if self._latest.get(base) == name:
            del self._latest[base]
        if live.state is not CallState.ENDING:
            self._make_room(name.tenant)
        return live

    def _make_room(self, tenant: str) -> None:
        self._per_tenant[tenant] -= 1
        if not self._per_tenant[tenant]:
            del self._per_tenant[tenant]

    def _trim(self, memory: OrderedDict[str, _Ended], now_ms: int) -> None:
        while memory:
            oldest = next(iter(memory.values()))
            too_old = now_ms - oldest.ended_ms > self._config.remember_ms
            if not too_old and len(memory) <= self._config.max_remembered:
                return
            memory.popitem(last=False)


def _number(call_id: str, base_id: str) -> int:
    """Which call of ``base_id`` this is: 1 for the id itself, 2 for ``<id>~2``."""
    return 1 if call_id == base_id else int(call_id[len(base_id) + 1 :])
