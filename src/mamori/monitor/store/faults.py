"""What went wrong between us and the server, as one stable word."""

from __future__ import annotations

import re
from typing import Final

from redis import exceptions as client_errors

StoreFault = (client_errors.RedisError, client_errors.RedisClusterException, OSError)
"""Everything that a client of redis-py raises when the server or the way to it fails."""

# Servers before 7.0 wrap the error of a script's command: the word is then inside the text.
_WORDS: Final = {
    "OOM": "out_of_memory",
    "MISCONF": "disk_refused",
    "READONLY": "read_only",
    "LOADING": "loading",
    "NOREPLICAS": "no_replicas",
    "MASTERDOWN": "no_primary",
    "CLUSTERDOWN": "no_primary",
    "TRYAGAIN": "try_again",
    "NOPERM": "forbidden",
    "NOAUTH": "forbidden",
    "WRONGTYPE": "wrong_type",
    "BUSY": "busy",
    "UNBLOCKED": "read_only",
}
_WORD: Final = re.compile(r"\b(" + "|".join(_WORDS) + r")\b")
# "Protocol error: invalid bulk length" (proto-max-bulk-len), "elements are too large to be
# stored" (XADD), "string exceeds maximum allowed size".
_TOO_LARGE: Final = re.compile(r"invalid bulk length|too large|exceeds maximum", re.IGNORECASE)

_BY_TYPE: Final[tuple[tuple[type[BaseException], str], ...]] = (
    (client_errors.BusyLoadingError, "loading"),
    (client_errors.AuthenticationError, "forbidden"),
    (client_errors.NoPermissionError, "forbidden"),
    (client_errors.OutOfMemoryError, "out_of_memory"),
    (client_errors.ReadOnlyError, "read_only"),
    (client_errors.MasterDownError, "no_primary"),
    (client_errors.ClusterDownError, "no_primary"),
    (client_errors.TryAgainError, "try_again"),
    (client_errors.AskError, "try_again"),
    (client_errors.RedisClusterException, "unreachable"),
    (client_errors.TimeoutError, "timeout"),
    (TimeoutError, "timeout"),
    (client_errors.ConnectionError, "unreachable"),
    (OSError, "unreachable"),
)

UNANSWERED: Final = frozenset({"unreachable", "timeout", "loading"})
"""Codes that hold for the whole server: trying the next tenant would only wait as long again."""


def fault_code(error: BaseException) -> str:
    """A stable word for an error of the client.

    ``unreachable timeout loading read_only out_of_memory disk_refused no_replicas no_primary
    try_again forbidden wrong_type busy too_large refused``; the last for what has no other name.
    """
    # redis-py hides what the server says to a new connection behind a ConnectionError.
    if type(error) is client_errors.ConnectionError and isinstance(
        error.__cause__, client_errors.RedisError
    ):
        return fault_code(error.__cause__)
    text = str(error)
    if _TOO_LARGE.search(text):
        return "too_large"
    for kind, code in _BY_TYPE:
        if isinstance(error, kind):
            return code
    word = _WORD.search(text)
    return _WORDS[word.group(1)] if word else "refused"
