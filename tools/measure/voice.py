"""Acted shouting, calm speech and everything that is no raised voice, as telephone calls."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path
from typing import Final

import numpy as np
from tools.measure.data import by_speaker, shared
from tools.measure.figures import Report, Share, Table, count
from tools.measure.line import RATE_HZ, Line, Wave, at_nominal_level, spoken, to_pcm
from tools.measure.sessions import raised_voices, started

from mamori.monitor.app.pipeline import Pipeline
from mamori.monitor.app.replay import frames
from mamori.monitor.detectors.raised_voice import RaisedVoiceDetector
from mamori.monitor.events import Channel, Detection, Pcm
from mamori.monitor.speech import ChannelSpeech

_CALM_S: Final = 15.0
# Of each speaker, so that all of them together speak for 22 minutes and more.
_NEUTRAL_S: Final = 110.0
_PLAIN: Final = Line()
_LINES: Final = {
    "as it is": _PLAIN,
    "12 dB louder": Line(gain_db=12.0),
    "with automatic gain control": Line(has_agc=True),
}
# One clip of each a speaker, where there are four of shouting: said four times.
_CONTROLS: Final = {"strong joy": "happy_strong", "strong fear": "fearful_strong"}
_CONTROL_CLIPS: Final = 4
# The first four of the set; their calm speech comes before sounds that no caller makes.
_CALM_SPEAKERS: Final = 4
_CALL: Final = "phone/lca_Auto_Repairs_40_{}.wav"
_Voices = dict[str, dict[str, list[Path]]]


def measure() -> Report:
    """Shouting after calm speech and from the start, its controls, and what must stay quiet."""
    pipeline = Pipeline.load(languages=())
    ravdess = by_speaker("ravdess")
    shouting = _shouting(pipeline, ravdess)
    quiet = Table(title="No raised voice", rows_are="set", columns=[("calls with an alarm", count)])
    sets = _real_call() | _cold_anger() | _sounds(ravdess["neutral"]) | _talkers(ravdess["neutral"])
    for name, calls in sets.items():
        quiet.rows[name] = [_alarmed(pipeline, calls)]
    return Report(
        [shouting, _controls(pipeline, ravdess), quiet],
        {"CPU % of a core a speaking channel": round(_cost(pipeline, ravdess), 2)},
    )


def _shouting(pipeline: Pipeline, voices: _Voices) -> Table:
    table = Table(
        title="Shouting",
        rows_are="line",
        columns=[
            ("shouting found", count),
            ("delay, median / longest", str),
            ("false alarms in neutral speech", str),
        ],
    )
    shouts, neutral = voices["angry_strong"], voices["neutral"]
    for name, line in _LINES.items():
        delays_s, alarms, seconds = [], 0, 0.0
        for speaker, paths in shouts.items():
            before, after = _after_calm(pipeline, line, neutral[speaker], spoken(paths))
            alarms += before
            seconds += len(spoken(neutral[speaker], _CALM_S)) / RATE_HZ
            delays_s += after[:1]
        for paths in neutral.values():
            pcm = line.carry(spoken(paths, _NEUTRAL_S))
            alarms += len(raised_voices(pipeline, pcm, RATE_HZ))
            seconds += len(pcm) / RATE_HZ
        table.rows[name] = [
            Share(len(delays_s), len(shouts)),
            f"{statistics.median(delays_s):.1f} / {max(delays_s):.1f} s" if delays_s else "",
            f"{alarms} in {seconds:,.0f} s",
        ]
    table.rows["shouting from the first second"] = [
        _alarmed(pipeline, [_PLAIN.carry(spoken(paths)) for paths in shouts.values()]),
        None,
        None,
    ]
    return table


def _after_calm(
    pipeline: Pipeline, line: Line, calm: Sequence[Path], then: Wave
) -> tuple[int, list[float]]:
    """Alarms before ``then`` begins, and how many seconds after its beginning each other came."""
    lead = spoken(calm, _CALM_S)
    detections = raised_voices(pipeline, line.carry(np.concatenate((lead, then))), RATE_HZ)
    delays_s = [each.end_offset_ms / 1000 - len(lead) / RATE_HZ for each in detections]
    return sum(delay <= 0 for delay in delays_s), [delay for delay in delays_s if delay > 0]


def _controls(pipeline: Pipeline, voices: _Voices) -> Table:
    table = Table(title="Control", rows_are="acted", columns=[("taken for a raised voice", count)])
    for name, label in (_CONTROLS | {"mild anger": "angry"}).items():
        found = [
            _after_calm(
                pipeline, _PLAIN, voices["neutral"][speaker], spoken(paths * _CONTROL_CLIPS)
            )
            for speaker, paths in voices[label].items()
        ]
        table.rows[name] = [Share(sum(bool(after) for _, after in found), len(found))]
    return table


_Calls = dict[str, list[tuple[Pcm, Channel]]]


def _alarmed(pipeline: Pipeline, calls: Iterable[Pcm | tuple[Pcm, Channel]]) -> Share:
    """Calls with a raised voice."""
    told: list[list[Detection]] = []
    for call in calls:
        pcm, channel = call if isinstance(call, tuple) else (call, Channel.CUSTOMER)
        told.append(raised_voices(pipeline, pcm, RATE_HZ, channel))
    return Share(sum(bool(each) for each in told), len(told))


def _as(channel: Channel, waves: Iterable[Wave]) -> list[tuple[Pcm, Channel]]:
    return [(_PLAIN.carry(wave), channel) for wave in waves]


def _real_call() -> _Calls:
    sides = [spoken([shared(_CALL.format(side))]) for side in ("agent", "caller")]
    both = (sides[0] + sides[1]) / 2
    return {
        "a real two-sided call of 245 s, each side taken as the customer": _as(
            Channel.CUSTOMER, sides
        ),
        "the same, both sides on one channel declared `mixed`": _as(Channel.MIXED, [both]),
    }


def _cold_anger() -> _Calls:
    acted = by_speaker("ko_emotion")
    return {
        f"acted Korean, neutral speech and then {name} ({len(acted[label])} speakers)": _as(
            Channel.CUSTOMER,
            [
                np.concatenate((spoken(acted["neutral"][speaker], _CALM_S), spoken(paths)))
                for speaker, paths in acted[label].items()
            ],
        )
        for name, label in (("neutral", "neutral"), ("joy", "joy"), ("cold anger", "anger"))
    }


def _sounds(neutral: dict[str, list[Path]]) -> _Calls:
    """Music, tones, announcements and crying: alone, after calm speech, after faint calm speech."""
    noise = {
        label: [spoken([path]) for paths in group.values() for path in paths]
        for label, group in by_speaker("noise").items()
    }
    faint = [spoken(paths, _CALM_S) for paths in list(neutral.values())[:_CALM_SPEAKERS]]
    groups = {
        "music on hold": noise["music_on_hold"],
        "tones and interface sounds": noise["ui_sound"] + noise["dialtone(synthetic)"],
        "announcements": noise["ivr_prompt_speech(en)"],
        "a crying baby": noise["baby_cry"],
    }
    customer = Channel.CUSTOMER
    calls = {"the four kinds below, alone": _as(customer, chain(*groups.values()))}
    for name, waves in groups.items():
        for when, leads in (
            ("after calm speech at -26 dBFS", [at_nominal_level(lead) for lead in faint]),
            ("after the same speech as recorded", faint),
        ):
            pairs = [np.concatenate((lead, wave)) for wave in waves for lead in leads]
            calls[f"{name}, {when}"] = _as(customer, pairs)
    return calls


def _talkers(neutral: dict[str, list[Path]]) -> _Calls:
    """A man, then a woman on the same channel: brighter and higher, and both calm."""
    men, women = (
        [spoken(paths, _CALM_S) for speaker, paths in neutral.items() if speaker.endswith(sex)]
        for sex in "MF"
    )
    both = [np.concatenate((man, woman)) for man in men for woman in women]
    return {
        "a calm man, then a calm woman, on the customer's channel": _as(Channel.CUSTOMER, both),
        "the same on a channel declared `mixed`": _as(Channel.MIXED, both),
    }


def _cost(pipeline: Pipeline, voices: _Voices) -> float:
    """Per cent of a core that the detector takes for a channel while speech is going on."""
    call = started((Channel.CUSTOMER,), "en", RATE_HZ)
    pcm = to_pcm(np.concatenate([spoken(paths) for paths in voices["neutral"].values()]))
    stage = ChannelSpeech(
        pipeline.speech,
        call_id=call.call_id,
        channel=Channel.CUSTOMER,
        sample_rate_hz=RATE_HZ,
    )
    events = [event for frame in frames(call, [pcm]) for event in stage.feed(frame)]
    detector = RaisedVoiceDetector(pipeline.raised_voice, call_id=call.call_id)
    began_s = time.process_time()
    for event in events:
        detector.feed(event)
    return 100 * (time.process_time() - began_s) / (len(pcm) / RATE_HZ)
