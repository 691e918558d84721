"""Media may run ahead of wall time by a fixed amount and not a sample more."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mamori.telephony.inflow import InflowConfig, InflowGuard

MS = 1_000_000


def guard(**config: int) -> InflowGuard:
    return InflowGuard(InflowConfig(**config), sample_rate_hz=8000, now_ns=0)


@pytest.mark.parametrize(
    ("samples", "admitted"), [(15_999, 15_999), (16_000, 16_000), (16_001, 16_000)]
)
def test_two_seconds_may_come_at_once(samples: int, admitted: int) -> None:
    assert guard().admit(samples, 0) == admitted


def test_real_time_is_never_dropped() -> None:
    guarded = guard()
    assert all(guarded.admit(160, n * 20 * MS) == 160 for n in range(10_000))


def test_a_stall_shorter_than_the_allowance_costs_nothing() -> None:
    guarded = guard()
    assert guarded.admit(160, 0) == 160
    assert guarded.admit(16_000, 2_000 * MS) == 16_000


@pytest.mark.parametrize(("wait_ms", "admitted"), [(499, 0), (500, 100), (501, 100)])
def test_after_a_drop_nothing_comes_in_until_half_a_second_may(wait_ms: int, admitted: int) -> None:
    guarded = guard()
    guarded.admit(16_001, 0)
    assert guarded.admit(100, wait_ms * MS) == admitted


def test_audio_that_resumes_comes_in_one_piece() -> None:
    guarded = guard()
    guarded.admit(20_000, 0)
    assert [guarded.admit(160, 500 * MS) for _ in range(26)] == [160] * 25 + [0]


@given(st.lists(st.tuples(st.integers(0, 40_000), st.integers(0, 3_000)), max_size=60))
def test_what_comes_in_is_never_more_than_time_allows(steps: list[tuple[int, int]]) -> None:
    guarded = guard()
    now_ms = 0
    total = 0
    for samples, wait_ms in steps:
        now_ms += wait_ms
        total += guarded.admit(samples, now_ms * MS)
        assert total <= 16_000 + now_ms * 8


@given(st.integers(1, 16_000), st.integers(0, 16_000))
def test_after_the_wait_it_names_audio_comes_in_whole(samples: int, used: int) -> None:
    guarded = guard()
    guarded.admit(used, 0)
    wait_ns = guarded.wait_ns(samples, 0)
    if wait_ns:
        earlier = guard()
        earlier.admit(used, 0)
        assert earlier.admit(samples, wait_ns - 1) < samples
    assert guarded.admit(samples, wait_ns) == samples


@pytest.mark.parametrize(("samples", "wait_ms"), [(160, 500), (4_000, 500), (4_008, 501)])
def test_while_audio_is_dropped_the_wait_is_until_it_comes_in_again(
    samples: int, wait_ms: int
) -> None:
    guarded = guard()
    guarded.admit(16_001, 0)
    assert guarded.wait_ns(samples, 0) == wait_ms * MS
    assert guarded.wait_ns(samples, wait_ms * MS - 1) == 1
    assert guarded.admit(samples, wait_ms * MS) == samples


@given(st.integers(1, 16_000), st.integers(16_001, 40_000), st.integers(0, 3_000))
def test_no_wait_is_named_only_where_audio_comes_in_whole(
    samples: int, flood: int, after_ms: int
) -> None:
    guarded = guard()
    guarded.admit(flood, 0)
    now_ns = after_ms * MS
    comes_in = guarded.wait_ns(samples, now_ns) == 0
    assert comes_in is (guarded.admit(samples, now_ns) == samples)


def test_a_clock_that_stands_or_goes_back_gives_nothing_away() -> None:
    guarded = guard()
    assert guarded.admit(16_000, 1_000 * MS) == 16_000
    assert guarded.admit(1, 0) == 0
    assert guarded.wait_ns(1, 0) > 0


@pytest.mark.parametrize(
    "config",
    [{"max_ahead_ms": 99}, {"max_ahead_ms": 60_001}, {"resume_ms": 19}, {"resume_ms": 2001}],
)
def test_limits_outside_their_interval_are_refused(config: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must be in"):
        InflowConfig(**config)
