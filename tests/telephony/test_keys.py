"""Keys of tenants: rotation, mistakes in them, and what never shows."""

from __future__ import annotations

import hmac

import pytest

from mamori.errors import ConfigError
from mamori.telephony.keys import AccessKeys

KEYS = AccessKeys({"a": ["the-old-key-of-a", "the-new-key-of-a"], "b": ["the-only-key-of-b"]})


def test_every_key_of_a_tenant_is_right_and_no_other() -> None:
    assert KEYS.allows("a", "the-old-key-of-a")
    assert KEYS.allows("a", "the-new-key-of-a")
    assert not KEYS.allows("a", "the-only-key-of-b")
    assert not KEYS.allows("b", "the-old-key-of-a")
    assert not KEYS.allows("nobody", "the-old-key-of-a")
    assert not KEYS.allows("a", None)
    assert not KEYS.allows("a", "")
    assert not KEYS.allows("a", "the-old-key-of-")
    assert not KEYS.allows("a", "\udcff")


def test_a_key_alone_finds_its_tenant() -> None:
    assert KEYS.tenant_of("the-new-key-of-a") == "a"
    assert KEYS.tenant_of("the-only-key-of-b") == "b"
    assert KEYS.tenant_of("nobody's-key") is None
    assert KEYS.tenant_of(None) is None


@pytest.mark.parametrize(
    ("tenant", "key"),
    [
        ("a", "the-old-key-of-a"),
        ("a", "the-new-key-of-a"),
        ("a", "wrong"),
        ("b", "x"),
        ("nobody", "x"),
    ],
)
def test_every_check_compares_as_often_and_never_stops_early(
    monkeypatch: pytest.MonkeyPatch, tenant: str, key: str
) -> None:
    compared: list[tuple[bytes, bytes]] = []
    genuine = hmac.compare_digest

    def counting(a: bytes, b: bytes) -> bool:
        compared.append((a, b))
        return genuine(a, b)

    monkeypatch.setattr(hmac, "compare_digest", counting)
    KEYS.allows(tenant, key)
    assert len(compared) == 2
    KEYS.tenant_of(key)
    assert len(compared) == 2 + 3


def test_keys_never_show() -> None:
    assert "key" not in repr(KEYS).removeprefix("AccessKeys")
    assert "old-key" not in str(vars(KEYS))


def test_everything_wrong_is_reported_at_once_and_no_key_is_quoted() -> None:
    with pytest.raises(ConfigError) as error:
        AccessKeys(
            {
                "two words": ["a-good-key-of-16"],
                "short": ["fifteen-letters"],
                "spaced": ["has a space in its middle"],
                "none": [],
                "first": ["a-key-that-is-shared"],
                "second": ["a-key-that-is-shared"],
            }
        )
    assert len(error.value.problems) == 5
    for secret in ("a-good-key-of-16", "fifteen-letters", "has a space", "a-key-that-is-shared"):
        assert secret not in str(error.value)


@pytest.mark.parametrize(("length", "good"), [(15, False), (16, True), (256, True), (257, False)])
def test_a_key_has_16_to_256_characters(length: int, good: bool) -> None:
    key = "k" * length
    if good:
        assert AccessKeys({"a": [key]}).allows("a", key)
        return
    with pytest.raises(ConfigError, match="16 to 256"):
        AccessKeys({"a": [key]})


@pytest.mark.parametrize("tenant", ["a", "7", "acme-2", "a_b", "a" * 64])
def test_a_tenants_name_is_what_settings_and_store_allow_too(tenant: str) -> None:
    assert AccessKeys({tenant: ["the-only-key-of-it"]}).tenants == (tenant,)


@pytest.mark.parametrize("tenant", ["", "Acme", "a.b", "-a", "_a", "a b", "é", "a" * 65])
def test_a_name_that_settings_or_store_would_refuse_is_refused_here(tenant: str) -> None:
    with pytest.raises(ConfigError, match="a-z, 0-9"):
        AccessKeys({tenant: ["the-only-key-of-it"]})
