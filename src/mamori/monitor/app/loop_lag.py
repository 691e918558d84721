"""How late the event loop comes back to work: the first sign of too little processor."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

_EVERY_S: Final = 0.1
_KEPT: Final = 100  # ten seconds


class LoopLag:
    """Asks to be woken ten times a second and notes how late that was."""

    def __init__(self) -> None:
        self._lags_s: deque[float] = deque(maxlen=_KEPT)

    def longest_s(self) -> float:
        """The longest lag of the last ten seconds."""
        return max(self._lags_s, default=0.0)

    async def run(self) -> None:
        """Measure until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            due_s = loop.time() + _EVERY_S
            await asyncio.sleep(_EVERY_S)
            self._lags_s.append(max(0.0, loop.time() - due_s))
