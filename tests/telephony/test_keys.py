"""Keys of tenants: rotation, mistakes in them, and what never shows."""

from __future__ import annotations

import hmac

import pytest

from mamori.errors import ConfigError
from mamori.telephony.keys import TenantKeys

KEYS = TenantKeys({"a": ["old-key-of-a", "new-key-of-a"], "b": ["only-key-of-b"]})


def test_every_key_of_a_tenant_is_right_and_no_other() -> None:
    assert KEYS.allows("a", "old-key-of-a")
    assert KEYS.allows("a", "new-key-of-a")
    assert not KEYS.allows("a", "only-key-of-b")
    assert not KEYS.allows("b", "old-key-of-a")
    assert not KEYS.allows("nobody", "old-key-of-a")
    assert not KEYS.allows("a", None)
    assert not KEYS.allows("a", "")
    assert not KEYS.allows("a", "old-key-of-")
    assert not KEYS.allows("a", "\udcff")


def test_a_key_alone_finds_its_tenant() -> None:
    assert KEYS.tenant_of("new-key-of-a") == "a"
    assert KEYS.tenant_of("only-key-of-b") == "b"
    assert KEYS.tenant_of("nobody's-key") is None
    assert KEYS.tenant_of(None) is None


@pytest.mark.parametrize(
    ("tenant", "key"),
    [("a", "old-key-of-a"), ("a", "new-key-of-a"), ("a", "wrong"), ("b", "x"), ("nobody", "x")],
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
    assert "key" not in repr(KEYS).removeprefix("TenantKeys")
    assert "old-key" not in str(vars(KEYS))


def test_everything_wrong_is_reported_at_once_and_no_key_is_quoted() -> None:
    with pytest.raises(ConfigError) as error:
        TenantKeys(
            {
                "two words": ["good-key-1"],
                "short": ["seven77"],
                "spaced": ["has a space in it"],
                "none": [],
                "first": ["shared-key"],
                "second": ["shared-key"],
            }
        )
    assert len(error.value.problems) == 5
    for secret in ("good-key-1", "seven77", "has a space", "shared-key"):
        assert secret not in str(error.value)


def test_the_shortest_key_has_eight_characters() -> None:
    assert TenantKeys({"a": ["8letters"]}).allows("a", "8letters")
