"""What the address of a connection says: which protocol, whose call, and the key."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final, Literal
from urllib.parse import parse_qs, unquote, urlsplit

from mamori.monitor.events import Channel
from mamori.telephony.keys import TENANT_PATTERN
from mamori.telephony.protocols.errors import ProtocolError
from mamori.telephony.protocols.messages import CALL_ID_PATTERN
from mamori.telephony.protocols.vosk import VoskOptions

SUBPROTOCOL: Final = "mamori.native.v1"
"""Echoed to clients of the native protocol that offer it; nobody has to."""

_LANGUAGE: Final = re.compile(r"([A-Za-z]{2,3})(-[A-Za-z0-9]{1,8})*")
_CALL_ID: Final = re.compile(CALL_ID_PATTERN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Where a request goes. ``tenant`` is claimed by the address and proved by the key.

    In ``/vosk/<key>`` the key alone says whose call it is, and ``tenant`` is None.
    """

    dialect: Literal["native", "vosk"]
    tenant: str | None = None
    key: str | None = field(default=None, repr=False)
    query: dict[str, str] = field(default_factory=dict, repr=False)


def parse_route(target: str) -> Route | None:
    """The route of a request target (path and query); None for an address that nobody serves."""
    path, query = _split(target)
    match path.split("/"):
        case ["", "v1", "native", tenant] if TENANT_PATTERN.fullmatch(tenant):
            return Route(dialect="native", tenant=tenant, query=query)
        case ["", "v1", "vosk", tenant] if TENANT_PATTERN.fullmatch(tenant):
            return Route(dialect="vosk", tenant=tenant, key=query.get("key"), query=query)
        case ["", "vosk", key] if key:
            return Route(dialect="vosk", key=unquote(key), query=query)
    return None


def anonymous_route(target: str, tenant: str) -> Route:
    """The route of any request to the address that asks for no key."""
    return Route(dialect="vosk", tenant=tenant, query=_split(target)[1])


def vosk_options(route: Route, generated_id: str) -> VoskOptions:
    """What the query says about a vosk call; ProtocolError ``bad_request`` where it is wrong."""
    call_id = route.query.get("call_id")
    if call_id is not None and _CALL_ID.fullmatch(call_id) is None:
        raise ProtocolError(
            "bad_request", "call_id must be 1 to 128 printable ASCII characters without spaces"
        )
    channel = route.query.get("channel", Channel.MIXED.value)
    if channel not in set(Channel):
        raise ProtocolError("bad_request", f"channel must be one of {', '.join(Channel)}")
    language = route.query.get("language")
    if language is not None:
        matched = _LANGUAGE.fullmatch(language)
        if matched is None:
            raise ProtocolError("bad_request", "language must be a language tag such as ja")
        language = matched[1].lower()
    return VoskOptions(
        call_id=call_id or generated_id,
        resumable=call_id is not None,
        channel=Channel(channel),
        language=language,
    )


def bearer_key(authorization: list[str]) -> str | None:
    """The key in the one Authorization header of a request."""
    if len(authorization) != 1:
        return None
    scheme, _, key = authorization[0].partition(" ")
    return key.strip() if scheme.lower() == "bearer" else None


def _split(target: str) -> tuple[str, dict[str, str]]:
    try:
        parts = urlsplit(target)
        values = parse_qs(parts.query, keep_blank_values=True, max_num_fields=32)
    except ValueError:
        return "", {}
    return parts.path, {name: texts[-1] for name, texts in values.items()}
