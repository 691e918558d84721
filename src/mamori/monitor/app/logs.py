"""How the node logs: event words and keys, never a caller's words or number."""

from __future__ import annotations

import json
import logging
import sys
import traceback
from pathlib import Path
from types import TracebackType
from typing import Final, Literal

import structlog

LogFormat = Literal["text", "json"]
_PACKAGE: Final = Path(__file__).resolve().parents[2]
_LEVELS: Final = {"debug": 10, "info": 20, "warning": 30, "error": 40}


def configure_logging(level: str, log_format: LogFormat) -> None:
    """Log to standard error from ``level`` on, as text or as one JSON object a line."""
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            # Only the class and place of an error: its text may repeat what a caller said.
            _without_error_text,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=_to_standard_error,
    )
    # Libraries log requests and frames, which hold what callers said: only their warnings pass.
    handler = _StandardErrorHandler()
    handler.setFormatter(_LibraryFormatter(log_format))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)


def _to_standard_error(*_names: object) -> structlog.PrintLogger:
    """Whatever standard error is when the line is written; it may be replaced meanwhile."""
    return structlog.PrintLogger(sys.stderr)


class _StandardErrorHandler(logging.Handler):
    """The same for the records of libraries."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record as one line."""
        sys.stderr.write(self.format(record) + "\n")


class _LibraryFormatter(logging.Formatter):
    """A library's record as its level, the library, and an error's class and place: never its text.

    Both the message and the text of an error may repeat what a caller said: asyncio words a lost
    task with the exception's own text.
    """

    def __init__(self, log_format: LogFormat) -> None:
        super().__init__()
        self._format = log_format

    def format(self, record: logging.LogRecord) -> str:
        """The record in one line."""
        fields = {
            "event": "library_record",
            "level": record.levelname.lower(),
            "logger": record.name,
        }
        if record.exc_info and record.exc_info[0] is not None:
            fields["error"] = self.formatException(record.exc_info)
        if self._format == "json":
            return json.dumps(fields)
        return " ".join(f"{key}={value}" for key, value in fields.items())

    def formatException(  # noqa: N802 - the name is logging's
        self,
        ei: tuple[type[BaseException], BaseException, TracebackType | None]
        | tuple[None, None, None],
    ) -> str:
        """Class and place of an error."""
        kind, _, trace = ei
        return f"{kind.__name__ if kind else 'unknown'} at {place(trace)}"


def place(trace: TracebackType | None) -> str:
    """``file:line`` of the last step inside Mamori's own code, else of the last step at all."""
    steps = [(frame.f_code.co_filename, line) for frame, line in traceback.walk_tb(trace)]
    if not steps:
        return "unknown"
    ours = [step for step in steps if Path(step[0]).is_relative_to(_PACKAGE)]
    file, line = ours[-1] if ours else steps[-1]
    name = Path(file)
    shown = name.relative_to(_PACKAGE) if ours else Path(name.name)
    return f"{shown}:{line}"


def _without_error_text(
    _logger: object, _method: str, fields: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    given = fields.pop("exc_info", None)
    error = given if isinstance(given, BaseException) else sys.exc_info()[1] if given else None
    if error is not None:
        fields["error_type"] = type(error).__name__
        fields.setdefault("at", place(error.__traceback__))
    return fields
