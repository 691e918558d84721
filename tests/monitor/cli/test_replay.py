"""``mamori replay``: what it refuses, with which words and which status."""

from __future__ import annotations

import json
import re
from importlib.resources import files

import numpy as np
import pytest
import soundfile

from mamori.monitor.app.engines import Recognition

COMMON = ("--language", "ko")


@pytest.fixture
def wav(tmp_path):
    """Makes a WAV of noise: two channels of half a second at 8 kHz unless told otherwise."""

    def make(name="call.wav", channels=2, seconds=0.5):
        pcm = np.random.default_rng(1).normal(0, 300, (round(seconds * 8000), channels))
        soundfile.write(tmp_path / name, pcm.astype(np.int16), 8000, subtype="PCM_16")
        return tmp_path / name

    return make


def refused(result, *said):
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    for words in said:
        assert str(words) in result.stderr


def test_a_sound_file_is_replayed_with_0(run, wav):
    result = run("replay", "--json", *COMMON, wav())

    assert result.exit_code == 0
    events = [json.loads(line) for line in result.stdout.splitlines()]
    assert events[0]["type"] == "call_started"
    assert events[-1]["type"] == "call_ended"


def test_a_recording_is_read_again_for_what_the_policy_suspects(run, wav, monkeypatch):
    given = {}

    async def open_offline(choice, **values):
        given.update(values)
        return Recognition(None, choice)

    monkeypatch.setattr("mamori.monitor.cli.replay.open_offline", open_offline)

    assert run("replay", "--json", *COMMON, wav()).exit_code == 0
    assert given["candidates"]("너를 죽여버렸다", "ko") == ("죽여버린다",)


def test_a_transcript_is_replayed_in_words(run, tmp_path):
    file = tmp_path / "call.jsonl"
    turn = {"channel": "customer", "start_s": 1, "end_s": 3, "text": "お前、ぶっ殺すぞ。"}
    file.write_text(json.dumps(turn), encoding="utf-8")

    result = run("replay", "--language", "ja", file)

    assert result.exit_code == 0
    assert re.search(r"^0:01 \[critical\] threat \(threat\) — .*“ぶっ殺すぞ”", result.stdout, re.M)


def test_a_file_that_was_cut_off_is_refused(run, wav):
    file = wav(seconds=2)
    file.write_bytes(file.read_bytes()[:9_000])

    refused(run("replay", *COMMON, file), file)


@pytest.mark.parametrize("content", [b"this is no sound\n" * 100, b""])
def test_a_file_that_is_no_recording_is_refused(run, tmp_path, content):
    file = tmp_path / "call.wav"
    file.write_bytes(content)

    refused(run("replay", *COMMON, file), file)


def test_a_file_that_is_not_there_is_refused(run, tmp_path):
    refused(run("replay", *COMMON, tmp_path / "missing.wav"), tmp_path / "missing.wav")


def test_no_file_is_refused(run):
    refused(run("replay"), "FILE")


def test_three_recordings_are_refused(run, wav):
    mono = [wav(f"{n}.wav", channels=1) for n in range(3)]

    refused(run("replay", *COMMON, *mono), "one recording, or two mono ones")


def test_two_stereo_recordings_cannot_be_joined(run, wav):
    refused(run("replay", *COMMON, wav("a.wav"), wav("b.wav")), "of one channel each")


@pytest.mark.parametrize(
    ("channels", "said"),
    [
        ("customer", "has 2 channel(s)"),
        ("customer,customer", "each needs its own role"),
        ("customer,agent,mixed", "has 2 channel(s)"),
        ("left,right", "'left' is not known (allowed: customer, agent, mixed)"),
    ],
)
def test_roles_that_do_not_fit_are_refused(run, wav, channels, said):
    refused(run("replay", *COMMON, "--channels", channels, wav()), "--channels", said)


@pytest.mark.parametrize("speed", ["0", "-1", "1001", "fast", "nan", "inf"])
def test_a_speed_that_is_none_is_refused(run, wav, speed):
    refused(run("replay", *COMMON, "--speed", speed, wav()), f"--speed {speed}", "max")


def test_an_engine_that_nobody_knows_is_refused_with_those_that_are(run, wav):
    result = run("replay", *COMMON, "--engine", "vosc", wav())

    refused(result, "'vosc'", "auto, vosk, whisper, vosk+whisper, none")


def test_a_language_without_rules_is_refused(run, wav):
    refused(run("replay", "--language", "tlh", wav()), "tlh")


def test_a_policy_with_an_unknown_key_is_refused_with_what_was_meant(run, wav, tmp_path):
    text = (files("mamori.config") / "policy" / "default.toml").read_text(encoding="utf-8")
    policy = tmp_path / "policy.toml"
    policy.write_text(text.replace("rise_db =", "rise_dB ="), encoding="utf-8")

    result = run("replay", *COMMON, "--policy", policy, wav())

    refused(result, policy, "rise_dB", "did you mean 'rise_db'")


def test_a_model_that_was_changed_is_refused_with_the_file_and_both_hashes(run, wav, tmp_path):
    folder = tmp_path / "models" / "whisper-base"
    folder.mkdir(parents=True)
    for name in ("model.bin", "config.json", "tokenizer.json", "vocabulary.json"):
        (folder / name).write_bytes(b"not what it should be")

    result = run("replay", *COMMON, "--engine", "whisper", wav())

    assert result.exit_code == 1
    assert result.stdout == ""
    assert str(folder) in result.stderr
    assert "model.bin" in result.stderr
    assert re.search(r"expected \S+.*, actual \S+", result.stderr)


def test_a_model_that_an_engine_cannot_load_is_refused(run, wav, tmp_path):
    folder = tmp_path / "models" / "vosk-model-small-ja-0.22"
    for name in ("am/final.mdl", "conf/mfcc.conf", "conf/model.conf", "graph/HCLr.fst"):
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"not what it should be")

    result = run("replay", "--language", "ja", "--engine", "vosk", wav())

    assert result.exit_code == 1
    assert str(folder) in result.stderr


def test_an_engine_without_a_model_says_how_to_get_one(run, wav):
    result = run("replay", "--language", "ja", "--engine", "vosk", wav())

    assert result.exit_code == 1
    assert "mamori models get vosk-model-small-ja-0.22" in result.stderr


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("hello", ":1: not JSON"),
        ('{"channel": "left", "start_s": 0, "text": "x"}', "'customer'"),
        ('{"channel": "agent", "start_s": 0, "txt": "x"}', "did you mean 'text'"),
        ("", "holds no turn"),
    ],
)
def test_a_transcript_that_is_wrong_is_refused_with_its_line(run, tmp_path, text, said):
    file = tmp_path / "call.jsonl"
    file.write_text(text, encoding="utf-8")

    refused(run("replay", *COMMON, file), file, said)


def test_two_transcripts_are_refused(run, tmp_path):
    refused(run("replay", *COMMON, tmp_path / "a.jsonl", tmp_path / "b.jsonl"), "one transcript")
