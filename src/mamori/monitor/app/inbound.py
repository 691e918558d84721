"""What a node tells the sender of a call, back as events."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic import ValidationError

from mamori.monitor.app.calls import Listener
from mamori.monitor.events import event_from_dict


def listening(listener: Listener) -> Callable[[dict[str, Any]], None]:
    """Hand the call's events in a node's messages to ``listener``.

    Other messages are passed over: a newer node may say what this version does not know.
    """

    def hear(message: dict[str, Any]) -> None:
        try:
            event = event_from_dict(message)
        except ValidationError:
            return
        listener(event)

    return hear
