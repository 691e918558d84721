"""What every command shares: exit codes, errors in words, output for people or as JSON."""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
import unicodedata
from collections.abc import Iterator, Mapping
from enum import IntEnum
from pathlib import Path
from typing import Any, Final

import typer
from rich.console import Console

from mamori.errors import ConfigError, MamoriError
from mamori.telephony.recording import RecordingError


class ExitCode(IntEnum):
    """The stable exit codes of every command."""

    OK = 0
    FAILED = 1
    USAGE = 2
    NOT_REACHABLE = 3
    # What a shell gives a program that Ctrl+C ended: 128 and the signal's number.
    INTERRUPTED = 130


_NOT_REACHABLE_CODES: Final = frozenset(
    {"not_reachable", "store_not_reachable", "model_unreachable"}
)
_USAGE_CODES: Final = frozenset(
    {"bad_key", "bad_store_url", "bad_tenant", "bad_url", "model_unknown"}
)
# Controls (ESC and C1 drive a terminal), formats (bidi marks reorder what is read) and halves of
# characters, which no output can encode.
_UNPRINTABLE: Final = frozenset({"Cc", "Cf", "Cs"})
_REPLACEMENT: Final = "\N{REPLACEMENT CHARACTER}"
# What json.dumps leaves as it is and a terminal or a reader of lines would act on: DEL and C1,
# bidi marks, the separators that split lines, and halves of characters.
_ESCAPED_IN_JSON: Final = re.compile(
    "[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


class _Console(Console):
    """Leaves a closed pipe to ``reported_errors``: rich would end the process with status 1."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


stdout = _Console(soft_wrap=True, highlight=False)
stderr = _Console(stderr=True, soft_wrap=True, highlight=False)


def printable(text: str) -> str:
    """The text with U+FFFD for every character that could drive a terminal; tabs stay.

    Transcripts, the store and other servers are not ours: an escape sequence in what they say could
    hide lines or change what the reader sees.
    """
    return "".join(
        _REPLACEMENT if char != "\t" and unicodedata.category(char) in _UNPRINTABLE else char
        for char in text
    )


def print_json(value: Mapping[str, Any]) -> None:
    """One JSON object on a line of its own, flushed so that a reader in a pipe sees it at once."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    escaped = _ESCAPED_IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
    print(escaped, flush=True)


def print_text(line: str, style: str | None = None) -> None:
    """A line for people; never interpreted as markup, since it may hold a caller's words."""
    stdout.print(printable(line), style=style, markup=False, emoji=False)


def print_problem(text: str) -> None:
    """What went wrong, on standard error; one line for each of the text's."""
    for line in text.split("\n"):
        stderr.print(printable(line), style="red", markup=False, emoji=False)


def exit_code_of(error: MamoriError) -> ExitCode:
    """The exit code that an error ends a command with."""
    if isinstance(error, ConfigError | RecordingError) or error.code in _USAGE_CODES:
        return ExitCode.USAGE
    if error.code in _NOT_REACHABLE_CODES:
        return ExitCode.NOT_REACHABLE
    return ExitCode.FAILED


@contextlib.contextmanager
def reported_errors(*, interrupted: ExitCode = ExitCode.INTERRUPTED) -> Iterator[None]:
    """Turn errors into lines on standard error and the exit code that belongs to them.

    ``interrupted``: the exit code after Ctrl+C; OK for a command that nothing else ends.
    """
    try:
        yield
    except MamoriError as error:
        print_problem(str(error) or error.code)
        raise typer.Exit(exit_code_of(error)) from error
    except BrokenPipeError:
        _discard_output()
        raise typer.Exit(ExitCode.OK) from None
    except KeyboardInterrupt:
        raise typer.Exit(interrupted) from None


def _discard_output() -> None:
    """The reader of a pipe (head, jq) has left, which is no failure: what is left goes nowhere.

    Otherwise the interpreter would write the rest at its end, and complain.
    """
    # Under a test's runner standard output is no file.
    with contextlib.suppress(OSError, ValueError), Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), sys.stdout.fileno())
