"""The door counts each connection in once and out once, in whatever order it hears of them."""

from __future__ import annotations

from typing import Any

from websockets.datastructures import Headers
from websockets.http11 import Request

from mamori.telephony.door import Door, DoorConnection
from mamori.telephony.keys import AccessKeys
from mamori.telephony.limits import TelephonyConfig
from mamori.telephony.port import NullObserver
from mamori.telephony.registry import RegistryConfig

KEY = "0123456789abcdef"


def door() -> Door:
    return Door(
        config=TelephonyConfig(registry=RegistryConfig(max_calls_per_tenant=1)),
        keys=AccessKeys({"acme": [KEY]}),
        observer=NullObserver(),
    )


def connection(at: Door) -> Any:
    """A connection without its socket, as the door sees it."""
    made = DoorConnection.__new__(DoorConnection)
    made._door = at
    made.admission = None
    made.finishing = False
    made.gone = False
    return made


def request() -> Request:
    return Request("/v1/native/acme", Headers({"Authorization": f"Bearer {KEY}"}))


async def test_a_connection_that_is_lost_before_it_is_looked_at_holds_no_place() -> None:
    at = door()
    for _ in range(3):
        lost = connection(at)
        at.came(lost)
        at.went(lost)
        assert await at.check(lost, request()) is None
        assert lost.admission is None

    next_one = connection(at)
    at.came(next_one)
    assert await at.check(next_one, request()) is None
    assert next_one.admission is not None


async def test_a_connection_that_is_gone_gives_its_place_back() -> None:
    at = door()
    for _ in range(3):
        one = connection(at)
        at.came(one)
        assert await at.check(one, request()) is None
        assert one.admission is not None
        at.went(one)
