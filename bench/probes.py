"""What is watched while calls run, each in a thread of the bench's own, otherwise idle process."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from typing import Any, Final

import redis
from bench.phrases import CATEGORY_PREFIX
from bench.server import Server, Target
from bench.talk import NativeTalk
from bench.tree import Usage
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

from mamori.monitor.store.keys import TenantKeys

_USAGE_EVERY_S: Final = 1.0
_PSS_EVERY_S: Final = 5.0
_PING_EVERY_S: Final = 0.05
_PING_TIMEOUT_S: Final = 20.0
_BLOCK_MS: Final = 500


class Probe:
    """A thread that runs ``step`` again and again until the end of the ``with`` block."""

    def __init__(self) -> None:
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.failure: str | None = None

    def __enter__(self) -> None:
        """Start watching."""
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        """Stop watching."""
        self._stopping.set()
        self._thread.join()

    def watch(self) -> None:
        """What the thread does."""
        raise NotImplementedError

    def wait(self, pause_s: float) -> bool:
        """Pause; False when it is time to stop."""
        return not self._stopping.wait(pause_s)

    def _run(self) -> None:
        try:
            self.watch()
        except (OSError, redis.RedisError, WebSocketException) as error:
            self.failure = f"{type(self).__name__}: {type(error).__name__}"


class UsageProbe(Probe):
    """The server's memory over time."""

    def __init__(self, server: Server) -> None:
        super().__init__()
        self._server = server
        self.usages: list[Usage] = []

    def watch(self) -> None:
        """Look every second."""
        while self.wait(_USAGE_EVERY_S):
            self.usages.append(self._server.usage())


class PssProbe(Probe):
    """What the server's processes take together, pages that they share counted once.

    The kernel walks every page for it, so it is asked less often.
    """

    def __init__(self, server: Server) -> None:
        super().__init__()
        self._server = server
        self.sums_bytes: list[int] = []

    def watch(self) -> None:
        """Look now and every few seconds."""
        going = True
        while going:
            if found := self._server.pss_bytes():
                self.sums_bytes.append(sum(found.values()))
            going = self.wait(_PSS_EVERY_S)


class PingProbe(Probe):
    """Round trips of pings on an idle connection: a stand-in for the lag of the event loop.

    ``overshoots_s`` says how late this thread itself woke up, the floor of what it can measure.
    """

    def __init__(self, idle: Target) -> None:
        super().__init__()
        self._idle = idle
        self.round_trips_s: list[float] = []
        self.overshoots_s: list[float] = []

    def watch(self) -> None:
        """Ping twenty times a second."""
        idle = self._idle
        headers = {"Authorization": f"Bearer {idle.key}"} if idle.key else {}
        with connect(
            idle.url, additional_headers=headers, compression=None, proxy=None
        ) as connection:
            if idle.hello is not None:
                connection.send(idle.hello)
                connection.recv()
            while True:
                asleep_s = time.monotonic()
                if not self.wait(_PING_EVERY_S):
                    break
                sent_s = time.monotonic()
                self.overshoots_s.append(sent_s - asleep_s - _PING_EVERY_S)
                answered = connection.ping().wait(_PING_TIMEOUT_S)
                self.round_trips_s.append(
                    time.monotonic() - sent_s if answered else _PING_TIMEOUT_S
                )
            if idle.hello is not None:
                connection.send(NativeTalk.closing)


class StreamProbe(Probe):
    """A reader of the alert stream that waits for each entry, as a screen's feed does.

    ``alerts``: the openings of the bench's own categories, without their words. ``others`` counts
    openings of every other category.
    """

    def __init__(
        self, url: str, tenant: str, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__()
        self._url = url
        self._key = TenantKeys(tenant).alerts
        self._clock = clock
        self.alerts: list[dict[str, Any]] = []
        self.others = 0

    def watch(self) -> None:
        """Read what comes, from the stream's beginning."""
        client = redis.Redis.from_url(self._url, decode_responses=True)
        last_id = "0-0"
        try:
            # One more look after the end: what is there by then still counts.
            going = True
            while going:
                going = self.wait(0)
                reply: Any = client.xread({self._key: last_id}, count=100, block=_BLOCK_MS)
                arrived_s = self._clock()
                for entry_id, fields in reply[0][1] if reply else ():
                    last_id = entry_id
                    self._take(json.loads(fields["body"]), arrived_s)
        finally:
            client.close()

    def _take(self, message: dict[str, Any], arrived_s: float) -> None:
        if message["type"] != "alert_raised":
            return
        if not message["category"].startswith(CATEGORY_PREFIX):
            self.others += 1
            return
        self.alerts.append(
            {
                "call_id": message["call_id"],
                "utterance_id": message["detections"][0]["evidence"]["utterance_id"],
                "end_offset_ms": message["end_offset_ms"],
                "arrived_s": arrived_s,
            }
        )
