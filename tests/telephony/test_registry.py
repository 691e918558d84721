"""Which calls live, who may go on with them, and what the next one is called."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mamori.monitor.events import Channel, EndReason
from mamori.telephony.codecs import MediaFormat
from mamori.telephony.registry import (
    CallName,
    CallRegistry,
    CallState,
    Claim,
    ClaimError,
    RegistryConfig,
)

MEDIA = MediaFormat(encoding="mulaw", sample_rate_hz=8000, channels=(Channel.MIXED,))
OTHER_MEDIA = MediaFormat(encoding="alaw", sample_rate_hz=8000, channels=(Channel.MIXED,))


def registry(**config: int) -> CallRegistry:
    return CallRegistry(RegistryConfig(**config))


def name(call_id: str, tenant: str = "t") -> CallName:
    return CallName(tenant=tenant, call_id=call_id)


def claim(calls: CallRegistry, call_id: str, now_ms: int = 0, tenant: str = "t") -> Claim:
    return calls.claim(tenant, call_id, MEDIA, now_ms)


def refusal(calls: CallRegistry, call_id: str, now_ms: int = 0) -> str:
    with pytest.raises(ClaimError) as refused:
        claim(calls, call_id, now_ms)
    return refused.value.code


def end(calls: CallRegistry, call_id: str, now_ms: int = 0, tenant: str = "t") -> None:
    calls.ending(name(call_id, tenant))
    calls.ended(name(call_id, tenant), now_ms)


def test_a_new_id_begins_a_call_of_that_name() -> None:
    calls = registry()
    assert claim(calls, "a") == Claim(name=name("a"), resumed=False, linked_call_id=None)
    assert calls.state(name("a")) is CallState.CONNECTED


def test_a_connected_id_is_refused() -> None:
    calls = registry()
    claim(calls, "a")
    assert refusal(calls, "a") == "duplicate_call"


def test_two_tenants_never_mix() -> None:
    calls = registry(max_calls_per_tenant=1)
    claim(calls, "a", tenant="t")
    assert claim(calls, "a", tenant="u").linked_call_id is None
    end(calls, "a", tenant="t")
    assert refusal_of_other(calls) == "duplicate_call"
    assert claim(calls, "a", tenant="t").name == name("a~2")


def refusal_of_other(calls: CallRegistry) -> str:
    with pytest.raises(ClaimError) as refused:
        claim(calls, "a", tenant="u")
    return refused.value.code


@pytest.mark.parametrize(("after_ms", "resumed"), [(1_999, True), (2_000, False), (2_001, False)])
def test_a_lost_call_waits_for_the_grace_and_no_longer(after_ms: int, resumed: bool) -> None:
    calls = registry()
    claim(calls, "a")
    assert calls.lose(name("a"), 10_000) == 12_000
    expired = calls.expire(10_000 + after_ms)
    assert expired == ([] if resumed else [(name("a"), EndReason.TRANSPORT_LOST)])
    again = claim(calls, "a", 10_000 + after_ms)
    assert again.resumed is resumed
    assert again.name == name("a" if resumed else "a~2")
    assert again.linked_call_id == (None if resumed else "a")


def test_a_call_ends_for_the_reason_for_which_it_was_lost() -> None:
    calls = registry()
    claim(calls, "a")
    calls.lose(name("a"), 0, EndReason.PROTOCOL_ERROR)
    assert calls.expire(2_000) == [(name("a"), EndReason.PROTOCOL_ERROR)]
    assert calls.expire(9_000) == []


def test_a_call_that_goes_on_does_not_expire() -> None:
    calls = registry()
    claim(calls, "a")
    calls.lose(name("a"), 0)
    claim(calls, "a", 1_000)
    assert calls.expire(9_000) == []


def test_a_call_goes_on_only_with_the_media_it_began_with() -> None:
    calls = registry()
    claim(calls, "a")
    calls.lose(name("a"), 0)
    with pytest.raises(ClaimError) as refused:
        calls.claim("t", "a", OTHER_MEDIA, 0)
    assert refused.value.code == "media_changed"
    assert claim(calls, "a").resumed


def test_the_same_id_again_and_again_counts_up_and_links_back() -> None:
    calls = registry()
    claim(calls, "a")
    for number in range(2, 13):
        before = "a" if number == 2 else f"a~{number - 1}"
        end(calls, before)
        again = claim(calls, "a")
        assert (again.name.call_id, again.linked_call_id) == (f"a~{number}", before)


def test_an_id_is_free_while_its_call_is_still_ending() -> None:
    calls = registry()
    claim(calls, "a")
    calls.ending(name("a"))
    assert claim(calls, "a") == Claim(name=name("a~2"), resumed=False, linked_call_id="a")
    assert refusal(calls, "a") == "duplicate_call"
    calls.ended(name("a"), 0)
    assert refusal(calls, "a") == "duplicate_call"
    end(calls, "a~2")
    assert claim(calls, "a").name == name("a~3")


def test_a_client_may_come_back_with_the_name_it_was_given() -> None:
    calls = registry()
    claim(calls, "a")
    end(calls, "a")
    claim(calls, "a")
    assert refusal(calls, "a~2") == "duplicate_call"
    calls.lose(name("a~2"), 0)
    assert claim(calls, "a~2") == Claim(name=name("a~2"), resumed=True)
    end(calls, "a~2")
    assert claim(calls, "a~2") == Claim(name=name("a~3"), resumed=False, linked_call_id="a~2")


def test_a_clients_own_tilde_is_never_taken_over() -> None:
    calls = registry()
    claim(calls, "a~2")
    claim(calls, "a")
    end(calls, "a")
    assert claim(calls, "a").name == name("a~3")


@pytest.mark.parametrize(("after_ms", "linked"), [(1_000, "a"), (1_001, None)])
def test_an_ended_id_is_remembered_for_a_time(after_ms: int, linked: str | None) -> None:
    calls = registry(remember_ms=1_000)
    claim(calls, "a")
    end(calls, "a", 5_000)
    assert claim(calls, "a", 5_000 + after_ms).linked_call_id == linked


def test_only_so_many_ended_ids_are_remembered_the_latest() -> None:
    calls = registry(max_remembered=2)
    for call_id in ("a", "b", "c"):
        claim(calls, call_id)
        end(calls, call_id)
    assert claim(calls, "a").linked_call_id is None
    assert claim(calls, "b").linked_call_id == "b"
    assert claim(calls, "c").linked_call_id == "c"


def test_a_tenant_has_so_many_calls_and_those_that_wait_count() -> None:
    calls = registry(max_calls_per_tenant=2)
    claim(calls, "a")
    claim(calls, "b")
    calls.lose(name("a"), 0)
    assert refusal(calls, "c") == "too_many_calls"
    assert claim(calls, "a").resumed


def test_calls_that_are_being_ended_keep_no_new_call_out() -> None:
    calls = registry(max_calls_per_tenant=1)
    claim(calls, "a")
    calls.ending(name("a"))
    calls.ending(name("a"))
    assert claim(calls, "b").name == name("b")
    assert refusal(calls, "c") == "too_many_calls"
    calls.ended(name("a"), 0)
    assert refusal(calls, "c") == "too_many_calls"
    end(calls, "b")
    assert claim(calls, "c").name == name("c")
    assert refusal(calls, "d") == "too_many_calls"


def test_a_call_that_never_began_leaves_nothing() -> None:
    calls = registry(max_calls_per_tenant=1)
    claim(calls, "a")
    calls.release(name("a"))
    assert len(calls) == 0
    assert claim(calls, "a") == Claim(name=name("a"), resumed=False, linked_call_id=None)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["claim", "lose", "expire", "end", "ending", "release"]),
            st.sampled_from(["a", "b", "a~2", "a~3"]),
            st.sampled_from(["t", "u"]),
        ),
        max_size=40,
    )
)
def test_no_two_live_calls_ever_share_a_name(steps: list[tuple[str, str, str]]) -> None:
    calls = registry(max_calls_per_tenant=3)
    given_names: dict[CallName, int] = {}
    now_ms = 0
    for action, call_id, tenant in steps:
        now_ms += 500
        named = name(call_id, tenant)
        state = calls.state(named)
        if action == "claim":
            try:
                claimed = calls.claim(tenant, call_id, MEDIA, now_ms)
            except ClaimError:
                continue
            assert claimed.name.tenant == tenant
            assert claimed.resumed is (claimed.name in given_names)
            given_names[claimed.name] = now_ms
        elif action == "expire":
            calls.expire(now_ms)
        elif state is CallState.CONNECTED and action == "lose":
            calls.lose(named, now_ms)
        elif state is not None and action == "ending":
            calls.ending(named)
        elif state is CallState.ENDING and action == "end":
            calls.ended(named, now_ms)
            del given_names[named]
        elif state is CallState.CONNECTED and action == "release":
            calls.release(named)
            del given_names[named]
        assert len(calls) == len(given_names)


@pytest.mark.parametrize(
    "config",
    [{"grace_ms": -1}, {"grace_ms": 60_001}, {"max_calls_per_tenant": 0}, {"remember_ms": -1}],
)
def test_limits_outside_their_interval_are_refused(config: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must be in"):
        RegistryConfig(**config)
