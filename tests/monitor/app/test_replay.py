"""Replaying: the same events at every speed, from audio and from transcripts."""

import asyncio
import json
from typing import Any

import numpy as np
import pytest

from mamori.errors import ConfigError
from mamori.monitor.app.pipeline import Pipeline
from mamori.monitor.app.replay import (
    Pace,
    frames,
    parse_transcript,
    replay_audio,
    replay_transcript,
)
from mamori.monitor.demo import demo_calls
from mamori.monitor.events import CallStarted, Channel, event_to_json
from mamori.monitor.recognition.config import RecognitionConfig
from mamori.monitor.recognition.port import Done, EngineCapabilities, EngineKind, Transcript
from mamori.monitor.recognition.service import RecognitionService
from mamori.telephony.recording import read_recording


@pytest.fixture(scope="module")
def pipeline():
    return Pipeline.load(languages=["ja"])


def started(encoding="pcm_s16le", channels=(Channel.CUSTOMER, Channel.AGENT)):
    return CallStarted(
        call_id="c1",
        tenant="default",
        dialect="replay",
        channels=channels,
        encoding=encoding,
        sample_rate_hz=8000,
        language="ja",
    )


class VirtualClock:
    def __init__(self):
        self.now_s = 0.0
        self.waits = 0

    def time(self):
        return self.now_s

    async def sleep(self, seconds):
        self.now_s += seconds
        self.waits += 1


def noise(seconds, seed):
    random = np.random.default_rng(seed)
    return (random.normal(0, 3000, seconds * 8000)).astype(np.int16)


def test_frames_interleave_the_channels_and_keep_every_sample():
    a, b = np.arange(330, dtype=np.int16), np.arange(200, dtype=np.int16)

    cut = list(frames(started(), [a, b]))

    assert [(f.channel, f.offset_samples, len(f.pcm)) for f in cut] == [
        ("customer", 0, 160),
        ("agent", 0, 160),
        ("customer", 160, 160),
        ("agent", 160, 40),
        ("customer", 320, 10),
    ]
    assert np.array_equal(np.concatenate([f.pcm for f in cut if f.channel == "customer"]), a)


@pytest.mark.parametrize("speed", [1.0, 2.0])
async def test_a_paced_replay_takes_its_time_and_gives_the_same_events(pipeline, speed):
    channels = [noise(3, 1), noise(3, 2)]
    clock = VirtualClock()

    fast: list[Any] = []
    paced: list[Any] = []
    await replay_audio(
        pipeline.session(started(), alert_id_prefix="p"),
        channels,
        open_lanes=None,
        pace=Pace(None),
        show=fast.append,
    )
    await replay_audio(
        pipeline.session(started(), alert_id_prefix="p"),
        channels,
        open_lanes=None,
        pace=Pace(speed, clock.time, clock.sleep),
        show=paced.append,
    )

    assert clock.now_s == pytest.approx(3 / speed)
    assert [event_to_json(e) for e in fast] == [event_to_json(e) for e in paced]
    assert [e.type for e in fast].count("call_started") == 1
    assert fast[-1].type == "call_ended"
    assert all(a.received_samples == 24_000 for a in fast[-1].ledger)


class OneSentence:
    """Workers that hear the same words in everything."""

    capabilities = (
        EngineCapabilities(
            name="fake", kind=EngineKind.UTTERANCE, languages=frozenset({"ja"}), word_times=False
        ),
    )
    ready = (1,)
    cpu_s = 0.0

    async def start(self):
        pass

    async def decode(self, worker_id, job):
        await asyncio.sleep(0)
        reply = Transcript(text="お前、ぶっ殺すぞ。", confidence=0.9)
        return Done(reply=reply, cpu_s=0.1, wall_s=0.1)

    async def stop(self):
        pass


def lanes_of(service):
    def open_lanes(deliver):
        return service.open_call(
            call_id="c1",
            channels=(Channel.CUSTOMER, Channel.AGENT),
            language="ja",
            sample_rate_hz=8000,
            deliver=deliver,
        ).lanes

    return open_lanes


