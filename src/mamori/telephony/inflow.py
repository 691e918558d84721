"""The flood guard: how much audio of one call may come in, given the wall time that has passed.

A live call brings one second of audio a second. A network that stalled brings a burst; a client
that plays a file without pacing brings a flood, which must cost that call audio and no other call
anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

_NS_PER_S: Final = 1_000_000_000
_NS_PER_MS: Final = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class InflowConfig:
    """How far the media of a call may run ahead of wall time.

    ``max_ahead_ms`` in [100, 60000]; ``resume_ms`` in [20, max_ahead_ms].
    """

    # What a call may have waiting: long enough for the stalls of a healthy network, short enough
    # that an alert about the oldest of it is still news.
    max_ahead_ms: int = 2_000
    # Once audio is being dropped, nothing is let in until this much may come in one piece: half a
    # second holds words, where the few samples that each message finds room for would be noise.
    resume_ms: int = 500

    def __post_init__(self) -> None:
        if not 100 <= self.max_ahead_ms <= 60_000:
            raise ValueError(f"max_ahead_ms must be in [100, 60000], not {self.max_ahead_ms}")
        if not 20 <= self.resume_ms <= self.max_ahead_ms:
            raise ValueError(
                f"resume_ms must be in [20, max_ahead_ms={self.max_ahead_ms}], not {self.resume_ms}"
            )


class InflowGuard:
    """A token bucket in samples, exact in integers: credit is samples times nanoseconds a second.

    Times are nanoseconds of any monotonic clock. The bucket begins full.
    """

    def __init__(self, config: InflowConfig, *, sample_rate_hz: int, now_ns: int) -> None:
        self._rate_hz = sample_rate_hz
        self.ahead_samples: Final = config.max_ahead_ms * sample_rate_hz // 1000
        """The most that may come in at once."""
        self._capacity = config.max_ahead_ms * _NS_PER_MS * sample_rate_hz
        self._resume = config.resume_ms * _NS_PER_MS * sample_rate_hz
        self._credit = self._capacity
        self._refilled_ns = now_ns
        self._dropping = False

    def admit(self, samples: int, now_ns: int) -> int:
        """How many of the next ``samples`` may come in, from the front; the rest is dropped."""
        self._refill(now_ns)
        if self._dropping and self._credit < self._resume:
            return 0
        admitted = min(samples, self._credit // _NS_PER_S)
        self._credit -= admitted * _NS_PER_S
        self._dropping = admitted < samples
        return admitted

    def wait_ns(self, samples: int, now_ns: int) -> int:
        """How long until ``samples`` would come in whole, at most a whole bucket of them.

        While audio is being dropped that is not before ``resume_ms`` of it may come in.
        """
        self._refill(now_ns)
        wanted = min(samples * _NS_PER_S, self._capacity)
        if self._dropping:
            wanted = max(wanted, self._resume)
        missing = wanted - self._credit
        return max(0, -(-missing // self._rate_hz))

    def _refill(self, now_ns: int) -> None:
        elapsed_ns = max(0, now_ns - self._refilled_ns)
        self._credit = min(self._capacity, self._credit + elapsed_ns * self._rate_hz)
        self._refilled_ns = max(now_ns, self._refilled_ns)
