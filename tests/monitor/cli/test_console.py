"""What every command prints is harmless to a terminal, and every error has its exit code."""

import json

import pytest
import typer

from mamori.errors import ConfigError, MamoriError
from mamori.monitor.cli.console import (
    ExitCode,
    exit_code_of,
    print_json,
    print_problem,
    print_text,
    printable,
    reported_errors,
)

# Clear the screen; the same by C1; title; a bidi override, an isolate, a zero-width joiner; half a
# character.
HOSTILE = "\x1b[2J \x9b2J \x1b]0;x\x07 \u202e \u2066 \u200d \ud800 \x7f \x85"
HARMLESS = "�[2J �2J �]0;x� � � � � � �"


@pytest.mark.parametrize("char", ["\x00", "\x1f", "\x7f", "\x80", "\x9f", "\n", "\r", "\u202e"])
def test_a_character_that_drives_a_terminal_is_replaced(char):
    assert printable(f"a{char}b") == "a�b"


@pytest.mark.parametrize("char", ["\t", " ", "~", "\xa0", "あ", "👍", "[bold]", ":smile:"])
def test_every_other_character_stays(char):
    assert printable(f"a{char}b") == f"a{char}b"


def test_text_and_problems_are_printed_harmless(capsys):
    print_text(HOSTILE)
    print_problem(HOSTILE)

    printed = capsys.readouterr()
    assert printed.out == printed.err == HARMLESS + "\n"


def test_a_problem_of_several_lines_is_printed_as_such(capsys):
    print_problem("one\ntwo")

    assert capsys.readouterr().err == "one\ntwo\n"


def test_json_is_one_harmless_line_and_says_the_same(capsys):
    value = {"text": HOSTILE + "\u2028\u2029\u061c 今すぐ「来い」👍"}

    print_json(value)

    line = capsys.readouterr().out
    assert json.loads(line) == value
    assert line.splitlines() == [line.removesuffix("\n")]
    assert "今すぐ「来い」👍" in line
    # What joins emoji and letters is neither a control nor a mark of direction.
    assert printable(line.removesuffix("\n").replace("\u200d", "")) == line.removesuffix(
        "\n"
    ).replace("\u200d", "")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError(["x"]), 2),
        (MamoriError("bad_store_url", "x"), 2),
        (MamoriError("model_unknown", "x"), 2),
        (MamoriError("not_reachable", "x"), 3),
        (MamoriError("store_not_reachable", "x"), 3),
        (MamoriError("model_unreachable", "x"), 3),
        (MamoriError("disk_full", "x"), 1),
    ],
)
def test_each_error_has_its_exit_code(error, code):
    assert exit_code_of(error) == code


@pytest.mark.parametrize(
    ("raised", "code"),
    [
        (MamoriError("not_reachable", "x"), 3),
        (KeyboardInterrupt(), 130),
        (BrokenPipeError(), 0),
    ],
)
def test_a_command_ends_with_the_exit_code_of_what_stopped_it(raised, code):
    with pytest.raises(typer.Exit) as ended, reported_errors():
        raise raised

    assert ended.value.exit_code == code


def test_a_command_that_only_ctrl_c_ends_was_not_interrupted():
    with pytest.raises(typer.Exit) as ended, reported_errors(interrupted=ExitCode.OK):
        raise KeyboardInterrupt

    assert ended.value.exit_code == 0
