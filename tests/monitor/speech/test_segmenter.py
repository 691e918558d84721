"""Utterances carry their audio exactly, whatever comes."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from mamori.monitor.events import (
    AudioFrame,
    Channel,
    GapCause,
    MediaGap,
    Pcm,
    SpeechAudio,
    SpeechEndCause,
    SpeechEnded,
    SpeechEvent,
    SpeechStarted,
)
from mamori.monitor.speech import ChannelSpeech, SpeechConfig

MakeVoice = Callable[..., Pcm]
CONFIG = SpeechConfig(longest_utterance_ms=5_000)


def speech(config: SpeechConfig = CONFIG, rate: int = 8_000) -> ChannelSpeech:
    return ChannelSpeech(config, call_id="call-1", channel=Channel.CUSTOMER, sample_rate_hz=rate)


def frames(pcm: Pcm, *, start: int = 0, rate: int = 8_000) -> list[AudioFrame]:
    size = rate // 50
    pcm = pcm.copy()
    pcm.setflags(write=False)
    return [
        AudioFrame(
            call_id="call-1",
            channel=Channel.CUSTOMER,
            offset_samples=start + i,
            sample_rate_hz=rate,
            pcm=pcm[i : i + size],
        )
        for i in range(0, len(pcm), size)
    ]


def gap(start: int, samples: int, rate: int = 8_000) -> MediaGap:
    return MediaGap.at(
        call_id="call-1",
        channel=Channel.CUSTOMER,
        cause=GapCause.LOSS,
        offset_samples=start,
        duration_samples=samples,
        sample_rate_hz=rate,
    )


def hear(stage: ChannelSpeech, pcm: Pcm, *, start: int = 0, rate: int = 8_000) -> list[SpeechEvent]:
    return [e for f in frames(pcm, start=start, rate=rate) for e in stage.feed(f)]


def silence(duration_ms: int) -> Pcm:
    return np.zeros(duration_ms * 8, np.int16)


def audio_of(events: list[SpeechEvent], utterance_id: str) -> tuple[int, Pcm]:
    """Where an utterance starts and its samples; its pieces must be contiguous."""
    pieces = [e for e in events if isinstance(e, SpeechAudio) and e.utterance_id == utterance_id]
    for before, after in pairwise(pieces):
        assert after.offset_samples == before.offset_samples + len(before.pcm)
    return pieces[0].offset_samples, np.concatenate([piece.pcm for piece in pieces])


def test_an_utterance_starts_with_pre_roll_and_ends_with_its_hangover(voice: MakeVoice) -> None:
    pcm = np.concatenate((silence(1_000), voice(2_000), silence(2_000)))
    events = hear(speech(), pcm)

    started, ended = events[0], events[-1]
    assert isinstance(started, SpeechStarted)
    assert isinstance(ended, SpeechEnded)
    assert started.utterance_id == ended.utterance_id == "customer-1"
    assert 600 <= started.offset_ms <= 700  # voice at 1000, onset 6 frames, window 200, roll 300
    assert ended.offset_ms == started.offset_ms
    assert 3_640 <= ended.end_offset_ms <= 3_760
    assert ended.cause is SpeechEndCause.SILENCE
    first = events[1]
    assert isinstance(first, SpeechAudio)
    assert len(first.pcm) == 500 * 8
    assert not first.pcm.flags.writeable


def test_silence_gives_nothing() -> None:
    stage = speech()
    assert hear(stage, silence(10_000)) == []
    assert stage.flush() == []


def test_endless_speech_is_cut_into_full_utterances_without_losing_a_sample(
    voice: MakeVoice,
) -> None:
    pcm = voice(12_000)
    stage = speech()
    events = hear(stage, pcm) + stage.flush()

    ends = [e for e in events if isinstance(e, SpeechEnded)]
    assert [(e.utterance_id, e.offset_ms, e.end_offset_ms, e.cause.value) for e in ends] == [
        ("customer-1", 0, 5_000, "longest"),
        ("customer-2", 5_000, 10_000, "longest"),
        ("customer-3", 10_000, 12_000, "call_end"),
    ]
    whole = np.concatenate([audio_of(events, e.utterance_id)[1] for e in ends])
    assert np.array_equal(whole, pcm)


def test_a_gap_ends_the_utterance_and_nothing_reaches_over_it(voice: MakeVoice) -> None:
    stage = speech()
    before = hear(stage, voice(1_000))
    [ended] = stage.gap(gap(8_000, 4_000))
    after = hear(stage, voice(1_000), start=12_000)

    assert isinstance(before[0], SpeechStarted)
    assert isinstance(ended, SpeechEnded)
    assert (ended.cause, ended.end_offset_ms) == (SpeechEndCause.GAP, 1_000)
    start, _ = audio_of(after, "customer-2")
    assert start == 12_000


def test_a_gap_in_silence_gives_nothing() -> None:
    stage = speech()
    hear(stage, silence(1_000))
    assert stage.gap(gap(8_000, 800)) == []


def test_a_frame_that_does_not_follow_ends_the_utterance_as_a_gap_does(voice: MakeVoice) -> None:
    stage = speech()
    hear(stage, voice(1_000))
    [skipped] = frames(voice(20), start=8_800)
    assert [e.cause for e in stage.feed(skipped) if isinstance(e, SpeechEnded)] == [
        SpeechEndCause.GAP
    ]


def test_at_16_khz_the_times_are_the_same(voice: MakeVoice) -> None:
    events = hear(speech(rate=16_000), voice(1_000, rate=16_000), rate=16_000)
    started = events[0]
    assert isinstance(started, SpeechStarted)
    assert started.offset_ms == 0


STRETCHES = st.lists(
    st.tuples(
        st.sampled_from(["voice", "silence", "hiss", "gap"]),
        st.integers(min_value=1, max_value=6_000),
    ),
    min_size=1,
    max_size=8,
)


@settings(max_examples=60, deadline=None)
@given(stretches=STRETCHES, tail_samples=st.integers(0, 159))
def test_the_samples_of_every_utterance_are_those_of_the_call_at_its_offsets(
    voice: MakeVoice, stretches: list[tuple[str, int]], tail_samples: int
) -> None:
    rng = np.random.default_rng(len(stretches))
    stage = speech()
    call = np.zeros(0, np.int16)
    events: list[SpeechEvent] = []
    gaps: list[tuple[int, int]] = []
    for kind, duration_ms in stretches:
        if kind == "gap":
            gaps.append((len(call), len(call) + duration_ms * 8))
            events += stage.gap(gap(len(call), duration_ms * 8))
            call = np.concatenate((call, np.full(duration_ms * 8, 99, np.int16)))
            continue
        pcm = {
            "voice": voice(duration_ms),
            "silence": silence(duration_ms),
            "hiss": rng.normal(0, 300, duration_ms * 8).astype(np.int16),
        }[kind]
        pcm = np.concatenate((pcm, np.zeros(tail_samples, np.int16)))
        events += hear(stage, pcm, start=len(call))
        call = np.concatenate((call, pcm))
    events += stage.flush()
    assert stage.flush() == []

    starts = [e for e in events if isinstance(e, SpeechStarted)]
    ends = [e for e in events if isinstance(e, SpeechEnded)]
    assert [e.utterance_id for e in starts] == [e.utterance_id for e in ends]
    assert [e.utterance_id for e in starts] == [f"customer-{n + 1}" for n in range(len(starts))]
    earlier_end = 0
    for start, end in zip(starts, ends, strict=True):
        offset, samples = audio_of(events, start.utterance_id)
        assert np.array_equal(samples, call[offset : offset + len(samples)])
        assert offset >= earlier_end
        earlier_end = offset + len(samples)
        assert all(earlier_end <= a or offset >= b for a, b in gaps)
        assert (start.offset_ms, end.offset_ms) == (offset // 8, offset // 8)
        assert end.end_offset_ms == earlier_end // 8
        assert len(samples) <= 5_000 * 8


def test_most_of_a_real_call_that_is_speech_is_heard(shared_data: object) -> None:
    import soundfile

    path = f"{shared_data}/phone/lca_Auto_Repairs_40_caller.wav"
    pcm, rate = soundfile.read(path, dtype="int16")
    stage = speech(SpeechConfig())
    events = hear(stage, pcm, rate=rate) + stage.flush()
    heard_samples = sum(len(e.pcm) for e in events if isinstance(e, SpeechAudio))
    # Two people share 245 s; each listens more than half of the time.
    assert 0.2 < heard_samples / len(pcm) < 0.6
    assert 20 < sum(isinstance(e, SpeechEnded) for e in events) < 80
