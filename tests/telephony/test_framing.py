"""Exact 20 ms frames on a timeline made of sample counts."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mamori.monitor.events import AudioFrame, Channel, GapCause, MediaGap, Pcm
from mamori.telephony.framing import ChannelFramer, pipeline_rate_hz

RATES = [8000, 8001, 11025, 16000, 22050, 32000, 44100, 48000]


def framer(rate_hz: int) -> ChannelFramer:
    return ChannelFramer(call_id="c", channel=Channel.CUSTOMER, wire_rate_hz=rate_hz)


def noise(samples: int) -> Pcm:
    return np.random.default_rng(7).integers(-9000, 9000, samples).astype(np.int16)


def in_pieces(rate_hz: int, pcm: Pcm, cuts: list[int]) -> list[AudioFrame]:
    framing = framer(rate_hz)
    frames: list[AudioFrame] = []
    bounds = [0, *sorted(cut % (len(pcm) + 1) for cut in cuts), len(pcm)]
    for start, end in pairwise(bounds):
        frames += framing.push(pcm[start:end])
    return frames + framing.flush()


@pytest.mark.parametrize(
    ("wire_hz", "frames_hz"), [(8000, 8000), (8001, 16000), (16000, 16000), (48000, 16000)]
)
def test_narrow_band_stays_and_everything_else_becomes_16_khz(wire_hz: int, frames_hz: int) -> None:
    assert pipeline_rate_hz(wire_hz) == frames_hz


@settings(max_examples=40, deadline=None)
@given(
    rate_hz=st.sampled_from(RATES),
    samples=st.integers(0, 4000),
    cuts=st.lists(st.integers(0, 10_000), max_size=12),
)
def test_any_chunking_gives_identical_frames(rate_hz: int, samples: int, cuts: list[int]) -> None:
    pcm = noise(samples)
    whole = in_pieces(rate_hz, pcm, [])
    pieces = in_pieces(rate_hz, pcm, cuts)
    assert [(f.offset_samples, f.pcm.tolist()) for f in pieces] == [
        (f.offset_samples, f.pcm.tolist()) for f in whole
    ]


@pytest.mark.parametrize("rate_hz", RATES)
def test_a_second_of_audio_is_fifty_frames_and_no_sample_more(rate_hz: int) -> None:
    frames = in_pieces(rate_hz, noise(rate_hz), [])
    assert [len(f.pcm) for f in frames] == [pipeline_rate_hz(rate_hz) // 50] * 50
    assert all(not f.pcm.flags.writeable for f in frames)
    assert frames[-1].end_offset_ms == 1000


@pytest.mark.parametrize(("samples", "lengths"), [(159, [159]), (160, [160]), (161, [160, 1])])
def test_only_the_last_frame_may_be_short(samples: int, lengths: list[int]) -> None:
    assert [len(f.pcm) for f in in_pieces(8000, noise(samples), [])] == lengths


def test_a_tone_survives_resampling() -> None:
    tone = (10_000 * np.sin(2 * np.pi * 1000 * np.arange(48_000) / 48_000)).astype(np.int16)
    out = np.concatenate([f.pcm for f in in_pieces(48_000, tone, [])]).astype(np.float64)
    expected = 10_000 * np.sin(2 * np.pi * 1000 * np.arange(16_000) / 16_000)
    assert np.abs(out - expected)[800:-800].max() < 20


def test_a_gap_ends_the_stretch_and_takes_its_place_on_the_timeline() -> None:
    framing = framer(8000)
    events = [*framing.push(noise(200)), *framing.gap(80, GapCause.LOSS), *framing.push(noise(160))]
    spans = [
        (e.offset_samples, e.end_offset_samples)
        if isinstance(e, AudioFrame)
        else (e.offset_samples, e.offset_samples + e.duration_samples)
        for e in events
    ]
    assert spans == [(0, 160), (160, 200), (200, 280), (280, 440)]
    gap = events[2]
    assert isinstance(gap, MediaGap)
    assert (gap.offset_ms, gap.duration_ms, gap.cause) == (25, 10, GapCause.LOSS)


@settings(max_examples=40, deadline=None)
@given(
    rate_hz=st.sampled_from(RATES),
    steps=st.lists(st.tuples(st.booleans(), st.integers(0, 3000)), max_size=12),
)
def test_audio_and_gaps_together_never_drift_from_the_wire(
    rate_hz: int, steps: list[tuple[bool, int]]
) -> None:
    framing = framer(rate_hz)
    events: list[AudioFrame | MediaGap] = []
    for is_gap, samples in steps:
        if is_gap:
            events += framing.gap(samples, GapCause.DROPPED)
        else:
            events += framing.push(noise(samples))
    events += framing.flush()
    position = 0
    for event in events:
        assert event.offset_samples == position
        position += len(event.pcm) if isinstance(event, AudioFrame) else event.duration_samples
    wire = sum(samples for _, samples in steps)
    assert framing.wire_position == wire
    # One sample of the frames' rate for each stretch that rounds, of which only the last counts.
    assert abs(position - wire * framing.sample_rate_hz / rate_hz) <= 1.5
