"""Every refusal a client can meet: one table from error code to what ends the connection."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final

from mamori.errors import MamoriError


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorSpec:
    """What a code does.

    Exactly one of ``http_status`` (refused before the upgrade to WebSocket) and ``close_code``
    (RFC 6455 section 7.4) is set; neither for a warning, which ends nothing.
    ``told`` says whether an ``error`` message comes before the close; where the frame itself is
    broken, only the close code and its reason can say so.
    """

    http_status: int | None = None
    close_code: int | None = None
    recoverable: bool = False
    told: bool = True


ERRORS: Final[dict[str, ErrorSpec]] = {
    # Before the upgrade.
    "bad_request": ErrorSpec(http_status=400),
    "unauthorised": ErrorSpec(http_status=401),
    "not_found": ErrorSpec(http_status=404),
    "busy": ErrorSpec(http_status=503, recoverable=True),
    "draining": ErrorSpec(http_status=503, recoverable=True),
    # The message cannot be read.
    "not_json": ErrorSpec(close_code=1007),
    "invalid_utf8": ErrorSpec(close_code=1007, told=False),
    "message_too_big": ErrorSpec(close_code=1009, told=False),
    # The message can be read and is wrong.
    "bad_message": ErrorSpec(close_code=1008),
    "unknown_type": ErrorSpec(close_code=1008),
    "unsupported_version": ErrorSpec(close_code=1008),
    "bad_call_id": ErrorSpec(close_code=1008),
    "unknown_encoding": ErrorSpec(close_code=1003),
    "bad_sample_rate": ErrorSpec(close_code=1003),
    "bad_channels": ErrorSpec(close_code=1003),
    # The message comes at the wrong time, or not at all.
    "audio_before_start": ErrorSpec(close_code=1008),
    "not_started": ErrorSpec(close_code=1008),
    "already_started": ErrorSpec(close_code=1008),
    "first_message_timeout": ErrorSpec(close_code=1008, recoverable=True),
    "idle_timeout": ErrorSpec(close_code=1008, recoverable=True),
    "slow_reader": ErrorSpec(close_code=1008, recoverable=True, told=False),
    # The call is refused.
    "duplicate_call": ErrorSpec(close_code=1008),
    "media_changed": ErrorSpec(close_code=1008),
    "too_many_calls": ErrorSpec(close_code=1013, recoverable=True),
    "overloaded": ErrorSpec(close_code=1013, recoverable=True),
    "call_refused": ErrorSpec(close_code=1013),
    # The server ends it.
    "shutting_down": ErrorSpec(close_code=1001, recoverable=True),
    "internal_error": ErrorSpec(close_code=1011, recoverable=True),
    # Warnings: the call was taken, but something in it was wrong.
    "odd_bytes": ErrorSpec(),
}


class ProtocolError(MamoriError):
    """A client's message that cannot be accepted; ``code`` is a key of ERRORS."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message, recoverable=ERRORS[code].recoverable)


def error_json(
    code: str, message: str, *, detail: str | None = None, retry_after_s: int | None = None
) -> str:
    """The ``error`` (or ``warning``) message with this code, as JSON text."""
    spec = ERRORS[code]
    warning = spec.close_code is None and spec.http_status is None
    fields: dict[str, str | int] = {
        "type": "warning" if warning else "error",
        "code": code,
        "message": message,
        "recoverable": spec.recoverable or retry_after_s is not None,
    }
    if detail is not None:
        fields["detail"] = detail
    if retry_after_s is not None:
        fields["retry_after_s"] = retry_after_s
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":"))
