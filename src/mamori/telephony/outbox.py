"""What waits to be sent to one client: bounded, and never in the way of the call's audio."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from websockets.exceptions import ConnectionClosed


class Outbox:
    """Replies, which must not be lost, and events, of which a slow reader loses the newest.

    Lost events are counted, and the client is told how many as soon as there is room again.
    """

    def __init__(
        self,
        *,
        max_events: int,
        max_replies: int,
        on_dropped: Callable[[int], None],
    ) -> None:
        self._max_events = max_events
        self._max_replies = max_replies
        self._on_dropped = on_dropped
        self._queue: deque[tuple[str, bool]] = deque()  # text, and whether it is an event
        self._events = 0
        self._untold = 0
        self._closed = False
        self._more = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()

    def put_reply(self, text: str) -> bool:
        """Queue a reply; False when so many wait that the client cannot be reading."""
        if self._closed:
            return True
        if len(self._queue) - self._events >= self._max_replies:
            return False
        self._tell_dropped()
        self._put(text, is_event=False)
        return True

    def put_event(self, text: str) -> None:
        """Queue an event, or count it as dropped."""
        if self._closed:
            return
        if self._events >= self._max_events:
            self._untold += 1
            self._on_dropped(1)
            return
        self._tell_dropped()
        self._put(text, is_event=True)
        self._events += 1

    async def run(self, send: Callable[[bytes], Awaitable[None]]) -> None:
        """Send what is queued, in order, until the connection is gone."""
        try:
            while True:
                while self._queue:
                    text, is_event = self._queue[0]
                    # A recogniser's text may hold what is no Unicode character.
                    await send(text.encode("utf-8", "replace"))
                    self._queue.popleft()
                    self._events -= is_event
                    if not self._queue:
                        self._tell_dropped()
                self._empty.set()
                self._more.clear()
                await self._more.wait()
        except ConnectionClosed:
            pass
        finally:
            self.close()

    async def flush(self, timeout_s: float) -> None:
        """Wait until everything is sent or can no longer be, for so long at most."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._empty.wait()
        except TimeoutError:
            self.close()

    def close(self) -> None:
        """Nothing more will be sent."""
        self._closed = True
        self._queue.clear()
        self._events = 0
        self._empty.set()

    def _put(self, text: str, *, is_event: bool) -> None:
        self._queue.append((text, is_event))
        self._empty.clear()
        self._more.set()

    def _tell_dropped(self) -> None:
        if self._untold:
            self._put(f'{{"type":"events_dropped","count":{self._untold}}}', is_event=False)
            self._untold = 0
