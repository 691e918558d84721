"""What a call says and hears in each protocol. No socket, no clock; words stay out of the result.

Both protocols end in the same notes: events with ``type``, ``channel``, ``utterance_id`` and
``arrived_s``, among them one ``first_partial`` an utterance.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from bench.speech import SAMPLE_RATE_HZ

NATIVE: Final = "native"
VOSK: Final = "vosk"
CHUNK_MS: Final = 20
"""What telephone systems send."""
CHUNK_SAMPLES: Final = SAMPLE_RATE_HZ * CHUNK_MS // 1000
_TRY_LATER: Final = 1013
# The times and places of an event; its words stay where they are.
_KEPT: Final = (
    "type",
    "channel",
    "utterance_id",
    "offset_ms",
    "end_offset_ms",
    "duration_ms",
    "cause",
    "engine",
    "scope",
    "stage",
    "code",
)
# One answer in so many is kept as a sample of how far the server is behind: two a second.
_LAG_EVERY: Final = 25
_EVENTS_OF_INTEREST: Final = frozenset(
    {
        "speech_started",
        "speech_ended",
        "final_hypothesis",
        "reread_hypothesis",
        "recognition_scope_changed",
        "media_dropped",
        "stage_failed",
    }
)


@dataclass(slots=True)
class Notes:
    """What is known of a call from its answers.

    ``refusal`` says how the server refused to take it (``code``, ``retry_after_s``); ``failure``
    what went wrong. ``reply_lags_s`` pairs the message answered, by its end in ms, with the wait.
    """

    events: list[dict[str, Any]] = field(default_factory=list)
    partials: int = 0
    dropped_events: int = 0
    ledger: list[dict[str, Any]] = field(default_factory=list)
    refusal: dict[str, Any] | None = None
    failure: str | None = None
    is_taken: bool = False
    is_finished: bool = False
    reply_lags_s: list[tuple[int, float]] = field(default_factory=list)

    def refused(self, code: str, retry_after_s: int | None) -> None:
        """The server is full and says so."""
        self.refusal = {"code": code, "retry_after_s": retry_after_s}


class Talk(Protocol):
    """One call in one protocol."""

    notes: Notes

    @property
    def opening(self) -> str:
        """The first message."""
        ...

    @property
    def closing(self) -> str:
        """The last one."""
        ...

    @property
    def may_speak(self) -> bool:
        """Whether audio may be sent."""
        ...

    def take(self, text: str, arrived_s: float, sent_s: list[float]) -> None:
        """A message of the server; ``sent_s`` says when each audio message left."""
        ...

    def closed(self, close_code: int | None) -> None:
        """The connection is gone."""
        ...


class NativeTalk:
    """The native protocol: both channels, events back, the account of the audio at the end."""

    closing: Final = '{"type":"stop"}'

    def __init__(self, call_id: str) -> None:
        self.notes = Notes()
        self.opening = json.dumps(
            {
                "type": "start",
                "version": 1,
                "call_id": call_id,
                "media": {
                    "encoding": "mulaw",
                    "sample_rate_hz": SAMPLE_RATE_HZ,
                    "channels": ["customer", "agent"],
                },
                "language": "ko",
                "events": True,
            }
        )
        self._partial_of = ""

    @property
    def may_speak(self) -> bool:
        """Once the call is taken."""
        return self.notes.is_taken

    def take(self, text: str, arrived_s: float, sent_s: list[float]) -> None:
        """See ``Talk``."""
        del sent_s
        notes = self.notes
        message = json.loads(text)
        kind = message["type"]
        if kind == "partial_hypothesis":
            notes.partials += 1
            if message["utterance_id"] != self._partial_of:
                self._partial_of = message["utterance_id"]
                self._keep(message | {"type": "first_partial"}, arrived_s)
        elif kind in _EVENTS_OF_INTEREST:
            self._keep(message, arrived_s)
        elif kind == "started":
            notes.is_taken = True
        elif kind == "stopped":
            notes.ledger = message["ledger"]
            notes.is_finished = True
        elif kind == "events_dropped":
            notes.dropped_events += message["count"]
        elif kind == "error":
            _take_error(notes, message)

    def closed(self, close_code: int | None) -> None:
        """See ``Talk``."""
        _take_close(self.notes, close_code)

    def _keep(self, message: dict[str, Any], arrived_s: float) -> None:
        kept = {key: message[key] for key in _KEPT if key in message}
        self.notes.events.append(kept | {"arrived_s": arrived_s})


class VoskTalk:
    """The vosk-server protocol: one channel, every audio message answered by one text.

    A final's ``utterance_id`` is its number; ``word_ends_ms`` are the ends of its words and
    ``replied_ms`` the end of the audio message that it answers. What ``eof`` brings out has the
    cause ``call_end``.
    """

    opening: Final = json.dumps({"config": {"sample_rate": SAMPLE_RATE_HZ, "words": True}})
    closing: Final = '{"eof" : 1}'
    may_speak: Final = True

    def __init__(self) -> None:
        self.notes = Notes()
        self._replies = 0
        self._finals = 0
        self._partial = ""
        self._has_partial = False

    def take(self, text: str, arrived_s: float, sent_s: list[float]) -> None:
        """See ``Talk``."""
        notes = self.notes
        self._replies += 1
        position_ms = self._replies * CHUNK_MS
        if self._replies <= len(sent_s) and self._replies % _LAG_EVERY == 0:
            notes.reply_lags_s.append((position_ms, arrived_s - sent_s[self._replies - 1]))
        # Most answers repeat the last one; they are not worth parsing.
        if text == self._partial:
            return
        message = json.loads(text)
        if "partial" in message:
            notes.is_taken = True
            self._partial = text
            if message["partial"]:
                notes.partials += 1
                if not self._has_partial:
                    self._has_partial = True
                    self._keep("first_partial", position_ms, arrived_s)
        elif "text" in message:
            notes.is_taken = True
            at_end = self._replies > len(sent_s)
            self._take_final(message, position_ms, arrived_s, at_end=at_end)
            notes.is_finished = notes.is_finished or at_end
        elif message.get("type") == "error":
            _take_error(notes, message)

    def closed(self, close_code: int | None) -> None:
        """See ``Talk``."""
        _take_close(self.notes, close_code)

    def _take_final(
        self, message: dict[str, Any], position_ms: int, arrived_s: float, *, at_end: bool
    ) -> None:
        self._partial, self._has_partial = "", False
        if not message["text"]:
            return
        ends_ms = [round(word["end"] * 1000) for word in message.get("result", ())]
        self._keep("final_hypothesis", position_ms, arrived_s)
        self.notes.events[-1] |= {
            "word_ends_ms": ends_ms or [position_ms],
            "cause": "call_end" if at_end else "endpoint",
        }
        self._finals += 1

    def _keep(self, kind: str, position_ms: int, arrived_s: float) -> None:
        self.notes.events.append(
            {
                "type": kind,
                "channel": "customer",
                "utterance_id": f"r{self._finals + 1}",
                "replied_ms": position_ms,
                "arrived_s": arrived_s,
            }
        )


def make_talk(dialect: str, call_id: str) -> Talk:
    """The talk of one call; ValueError for a protocol that is not known."""
    if dialect == NATIVE:
        return NativeTalk(call_id)
    if dialect == VOSK:
        return VoskTalk()
    raise ValueError(f"dialect {dialect!r} is not known; allowed are {NATIVE}, {VOSK}")


def _take_error(notes: Notes, message: dict[str, Any]) -> None:
    # A refusal is an answer to the opening; afterwards the same word is a call that broke.
    if message.get("recoverable") and not notes.is_taken:
        notes.refused(message["code"], message.get("retry_after_s"))
    else:
        notes.failure = message["code"]


def _take_close(notes: Notes, close_code: int | None) -> None:
    if notes.is_finished or notes.refusal or notes.failure:
        return
    if close_code == _TRY_LATER and not notes.is_taken:
        notes.refused(str(_TRY_LATER), None)
    else:
        notes.failure = f"closed with {close_code}"
