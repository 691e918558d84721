"""``make evaluate-speech`` where there is nothing to measure, and its arguments."""

import pytest
from tools.measure import data

from tools import evaluate_speech


def test_without_recordings_one_line_says_so_and_the_exit_code_is_1(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(data, "SHARED_DATA", tmp_path / "nowhere")
    assert evaluate_speech.main([]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert len(printed.err.splitlines()) == 1
    assert "needs ../shared/data" in printed.err


def test_an_unknown_part_is_refused_with_those_that_are_known(capsys):
    with pytest.raises(SystemExit) as refused:
        evaluate_speech.main(["text"])
    assert refused.value.code == 2
    assert "'text' is no part (allowed: texts, sounds, shouting)" in capsys.readouterr().err
