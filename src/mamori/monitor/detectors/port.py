"""What every detector promises."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from mamori.monitor.events import Detection, Event


class Detector(Protocol):
    """One detector of one call: synchronous, on media time only, without sockets, clocks or disks.

    Implementers MUST give the same detections for the same events at any speed, and MUST NOT keep
    memory that grows with the length of the call. An exception switches the detector off for the
    call it happened in.
    """

    name: str
    """Stable word for reports, such as ``phrases`` or ``raised_voice``."""

    interests: tuple[type[Event], ...]
    """The event classes that ``feed`` wants; the session hands over no others."""

    def feed(self, event: Event) -> Sequence[Detection]:
        """Take the next event of the call, in order; return what it completes."""
        ...

    def flush(self, offset_ms: int) -> Sequence[Detection]:
        """The call ended at this media time; return what was still pending."""
        ...
