"""Key names of the contract; a tenant can reach no key but its own."""

from __future__ import annotations

import pytest
from redis.crc import key_slot

from mamori.monitor.store.keys import BadKeyError, TenantKeys


def test_the_names_are_those_of_the_contract_with_literal_braces() -> None:
    keys = TenantKeys("acme")
    assert keys.alerts == "mamori:{acme}:alerts"
    assert keys.live == "mamori:{acme}:live"
    assert keys.levels == "mamori:{acme}:levels"
    assert keys.call("c-1") == "mamori:{acme}:call:c-1"
    assert keys.calls == "mamori:{acme}:calls"


@pytest.mark.parametrize("name", ["c", "{other}", "}{", "通話1"])
def test_all_keys_of_a_tenant_share_one_slot_whatever_the_ids(name: str) -> None:
    keys = TenantKeys("acme")
    names = [keys.alerts, keys.live, keys.levels, keys.calls, keys.marks, keys.dead]
    names += [keys.call(name), keys.seen(name)]
    assert len({key_slot(key.encode()) for key in names}) == 1


@pytest.mark.parametrize("tenant", ["a", "a" * 64, "acme_2-jp", "0", "-"])
def test_a_tenant_of_the_allowed_characters_is_accepted(tenant: str) -> None:
    assert TenantKeys(tenant).alerts == f"mamori:{{{tenant}}}:alerts"


@pytest.mark.parametrize(
    "tenant",
    ["", "a" * 65, "A", "a}", "{a", "a:b", "a*", "a b", "a\n", "é", "０", "a\x00", "a.b", "a/b"],
)
def test_any_other_tenant_is_refused(tenant: str) -> None:
    with pytest.raises(BadKeyError) as caught:
        TenantKeys(tenant)
    assert caught.value.code == "bad_tenant"


@pytest.mark.parametrize("call_id", ["x", "x" * 256, "通話 1:{}*"])
def test_a_printable_call_id_of_up_to_256_characters_is_accepted(call_id: str) -> None:
    assert TenantKeys("a").call(call_id).endswith(call_id)


@pytest.mark.parametrize("call_id", ["", "x" * 257, "a\nb", "a\x00", "\ud800"])
def test_any_other_call_id_is_refused(call_id: str) -> None:
    with pytest.raises(BadKeyError) as caught:
        TenantKeys("a").call(call_id)
    assert caught.value.code == "bad_call_id"
