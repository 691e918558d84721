"""The bundled calls are what they claim: telephone audio, in turn, with one raised voice."""

from __future__ import annotations

import hashlib
import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from mamori.monitor.demo import DEMO_CHANNELS, DemoCall, demo_calls
from mamori.monitor.events import Category, Channel

RATE_HZ = 8000
SHARED_DATA = Path(__file__).parents[4] / "shared" / "data"
CALLS = demo_calls()


@pytest.fixture(params=CALLS, ids=lambda call: call.call_id)
def call(request: pytest.FixtureRequest) -> DemoCall:
    demo_call: DemoCall = request.param
    return demo_call


def transcript(call: DemoCall) -> list[dict[str, Any]]:
    lines = call.transcript.read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def customer_said(call: DemoCall, *words: str) -> NDArray[np.float64]:
    """The customer's audio of the lines that hold one of these words."""
    audio, _ = soundfile.read(call.file)
    said = [
        audio[round(line["start_s"] * RATE_HZ) : round(line["end_s"] * RATE_HZ), 0]
        for line in transcript(call)
        if line["channel"] == Channel.CUSTOMER and any(word in line["text"] for word in words)
    ]
    assert len(said) == len(words)
    return np.concatenate(said)


def frames(speech: NDArray[np.float64]) -> NDArray[np.float64]:
    """Spoken 32 ms frames: those within 20 dB of the loudest twentieth."""
    cut = speech[: len(speech) // 256 * 256].reshape(-1, 256)
    power = np.mean(cut**2, axis=1)
    return np.asarray(cut[power > np.percentile(power, 95) / 100])


def level_dbfs(speech: NDArray[np.float64]) -> float:
    return float(10 * np.log10(np.mean(frames(speech) ** 2)))


def balance_db(speech: NDArray[np.float64]) -> float:
    """Power of 1 to 3.4 kHz over that of 0.3 to 1 kHz."""
    cut = frames(speech)
    power = np.mean(np.abs(np.fft.rfft(cut * np.hanning(256), axis=1)) ** 2, axis=0)
    hz = np.fft.rfftfreq(256, 1 / RATE_HZ)
    upper = power[(hz >= 1000) & (hz <= 3400)].sum()
    return float(10 * np.log10(upper / power[(hz >= 300) & (hz < 1000)].sum()))


def pitch_hz(speech: NDArray[np.float64]) -> float:
    """Median over the spoken frames of the strongest lag of the autocorrelation, 70 to 350 Hz."""
    lags = range(RATE_HZ // 350, RATE_HZ // 70)
    taper = np.hanning(512)
    # Longer lags are weighed down by the taper; its own correlation undoes that (Boersma 1993).
    own = np.fft.irfft(np.abs(np.fft.rfft(taper, 1024)) ** 2)[: lags.stop]
    found = []
    for start in range(0, len(speech) - 512, 256):
        window = speech[start : start + 512] - np.mean(speech[start : start + 512])
        spectrum = np.fft.rfft(window * taper, 1024)
        correlation = np.fft.irfft(np.abs(spectrum) ** 2)[: lags.stop] / own
        if np.mean(window**2) > np.mean(speech**2) / 10:
            found.append(RATE_HZ / (lags.start + int(np.argmax(correlation[lags.start :]))))
    return float(np.median(found))


CALM = ("おとといからお湯が", "とても困って", "家で待って")
RAISED = ("だから、今すぐ", "頭おかしい", "何回言わせる", "火をつける", "ぶっ殺して", "使えない")


def harassing() -> DemoCall:
    return next(call for call in CALLS if call.call_id == "demo-broken-boiler")


def test_the_catalogue_names_each_call_once() -> None:
    assert len({call.call_id for call in CALLS}) == len(CALLS) == 3
    assert len({call.agent_id for call in CALLS}) == len(CALLS)
    bundled = set(CALLS[0].file.parent.iterdir())
    assert bundled == {call.file for call in CALLS} | {call.transcript for call in CALLS}


def test_one_call_must_stay_silent_and_one_shows_what_the_demo_promises() -> None:
    assert [call.call_id for call in CALLS if not call.expected] == ["demo-deposit-refund"]
    assert harassing().expected == {
        Category.THREAT,
        Category.VIOLENCE,
        Category.INSULT,
        Category.RAISED_VOICE,
        Category.REPEATED_DEMAND,
    }


def test_a_call_is_stereo_telephone_audio_of_about_a_minute(call: DemoCall) -> None:
    info = soundfile.info(call.file)
    assert (info.format, info.subtype) == ("WAV", "ULAW")
    assert (info.samplerate, info.channels) == (RATE_HZ, len(DEMO_CHANNELS))
    assert 35 <= info.duration <= 60
    assert call.file.stat().st_size < 1_000_000


def test_nothing_clips_and_the_line_is_quiet_between_the_turns(call: DemoCall) -> None:
    audio, _ = soundfile.read(call.file)
    assert 0.1 < np.max(np.abs(audio)) < 0.98
    opening = audio[: round(0.4 * RATE_HZ)]
    assert -70 < 10 * np.log10(np.mean(opening**2)) < -55


def test_the_audio_keeps_to_the_telephone_band(call: DemoCall) -> None:
    audio, _ = soundfile.read(call.file)
    power = np.abs(np.fft.rfft(audio, axis=0)) ** 2
    hz = np.fft.rfftfreq(len(audio), 1 / RATE_HZ)
    outside = power[(hz < 240) | (hz > 3460)].sum(axis=0) / power.sum(axis=0)
    assert np.all(10 * np.log10(outside) < -25)


def test_the_transcript_is_in_order_inside_the_call_and_complete(call: DemoCall) -> None:
    lines = transcript(call)
    assert all(set(line) == {"channel", "start_s", "end_s", "text"} for line in lines)
    assert {line["channel"] for line in lines} == {"customer", "agent"}
    starts = [line["start_s"] for line in lines]
    assert starts == sorted(starts)
    assert all(line["start_s"] < line["end_s"] and line["text"] for line in lines)
    assert lines[-1]["end_s"] <= soundfile.info(call.file).duration


def test_each_line_is_heard_on_its_own_channel(call: DemoCall) -> None:
    audio, _ = soundfile.read(call.file)
    for line in transcript(call):
        spoken = audio[round(line["start_s"] * RATE_HZ) : round(line["end_s"] * RATE_HZ)]
        own = DEMO_CHANNELS.index(Channel(line["channel"]))
        assert level_dbfs(spoken[:, own]) > -32


def test_sentences_of_one_speaker_lie_a_pause_apart(call: DemoCall) -> None:
    for channel in DEMO_CHANNELS:
        lines = [line for line in transcript(call) if line["channel"] == channel]
        for before, after in pairwise(lines):
            assert after["start_s"] - before["end_s"] >= 0.8


def test_they_speak_over_each_other_once_in_all() -> None:
    overlaps = [
        after["text"]
        for call in CALLS
        for before, after in pairwise(transcript(call))
        if after["start_s"] < before["end_s"]
    ]
    assert overlaps == ["だから、今すぐ直しに来いよ。"]


def test_the_harassing_customer_begins_with_enough_calm_speech_for_a_baseline() -> None:
    assert 11 <= len(customer_said(harassing(), *CALM)) / RATE_HZ <= 16


def test_the_raised_voice_lasts_and_is_louder_brighter_and_higher_than_the_calm_one() -> None:
    calm, raised = customer_said(harassing(), *CALM), customer_said(harassing(), *RAISED)
    assert len(raised) / RATE_HZ > 5
    assert 10 <= level_dbfs(raised) - level_dbfs(calm) <= 13
    assert balance_db(raised) - balance_db(calm) >= 4
    assert 4 <= 12 * np.log2(pitch_hz(raised) / pitch_hz(calm)) <= 9


def test_the_same_demand_is_told_at_least_four_times() -> None:
    told = [line for line in transcript(harassing()) if "今すぐ直しに来" in line["text"]]
    assert len(told) >= 4
    assert len({line["text"] for line in told}) == len(told)
    assert all(line["channel"] == Channel.CUSTOMER for line in told)


@pytest.mark.parametrize("call_id", ["demo-deposit-refund", "demo-dismissal-demand"])
def test_the_other_customers_never_raise_their_voice(call_id: str) -> None:
    call = next(call for call in CALLS if call.call_id == call_id)
    audio, _ = soundfile.read(call.file)
    levels = [
        level_dbfs(audio[round(line["start_s"] * RATE_HZ) : round(line["end_s"] * RATE_HZ), 0])
        for line in transcript(call)
        if line["channel"] == Channel.CUSTOMER
    ]
    assert max(levels) - min(levels) < 3


@pytest.mark.skipif(not SHARED_DATA.is_dir(), reason="needs ../shared/data")
def test_no_call_is_a_copy_of_a_real_recording(call: DemoCall) -> None:
    size = call.file.stat().st_size
    same_size = [p for p in SHARED_DATA.rglob("*") if p.is_file() and p.stat().st_size == size]
    own = hashlib.sha256(call.file.read_bytes()).hexdigest()
    assert own not in {hashlib.sha256(p.read_bytes()).hexdigest() for p in same_size}
