"""Addresses: which protocol, whose call, which key."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mamori.monitor.events import Channel
from mamori.telephony.protocols.errors import ProtocolError
from mamori.telephony.routes import (
    Route,
    anonymous_route,
    bearer_key,
    parse_route,
    vosk_options,
)


def test_the_three_addresses_are_told_apart() -> None:
    assert parse_route("/v1/native/acme") == Route(dialect="native", tenant="acme")
    assert parse_route("/v1/vosk/acme?key=k&channel=agent") == Route(
        dialect="vosk", tenant="acme", key="k", query={"key": "k", "channel": "agent"}
    )
    assert parse_route("/vosk/a%2Fkey?call_id=1") == Route(
        dialect="vosk", key="a/key", query={"call_id": "1"}
    )


@pytest.mark.parametrize(
    "target",
    ["", "/", "/v1", "/v1/native", "/v1/native/", "/v1/native/a/", "/v1/native/a%20b", "/vosk",
     "/vosk/", "/vosk/a/b", "/V1/native/a", "//v1/native/a", "/v1/native/" + "a" * 65,
     "/v1/native/Acme", "/v1/native/a.b", "/v1/native/_a",
     "/v1/native/a?" + "&".join("x=1" for _ in range(40))],
)  # fmt: skip
def test_anything_else_is_nobodys_address(target: str) -> None:
    assert parse_route(target) is None


@given(st.text())
def test_no_address_breaks_the_parser(target: str) -> None:
    parse_route(target)
    assert anonymous_route(target, "t").tenant == "t"


def test_an_address_keeps_its_key_to_itself() -> None:
    assert "secret" not in repr(parse_route("/v1/vosk/acme?key=secret"))


@pytest.mark.parametrize(
    ("headers", "key"),
    [
        ([], None),
        (["Bearer abc"], "abc"),
        (["bearer abc"], "abc"),
        (["Basic abc"], None),
        (["Bearer"], ""),
        (["Bearer a", "Bearer b"], None),
    ],
)
def test_only_one_bearer_header_holds_a_key(headers: list[str], key: str | None) -> None:
    assert bearer_key(headers) == key


def test_a_call_without_an_id_of_its_own_cannot_be_resumed() -> None:
    route = anonymous_route("/", "t")
    options = vosk_options(route, "made-up")
    assert (options.call_id, options.resumable, options.channel) == (
        "made-up",
        False,
        Channel.MIXED,
    )
    options = vosk_options(anonymous_route("/?call_id=x&language=ja-JP", "t"), "made-up")
    assert (options.call_id, options.resumable, options.language) == ("x", True, "ja")


@pytest.mark.parametrize("query", ["call_id=", "call_id=a%20b", "channel=left", "language=日"])
def test_a_query_that_says_nonsense_is_an_error(query: str) -> None:
    with pytest.raises(ProtocolError) as error:
        vosk_options(anonymous_route(f"/?{query}", "t"), "made-up")
    assert error.value.code == "bad_request"
