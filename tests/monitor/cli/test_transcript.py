"""The transcripts that ``mamori replay`` takes, and the scores that ``mamori explain`` gives."""

import json

import pytest

from mamori.errors import ConfigError
from mamori.monitor.app.replay import parse_transcript
from mamori.monitor.cli.replay import transcript_channels
from mamori.monitor.events import Channel


def turns(*channels):
    lines = [json.dumps({"channel": c, "start_s": n, "text": "x"}) for n, c in enumerate(channels)]
    return parse_transcript(lines, "call.jsonl")


@pytest.mark.parametrize(
    ("channels", "expected"),
    [
        (["customer"], (Channel.CUSTOMER, Channel.AGENT)),
        (["agent"], (Channel.CUSTOMER, Channel.AGENT)),
        (["agent", "customer"], (Channel.CUSTOMER, Channel.AGENT)),
        (["mixed", "mixed"], (Channel.MIXED,)),
    ],
)
def test_the_turns_say_whether_a_call_is_one_line_or_two(channels, expected):
    assert transcript_channels(turns(*channels), "call.jsonl") == expected


@pytest.mark.parametrize("other", ["customer", "agent"])
def test_one_line_and_two_at_once_are_refused(run, tmp_path, other):
    with pytest.raises(ConfigError, match=r"call\.jsonl: has turns on mixed and on customer"):
        transcript_channels(turns("mixed", other), "call.jsonl")
    file = tmp_path / "call.jsonl"
    file.write_text(
        "\n".join(turn.model_dump_json() for turn in turns("mixed", other)), encoding="utf-8"
    )

    result = run("replay", "--language", "ko", file)

    assert result.exit_code == 2
    assert str(file) in result.stderr


@pytest.mark.parametrize("separator", ["\u2028", "\u2029", "\x85"])
def test_a_separator_inside_a_text_does_not_cut_its_line(run, tmp_path, separator):
    file = tmp_path / "call.jsonl"
    turn = {"channel": "customer", "start_s": 0, "end_s": 2, "text": f"one{separator}two"}
    # Windows' line ends are no part of a line either.
    file.write_bytes((json.dumps(turn, ensure_ascii=False) + "\r\n").encode())

    result = run("replay", "--json", "--language", "ko", file)

    assert result.exit_code == 0, result.stderr
    events = [json.loads(line) for line in result.stdout.splitlines()]
    assert [e["text"] for e in events if e["type"] == "final_hypothesis"] == [turn["text"]]


def test_an_escape_sequence_in_a_transcript_does_not_reach_the_terminal(run, tmp_path):
    file = tmp_path / "call.jsonl"
    turn = {"channel": "customer", "start_s": 0, "end_s": 2, "text": "\x1b[2J\x9b2J hello"}
    file.write_text(json.dumps(turn), encoding="utf-8")

    result = run("replay", "--language", "ko", file)

    assert "�[2J�2J hello" in result.stdout
    assert "\x1b" not in result.stdout


def test_the_score_is_that_of_the_detection_and_not_the_likeness_of_the_words(run, tmp_path):
    file = tmp_path / "call.jsonl"
    text = "バカヤロー"
    turn = {"channel": "customer", "start_s": 0, "end_s": 2, "text": text}
    file.write_text(json.dumps(turn), encoding="utf-8")

    replayed = run("replay", "--json", "--language", "ja", file)
    explained = run("explain", "--json", "--language", "ja", stdin=text)

    events = [json.loads(line) for line in replayed.stdout.splitlines()]
    (detection,) = [event for event in events if event["type"] == "detection"]
    (found,) = json.loads(explained.stdout)["detections"]
    assert found["score"] == detection["score"]
    assert found["score"] < detection["evidence"]["similarity_ratio"]
