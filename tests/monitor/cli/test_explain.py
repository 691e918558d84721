"""``mamori explain``: what is read, what is answered, and what is refused."""

from __future__ import annotations

import json

import pytest

THREAT = "お前、ぶっ殺すぞ。"
FAIR = "請求書の金額が間違っているので確認してください。"


def answers(result):
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_an_utterance_a_line_is_answered_in_order(run, tmp_path):
    file = tmp_path / "lines.txt"
    file.write_text(f"{FAIR}\n\n{THREAT}\n{FAIR}\n", encoding="utf-8")

    found = answers(run("explain", "--json", "--language", "ja", file))

    assert [answer["text"] for answer in found] == [FAIR, THREAT, FAIR]
    assert [bool(answer["detections"]) for answer in found] == [False, True, False]


def test_a_detection_says_what_where_by_which_rule_and_clause_and_how_surely(run):
    (answer,) = answers(run("explain", "--json", "--language", "ja", stdin=THREAT))

    assert answer.keys() == {"text", "lang", "detections"}
    assert answer["lang"] == "ja"
    for detection in answer["detections"]:
        assert detection.keys() == {"category", "severity", "rule", "clause", "quote", "score"}
        assert detection["severity"] in {1, 2, 3}
        assert detection["quote"] in THREAT
        assert 0 < detection["score"] <= 1
    threat = next(d for d in answer["detections"] if d["category"] in {"threat", "violence"})
    assert threat["severity"] == 3
    assert threat["rule"].startswith("threat.")
    assert threat["clause"] == "abusive_language"
    assert threat["quote"] == "ぶっ殺すぞ"


def test_json_lines_name_their_language(run):
    lines = [{"text": THREAT}, {"text": "You are an idiot.", "lang": "en"}]
    stdin = "\n".join(json.dumps(line, ensure_ascii=False) for line in lines)

    found = answers(run("explain", "--json", "--language", "ja", "-", stdin=stdin))

    assert [answer["lang"] for answer in found] == ["ja", "en"]
    assert [answer["detections"][0]["category"] for answer in found] == ["threat", "insult"]


def test_for_people_each_utterance_stands_over_what_was_found(run):
    result = run("explain", "--language", "ja", stdin=f"{FAIR}\n{THREAT}\n")

    assert result.exit_code == 0
    first, nothing, second, found = result.stdout.splitlines()
    assert (first, nothing.strip(), second) == (FAIR, "nothing found.", THREAT)
    assert "ぶっ殺すぞ" in found
    assert "threat.kill" in found


def test_nothing_in_nothing_out(run):
    assert answers(run("explain", "--json", "--language", "ko", stdin="\n  \n")) == []


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"text": "x"', "-:2: not JSON"),
        ('{"txt": "x"}', '-:2: expected {"text"'),
        ('{"text": 1}', '-:2: expected {"text"'),
        ('{"text": "x", "lang": 1}', '-:2: expected {"text"'),
        ("x" * 100_001, "-:2: longer than 100000 characters"),
    ],
)
def test_a_line_that_is_wrong_is_named(run, line, said):
    result = run("explain", "--language", "ko", stdin=f"x\n{line}\n")

    assert result.exit_code == 2
    assert said in result.stderr


def test_a_language_without_rules_is_named(run):
    result = run("explain", stdin='{"text": "x", "lang": "tlh"}\n', node__language="ko")

    assert result.exit_code == 2
    assert "tlh" in result.stderr


def test_a_file_that_is_no_utf8_is_named(run, tmp_path):
    file = tmp_path / "shift_jis.txt"
    file.write_bytes(THREAT.encode("shift_jis"))

    result = run("explain", "--language", "ko", file)

    assert result.exit_code == 2
    assert f"{file}:" in result.stderr
    assert "not UTF-8 text" in result.stderr


def test_a_file_that_is_not_there_is_named(run, tmp_path):
    result = run("explain", "--language", "ko", tmp_path / "missing.txt")

    assert result.exit_code == 2
    assert str(tmp_path / "missing.txt") in result.stderr


def test_a_policy_with_an_unknown_key_is_named_with_what_was_meant(run, tmp_path):
    policy = tmp_path / "policy.toml"
    policy.write_text('versoin = "2026.11.1"\n', encoding="utf-8")

    result = run("explain", "--policy", policy, stdin="x")

    assert result.exit_code == 2
    assert str(policy) in result.stderr
    assert "versoin" in result.stderr
    assert "did you mean 'version'" in result.stderr
