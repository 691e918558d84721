"""Limits are checked when they are set."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mamori.telephony.limits import TelephonyConfig


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        ({"port": 65_536}, r"port must be in \[0, 65535\]"),
        ({"first_message_timeout_ms": 9}, "first_message_timeout_ms must be in"),
        ({"max_message_bytes": 1_023}, "max_message_bytes must be in"),
        ({"max_half_open": 0}, "max_half_open must be in"),
        ({"tls_certificate_path": Path("x")}, "given both or not at all"),
        ({"vosk_listen": ("0.0.0.0", 2700)}, "vosk_allow_network"),
        ({"vosk_listen": ("somewhere.example", 2700)}, "vosk_allow_network"),
    ],
)
def test_what_cannot_be_is_refused_with_what_is_allowed(
    config: dict[str, Any], problem: str
) -> None:
    with pytest.raises(ValueError, match=problem):
        TelephonyConfig(**config)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.8.0.1"])
def test_an_address_without_a_key_may_be_on_this_machine(host: str) -> None:
    assert TelephonyConfig(vosk_listen=(host, 2700)).vosk_listen == (host, 2700)


def test_an_address_without_a_key_is_opened_to_the_network_only_on_purpose() -> None:
    config = TelephonyConfig(vosk_listen=("0.0.0.0", 2700), vosk_allow_network=True)
    assert config.vosk_allow_network


def test_a_tenants_own_language_comes_before_that_of_the_node() -> None:
    config = TelephonyConfig(default_language="ja", tenant_languages={"a": "ko"})
    assert (config.language_of("a"), config.language_of("b")) == ("ko", "ja")
