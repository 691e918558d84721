"""How the node logs: event words and keys, never a caller's words or number."""

from __future__ import annotations

import logging
import sys
from typing import Final, Literal

import structlog

_LEVELS: Final = {"debug": 10, "info": 20, "warning": 30, "error": 40}


def configure_logging(level: str, log_format: Literal["text", "json"]) -> None:
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
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    # Libraries log requests and frames, which hold what callers said: only their warnings pass.
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(levelname)s %(name)s")


def _without_error_text(
    _logger: object, _method: str, fields: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    error = fields.pop("exc_info", None)
    if isinstance(error, BaseException):
        fields["error_type"] = type(error).__name__
    elif error:
        kind = sys.exc_info()[0]
        fields["error_type"] = kind.__name__ if kind else "unknown"
    return fields
