"""Real calls through ``mamori replay``: exact to the sample, the same at any speed, no words lost.

``pytest tests/e2e/test_replay.py --all-clips`` compares the words of every Korean clip.
"""

from __future__ import annotations

import asyncio
import csv
import json
import re
import statistics
import unicodedata
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import soundfile
import vosk
from rapidfuzz.distance import Levenshtein
from typer.testing import CliRunner

from mamori.monitor.app.engines import choose, open_offline
from mamori.monitor.app.pipeline import Pipeline
from mamori.monitor.app.replay import Pace, replay_audio
from mamori.monitor.cli.main import app
from mamori.monitor.events import CallStarted, Channel, FinalHypothesis, JsonEvent
from mamori.telephony.recording import join_mono, read_recording

# Whole processes start here, and slowly on a busy machine.
pytestmark = pytest.mark.timeout(400)

CALL_SAMPLES = 1_963_040
# Without words nothing of the language's rules is asked; Korean ones load fastest.
NO_WORDS = ("--json", "--engine", "none", "--language", "ko")


@pytest.fixture(scope="module")
def sides(shared_data):
    phone = shared_data / "phone"
    return [phone / f"lca_Auto_Repairs_40_{side}.wav" for side in ("caller", "agent")]


@pytest.fixture(scope="module")
def stereo_file(sides, tmp_path_factory):
    both = join_mono(*(read_recording(side) for side in sides))
    file = tmp_path_factory.mktemp("stereo") / f"{sides[0].stem}.wav"
    with soundfile.SoundFile(file, "w", both.sample_rate_hz, 2, "PCM_16") as stereo:
        for start in range(0, both.samples, 8000):
            planes = [plane[start : start + 8000] for plane in both.channels]
            stereo.write(np.stack(planes, axis=1))
    return file


