"""What every command shares: exit codes, errors in words, output for people or as JSON."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator
from enum import IntEnum
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


_NOT_REACHABLE_CODES: Final = frozenset({"not_reachable", "store_not_reachable"})
_USAGE_CODES: Final = frozenset({"model_unknown"})

stdout = Console(soft_wrap=True, highlight=False)
stderr = Console(stderr=True, soft_wrap=True, highlight=False)


def print_json(value: dict[str, Any]) -> None:
    """One JSON object on a line of its own, flushed so that a reader in a pipe sees it at once."""
    print(json.dumps(value, ensure_ascii=False, separators=(",", ":")), flush=True)


def print_text(line: str, style: str | None = None) -> None:
    """A line for people; never interpreted as markup, since it may hold a caller's words."""
    stdout.print(line, style=style, markup=False, emoji=False)


def print_problem(line: str) -> None:
    """A line about what went wrong, on standard error."""
    stderr.print(line, style="red", markup=False, emoji=False)


def exit_code_of(error: MamoriError) -> ExitCode:
    """The exit code that an error ends a command with."""
    if isinstance(error, ConfigError | RecordingError) or error.code in _USAGE_CODES:
        return ExitCode.USAGE
    if error.code in _NOT_REACHABLE_CODES:
        return ExitCode.NOT_REACHABLE
    return ExitCode.FAILED


@contextlib.contextmanager
def reported_errors() -> Iterator[None]:
    """Turn errors into lines on standard error and the exit code that belongs to them."""
    try:
        yield
    except MamoriError as error:
        for line in str(error).splitlines() or [error.code]:
            print_problem(line)
        raise typer.Exit(exit_code_of(error)) from error
    except BrokenPipeError:
        # The reader of a pipe (head, jq) has left: that is no failure, and no traceback either.
        sys.stderr.close()
        raise typer.Exit(ExitCode.OK) from None
    except KeyboardInterrupt:
        raise typer.Exit(ExitCode.OK) from None
