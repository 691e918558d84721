"""What a log may say about an exception: its kind and place, never its text.

An exception's message can quote what it stumbled on, and that may be a caller's words or number.
"""

from __future__ import annotations

import traceback


def where(error: BaseException) -> str:
    """File and line where ``error`` was raised, such as ``desk.py:120``."""
    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return "unknown"
    last = frames[-1]
    return f"{last.filename.rsplit('/', 1)[-1]}:{last.lineno}"