def replayed(*arguments):
    """The lines that ``mamori replay`` prints, in this process."""
    result = CliRunner().invoke(app, ["replay", *map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def events_of(output):
    return [json.loads(line) for line in output.splitlines()]


@pytest.fixture(scope="module")
def real_call(stereo_file):
    return replayed(stereo_file, *NO_WORDS)


def test_a_real_call_has_one_start_and_one_end_and_its_account_is_exact(real_call):
    events = events_of(real_call)

    kinds = [event["type"] for event in events]
    assert kinds.count("call_started") == kinds.count("call_ended") == 1
    assert kinds[0] == "call_started"
    assert kinds[-1] == "call_ended"
    assert [account["channel"] for account in events[-1]["ledger"]] == ["customer", "agent"]
    for account in events[-1]["ledger"]:
        assert account["received_samples"] == account["processed_samples"] == CALL_SAMPLES
        assert account["shed_samples"] == account["gap_samples"] == 0
    assert events[-1]["duration_ms"] == CALL_SAMPLES // 8


def test_a_calm_real_call_raises_no_voice_and_no_alert(real_call):
    events = events_of(real_call)

    assert sum(event["type"] == "speech_started" for event in events) > 20
    assert [e for e in events if e["type"] == "detection"] == []
    assert [e for e in events if e["type"].startswith("alert")] == []


def test_two_mono_files_are_the_same_call_as_one_stereo_file(real_call, sides, mamori):
    apart = mamori("replay", *sides, *NO_WORDS)

    assert apart.returncode == 0, apart.stderr
    assert apart.stderr == ""
    # The name of the first file names the call.
    assert apart.stdout.replace(sides[0].stem, "C") == real_call.replace(sides[0].stem, "C")


def test_the_roles_can_be_named_the_other_way_round(real_call, stereo_file):
    swapped = replayed(stereo_file, *NO_WORDS, "--channels", "agent,customer")

    def utterances(output, channel):
        return [
            (event["offset_ms"], event["end_offset_ms"])
            for event in events_of(output)
            if event["type"] == "speech_ended" and event["channel"] == channel
        ]

    assert events_of(swapped)[0]["channels"] == ["agent", "customer"]
    assert utterances(swapped, "agent") == utterances(real_call, "customer") != []
    assert utterances(swapped, "customer") == utterances(real_call, "agent") != []


def test_in_real_time_the_output_is_the_same_to_the_byte(stereo_file, tmp_path):
    excerpt = tmp_path / "excerpt.wav"
    pcm, rate_hz = soundfile.read(stereo_file, dtype="int16", start=160_000, frames=48_000)
    soundfile.write(excerpt, pcm, rate_hz, subtype="PCM_16")
    loop = asyncio.new_event_loop()

    began_s = loop.time()
    in_real_time = replayed(excerpt, *NO_WORDS, "--speed", "1")
    took_s = loop.time() - began_s
    loop.close()

    assert took_s >= 6
    assert in_real_time == replayed(excerpt, *NO_WORDS)
    assert '"speech_started"' in in_real_time


@dataclass(frozen=True)
class Clip:
    path: Path
    text: str


@pytest.fixture(scope="module")
def clips(shared_data):
    with (shared_data / "manifest.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["set"] == "ko_asr" and row["text"]]
    return [Clip(shared_data / row["path"], row["text"]) for row in rows]


def letters(text):
    return re.sub(r"[\W_]", "", unicodedata.normalize("NFC", text))


def character_error(heard, clip):
    return Levenshtein.distance(letters(heard), letters(clip.text)) / len(letters(clip.text))


def vosk_text(model, clip):
    """What Vosk itself makes of the file."""
    pcm, rate_hz = soundfile.read(clip.path, dtype="int16")
    recogniser = vosk.KaldiRecognizer(model, float(rate_hz))
    texts = []
    for start in range(0, len(pcm), 4000):
        if recogniser.AcceptWaveform(pcm[start : start + 4000].tobytes()):
            texts.append(json.loads(recogniser.Result())["text"])
    return " ".join([*texts, json.loads(recogniser.FinalResult())["text"]])


async def replayed_texts(clips, models_dir):
    """The finals of each clip, joined, as ``mamori replay`` makes them."""
    pipeline = Pipeline.load(languages=["ko"])
    choice = await asyncio.to_thread(choose, engine="vosk", languages=["ko"], models_dir=models_dir)
    service = (await open_offline(choice, workers=1)).service
    assert service is not None
    texts = []
    for clip in clips:
        recording = read_recording(clip.path)
        started = CallStarted(
            call_id=clip.path.stem,
            tenant="default",
            dialect="replay",
            channels=(Channel.MIXED,),
            encoding=recording.source_encoding,
            sample_rate_hz=recording.sample_rate_hz,
            language="ko",
        )
        events: list[JsonEvent] = []
        open_call = partial(
            service.open_call,
            call_id=started.call_id,
            channels=started.channels,
            language="ko",
            sample_rate_hz=started.sample_rate_hz,
        )
        await replay_audio(
            pipeline.session(started, alert_id_prefix=clip.path.stem),
            recording.channels,
            open_lanes=lambda deliver, open_call=open_call: open_call(deliver=deliver).lanes,  # type: ignore[misc]
            pace=Pace(None),
            show=events.append,
        )
        texts.append(" ".join(e.text for e in events if isinstance(e, FinalHypothesis)))
    await service.stop()
    return texts


async def test_korean_words_are_no_worse_than_from_vosk_called_directly(
    clips, models_dir, vosk_ko_dir, pytestconfig, measured
):
    if not pytestconfig.getoption("--all-clips", default=False):
        # The shorter half: a quarter of the audio.
        clips = [clip for clip in clips if soundfile.info(clip.path).duration < 5]
    vosk.SetLogLevel(-1)
    model = vosk.Model(str(vosk_ko_dir))

    def directly():
        return [character_error(vosk_text(model, clip), clip) for clip in clips]

    direct, texts = await asyncio.gather(
        asyncio.to_thread(directly), replayed_texts(clips, models_dir)
    )
    ours = [character_error(text, clip) for text, clip in zip(texts, clips, strict=True)]

    measured(
        clips=len(clips),
        replay_median=round(statistics.median(ours), 4),
        direct_median=round(statistics.median(direct), 4),
    )
    assert len(clips) >= 15
    assert statistics.median(ours) <= statistics.median(direct) + 0.02


def test_korean_words_come_out_of_the_command(clips, mamori, environment, models_dir):
    clip = next(clip for clip in clips if clip.path.stem == "kih00041")
    env = environment(recognition__models_dir=models_dir)

    result = mamori("replay", "--json", "--language", "ko", "--engine", "vosk", clip.path, env=env)

    assert result.returncode == 0, result.stderr
    events = events_of(result.stdout)
    finals = [event for event in events if event["type"] == "final_hypothesis"]
    assert {final["engine"] for final in finals} == {"vosk"}
    assert character_error(" ".join(final["text"] for final in finals), clip) <= 0.2
    assert events[-1]["type"] == "call_ended"
