"""``send``, ``alerts``, ``doctor``, ``serve`` where no node is, and what all commands share."""

from __future__ import annotations

import socket

import numpy as np
import pytest
import soundfile

from mamori import __version__

COMMANDS = ("demo", "serve", "send", "replay", "explain", "alerts", "doctor", "models")


@pytest.fixture
def wav(tmp_path):
    pcm = np.random.default_rng(1).normal(0, 300, (800, 2)).astype(np.int16)
    soundfile.write(tmp_path / "call.wav", pcm, 8000, subtype="PCM_16")
    return tmp_path / "call.wav"


@pytest.fixture
def closed_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def test_a_call_to_nobody_ends_with_3_and_says_what_to_start(run, wav, closed_port):
    url = f"ws://127.0.0.1:{closed_port}/v1/native/default"

    result = run("send", "--url", url, "--key", "a-key-of-16-chars", wav)

    assert result.exit_code == 3
    assert "mamori serve" in result.stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--channels", "customer"], "--channels"),
        (["--speed", "0"], "--speed"),
        (["--direction", "sideways"], "--direction"),
        (["--encoding", "opus"], "mulaw"),
        (["--url", "http://127.0.0.1/v1/native/default"], "ws://"),
    ],
)
def test_what_cannot_be_sent_is_refused(run, wav, options, said):
    result = run("send", "--key", "a-key-of-16-chars", *options, wav)

    assert result.exit_code == 2
    assert said in result.stderr


def test_the_key_may_come_from_the_environment(run, wav, closed_port):
    url = f"ws://127.0.0.1:{closed_port}/v1/native/default"

    result = run("send", "--url", url, wav, key="a-key-of-16-chars")

    assert result.exit_code == 3, result.stderr


def test_a_recording_that_is_none_is_not_sent(run, tmp_path):
    file = tmp_path / "call.wav"
    file.write_text("text")

    result = run("send", "--key", "a-key-of-16-chars", file)

    assert result.exit_code == 2
    assert str(file) in result.stderr


def test_three_recordings_are_not_sent(run, wav):
    result = run("send", "--key", "a-key-of-16-chars", wav, wav, wav)

    assert result.exit_code == 2


def test_alerts_without_a_node_end_with_3(run):
    result = run("alerts")

    assert result.exit_code == 3
    assert "mamori serve" in result.stderr


def test_alerts_of_a_store_that_is_away_end_with_3_and_keep_its_password(run, closed_port):
    url = f"redis://user:secret-word@127.0.0.1:{closed_port}"

    result = run("alerts", store__redis_url=url)

    assert result.exit_code == 3
    assert "secret-word" not in result.output


def test_alerts_of_a_store_with_a_wrong_address_end_with_2(run):
    result = run("alerts", store__redis_url="http://127.0.0.1")

    assert result.exit_code == 2
    assert "redis://" in result.stderr


@pytest.mark.parametrize("count", ["0", "10001", "many"])
def test_a_number_of_alerts_that_is_none_is_refused(run, count):
    assert run("alerts", "--last", count).exit_code == 2


def test_the_doctor_finds_this_machine_well_enough_without_an_engine(run):
    result = run("doctor", "--local", recognition__languages="ko")

    assert result.exit_code == 0
    assert "speech recognition" in result.stdout
    assert "models get" in result.stdout


def test_the_doctor_names_a_policy_that_is_wrong(run, tmp_path):
    policy = tmp_path / "policy.toml"
    policy.write_text("x", encoding="utf-8")

    result = run("doctor", "--local", policy__file=policy)

    assert result.exit_code == 1
    assert str(policy) in result.stdout


def test_the_doctor_names_a_store_that_is_away(run, closed_port):
    result = run(
        "doctor",
        "--local",
        recognition__languages="ko",
        store__redis_url=f"redis://127.0.0.1:{closed_port}",
    )

    assert result.exit_code == 1
    assert "store for alerts" in result.stdout


@pytest.mark.parametrize("command", [["serve"], ["demo", "--exit"], ["alerts"], ["doctor"]])
def test_wrong_settings_are_refused_by_every_command_before_anything_starts(run, command, tmp_path):
    result = run(*command, node__log_level="loud")

    assert result.exit_code == 2
    assert "MAMORI_NODE__LOG_LEVEL" in result.stderr
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("command", [["serve"], ["demo"], ["explain"], ["alerts"]])
def test_a_settings_file_that_is_not_there_is_named(run, command, tmp_path):
    result = run(*command, "--config", tmp_path / "missing.toml")

    assert result.exit_code == 2
    assert str(tmp_path / "missing.toml") in result.stderr


def test_an_engine_that_is_not_here_keeps_a_node_from_starting(run):
    result = run("serve", recognition__engine="vosk", recognition__languages="ja")

    assert result.exit_code == 1
    assert "mamori models get" in result.stderr


def test_the_version_is_shown(run):
    assert run("--version").stdout == f"mamori {__version__}\n"


def test_help_names_every_command(run):
    result = run("--help")

    assert result.exit_code == 0
    assert all(f" {command} " in result.stdout for command in COMMANDS)


@pytest.mark.parametrize("arguments", [["unknown"], ["explain", "--unknown"], ["demo", "extra"]])
def test_what_does_not_exist_is_refused(run, arguments):
    assert run(*arguments).exit_code == 2
