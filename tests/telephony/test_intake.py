"""Bytes of any length become frames and gaps that account for every sample."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mamori.monitor.events import AudioFrame, Channel, GapCause, MediaDropped, MediaGap
from mamori.telephony.codecs import MediaFormat
from mamori.telephony.inflow import InflowConfig
from mamori.telephony.intake import CallIntake, MediaEvent

MS = 1_000_000
BOTH = (Channel.CUSTOMER, Channel.AGENT)


def intake(encoding: str = "pcm_s16le", channels: tuple[Channel, ...] = BOTH) -> CallIntake:
    media = MediaFormat(encoding=encoding, sample_rate_hz=8000, channels=channels)
    return CallIntake(call_id="c", media=media, inflow=InflowConfig(), now_ns=0)


def seen(events: list[MediaEvent]) -> list[tuple[Any, ...]]:
    """What a test compares of the events: arrays as lists."""
    return [
        (e.channel, e.offset_samples, e.pcm.tolist()) if isinstance(e, AudioFrame) else (e,)
        for e in events
    ]


def spans(events: list[MediaEvent], channel: Channel) -> list[tuple[str, int]]:
    return [
        ("audio", len(e.pcm)) if isinstance(e, AudioFrame) else (e.cause.value, e.duration_samples)
        for e in events
        if not isinstance(e, MediaDropped) and e.channel == channel
    ]


@settings(max_examples=60)
@given(
    encoding=st.sampled_from(["pcm_s16le", "mulaw", "alaw"]),
    channels=st.sampled_from([BOTH, (Channel.MIXED,)]),
    data=st.binary(max_size=3_000),
    cuts=st.lists(st.integers(0, 3_000), max_size=10),
)
def test_any_chunking_of_the_bytes_gives_identical_events(
    encoding: str, channels: tuple[Channel, ...], data: bytes, cuts: list[int]
) -> None:
    whole = intake(encoding, channels)
    expected = seen([*whole.receive(data, 0), *whole.finish()])
    pieces = intake(encoding, channels)
    bounds = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    events: list[MediaEvent] = []
    for start, end in pairwise(bounds):
        events += pieces.receive(data[start:end], 0)
    events += pieces.finish()
    # Frames of two channels alternate only as far as they were complete at the same time.
    assert sorted(seen(events)) == sorted(expected)
    assert pieces.odd_bytes == whole.odd_bytes == len(data) % whole.media.group_bytes


def test_half_a_sample_waits_for_the_next_message() -> None:
    taken = intake()
    assert taken.receive(b"\x01\x00\x02", 0) == []
    assert taken.odd_bytes == 3
    taken.receive(b"\x00", 0)
    frames = taken.finish()
    assert seen(frames) == [(Channel.CUSTOMER, 0, [1]), (Channel.AGENT, 0, [2])]


def test_half_a_sample_dies_with_its_connection() -> None:
    taken = intake()
    taken.receive(b"\x01\x00\x02", 0)
    taken.disconnected()
    taken.receive(b"\x03\x00\x04\x00", 0)
    assert seen(taken.finish()) == [(Channel.CUSTOMER, 0, [3]), (Channel.AGENT, 0, [4])]


def test_frames_of_both_channels_come_in_the_order_of_time() -> None:
    events = intake("mulaw").receive(bytes(2 * 480), 0)
    assert [(e.channel, e.offset_ms) for e in events] == [
        (channel, offset_ms) for offset_ms in (0, 20, 40) for channel in BOTH
    ]


def test_what_floods_becomes_one_gap_once_audio_comes_in_again() -> None:
    taken = intake("mulaw")
    events = taken.receive(bytes(2 * 16_000), 0)
    assert not taken.receive(bytes(2 * 100), 0)
    assert not taken.receive(bytes(2 * 100), 10 * MS)
    events += taken.receive(bytes(2 * 160), 600 * MS)
    assert spans(events, Channel.CUSTOMER)[-2:] == [("dropped", 200), ("audio", 160)]
    assert spans(events, Channel.AGENT) == spans(events, Channel.CUSTOMER)
    assert taken.dropped_samples == 200


def test_a_long_flood_is_told_second_by_second_and_exactly() -> None:
    taken = intake("mulaw", (Channel.MIXED,))
    events = [*taken.receive(bytes(16_000 + 20_001), 0), *taken.finish()]
    gaps = [e for e in events if isinstance(e, MediaGap)]
    assert [g.duration_samples for g in gaps] == [8_000, 8_000, 4_001]
    assert [
        (d.offset_ms, d.duration_samples, d.stage, d.code)
        for d in events
        if isinstance(d, MediaDropped)
    ] == [(g.offset_ms, g.duration_samples, "ingest", "flood") for g in gaps]
    assert taken.dropped_samples == 20_001
    assert taken.position_ms == 36_001 * 1000 // 8000


def test_the_rest_of_a_flood_is_told_at_the_end() -> None:
    taken = intake("mulaw", (Channel.MIXED,))
    taken.receive(bytes(16_001), 0)
    assert spans(taken.finish(), Channel.MIXED) == [("dropped", 1)]


def test_a_declared_gap_lies_between_the_audio_around_it() -> None:
    taken = intake("mulaw", (Channel.MIXED,))
    events = [
        *taken.receive(bytes(100), 0),
        *taken.gap(250, GapCause.PAUSED, 0),
        *taken.receive(bytes(160), 0),
    ]
    assert spans(events, Channel.MIXED) == [("audio", 100), ("paused", 2_000), ("audio", 160)]


def test_a_reconnect_without_a_position_is_measured_by_the_clock() -> None:
    taken = intake("mulaw", (Channel.MIXED,))
    taken.receive(bytes(160), 1_000 * MS)
    taken.disconnected()
    assert spans(taken.reconnected(None, 1_750 * MS), Channel.MIXED) == [("loss", 6_000)]


def test_a_reconnect_with_a_position_is_measured_by_the_sender() -> None:
    taken = intake("mulaw", (Channel.MIXED,))
    taken.receive(bytes(160), 1_000 * MS)
    assert spans(taken.reconnected(520, 1_750 * MS), Channel.MIXED) == [("loss", 4_000)]


def test_audio_that_is_sent_again_after_a_reconnect_is_not_heard_twice() -> None:
    taken = intake("mulaw", (Channel.MIXED,))
    taken.receive(bytes(480), 0)
    assert taken.reconnected(40, 0) == []
    assert spans(taken.receive(bytes(100), 0), Channel.MIXED) == []
    assert spans(taken.receive(bytes(220), 0), Channel.MIXED) == [("audio", 160)]
    assert taken.position_ms == 80


@pytest.mark.parametrize(
    ("position_ms", "gap_ms"), [(2_769, 2_749), (2_770, 2_750), (2_771, 750), (86_400_000, 750)]
)
def test_a_position_that_time_does_not_allow_leaves_it_to_the_clock(
    position_ms: int, gap_ms: int
) -> None:
    taken = intake("mulaw", (Channel.MIXED,))
    taken.receive(bytes(160), 1_000 * MS)
    events = taken.reconnected(position_ms, 1_750 * MS)
    assert spans(events, Channel.MIXED) == [("loss", gap_ms * 8)]