async def test_with_words_too_a_replay_gives_the_same_events_at_every_speed(pipeline):
    recording = read_recording(demo_calls()[0].file)
    channels = [pcm[: 20 * 8000] for pcm in recording.channels]
    replays = []
    for speed in (None, 1.0):
        service = RecognitionService(
            lambda listener: OneSentence(), config=RecognitionConfig(offline=True)
        )
        await service.start()
        clock = VirtualClock()
        events: list[Any] = []
        await replay_audio(
            pipeline.session(started(), alert_id_prefix="p"),
            channels,
            open_lanes=lanes_of(service),
            pace=Pace(speed, clock.time, clock.sleep),
            show=events.append,
        )
        await service.stop()
        replays.append([event_to_json(event) for event in events])

    assert replays[0] == replays[1]
    assert any('"final_hypothesis"' in line for line in replays[0])
    assert any('"alert_raised"' in line and '"threat"' in line for line in replays[0])


async def replayed(pipeline, lines):
    turns = parse_transcript([json.dumps(line) for line in lines], "t.jsonl")
    events: list[Any] = []
    await replay_transcript(
        pipeline.session(started("transcript"), alert_id_prefix="p"),
        turns,
        pace=Pace(None),
        show=events.append,
    )
    return events


def alerts_of(events):
    return [(e.category, e.severity) for e in events if e.type == "alert_raised"]


async def test_a_transcript_goes_through_the_same_detectors(pipeline):
    events = await replayed(
        pipeline,
        [
            {"channel": "agent", "start_s": 0, "end_s": 2, "text": "お電話ありがとうございます。"},
            {"channel": "customer", "start_s": 3, "end_s": 5, "text": "お前、ぶっ殺すぞ。"},
        ],
    )

    raised = [e for e in events if e.type == "alert_raised"]
    assert {"threat", "violence"} & {e.category for e in raised}
    threat = next(e for e in raised if e.category in {"threat", "violence"})
    assert "ぶっ殺すぞ" in threat.quote
    assert 3000 <= threat.offset_ms < threat.end_offset_ms <= 5000
    assert threat.clause in {"abusive_language", "violence"}
    assert threat.policy_version


async def test_the_agent_quoting_the_words_back_raises_nothing(pipeline):
    events = await replayed(
        pipeline,
        [
            {
                "channel": "agent",
                "start_s": 0,
                "text": "「ぶっ殺すぞ」というお言葉はお控えください。",
            }
        ],
    )

    assert alerts_of(events) == []


async def test_the_clock_runs_on_media_time_through_a_transcript(pipeline):
    events = await replayed(
        pipeline,
        [
            {"channel": "customer", "start_s": at_s, "end_s": at_s + 1, "text": "はい。"}
            for at_s in (0, 898, 899, 1799, 3599)
        ],
    )

    clock = [e for e in events if e.type == "detection" and e.category == "long_call"]
    assert [(d.rule, d.offset_ms) for d in clock] == [
        ("call_clock.notice", 900_000),
        ("call_clock.warning", 1_800_000),
        ("call_clock.critical", 3_600_000),
    ]


def test_turns_are_put_in_order_and_need_no_end():
    turns = parse_transcript(
        [
            '{"channel":"agent","start_s":5,"text":"b"}',
            "",
            '{"channel":"customer","start_s":1,"text":"aaaaaaaa"}',
        ],
        "t",
    )

    assert [turn.start_s for turn in turns] == [1, 5]
    assert turns[0].hypothesis(started(), 1).end_offset_ms == 2000


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("hello", "t:1: not JSON"),
        ("[" * 100_000, "t:1: nested too deep"),
        ("[]", "t:1"),
        ('{"channel":"left","start_s":0,"text":"x"}', "'customer'"),
        ('{"channel":"agent","start_s":-1,"text":"x"}', "start_s"),
        ('{"channel":"agent","start_s":2,"end_s":1,"text":"x"}', "before start_s"),
        ('{"channel":"agent","start_s":0,"txt":"x"}', "did you mean 'text'"),
        ('{"channel":"agent","start_s":0}', "text"),
    ],
)
def test_a_turn_that_is_wrong_is_named_by_its_line(line, expected):
    with pytest.raises(ConfigError, match=expected):
        parse_transcript([line], "t")


def test_every_wrong_line_is_reported_at_once():
    with pytest.raises(ConfigError) as raised:
        parse_transcript(["x", "y"], "t")

    assert len(raised.value.problems) == 2


def test_an_empty_transcript_is_refused():
    with pytest.raises(ConfigError, match="holds no turn"):
        parse_transcript(["", "  "], "t")
