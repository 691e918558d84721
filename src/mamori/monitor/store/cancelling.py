"""Cancellation that Python 3.11 may swallow inside the client."""

from __future__ import annotations

import asyncio


def raise_if_cancelled() -> None:
    """Raise CancelledError if the current task was asked to end and has not.

    redis-py sends with ``asyncio.wait_for``. Before Python 3.12 that drops a cancellation that
    arrives when its inner task has just finished (seen in about one of five cancellations of a
    sending task): every endless loop over the client must look for itself.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
