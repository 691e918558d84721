"""The vosk-server protocol, so that what speaks to vosk-server can point here unchanged.

Source: alphacep/vosk-server, websocket/asr_server.py. One JSON reply to each binary message: a
final that has completed, else the latest partial. Words come from the call's own recognition, so
they trail the audio a little more than they do in vosk-server, which decodes before it replies.
"""

from __future__ import annotations

import json
import math
from collections import deque
from dataclasses import dataclass
from typing import Any, Final

from mamori.monitor.events import (
    CallEnded,
    Channel,
    FinalHypothesis,
    JsonEvent,
    PartialHypothesis,
    SpeechStarted,
    Word,
)
from mamori.telephony.codecs import MAX_SAMPLE_RATE_HZ, MIN_SAMPLE_RATE_HZ, MediaFormat
from mamori.telephony.protocols.native import failure
from mamori.telephony.protocols.port import (
    CallRequest,
    CloseSocket,
    EndCall,
    OpenCall,
    OpenedCall,
    Output,
    Send,
    TakeAudio,
)

DIALECT: Final = "vosk"
_DEFAULT_RATE_HZ: Final = 8_000  # vosk-server's own default
# A client that sends a minute of audio a message leaves a few finals waiting; beyond this many the
# newest grow together, so nothing is lost and the memory holds only text.
_MAX_WAITING: Final = 64
_JSON_DEPTH_ERRORS: Final = (ValueError, RecursionError)


@dataclass(frozen=True, slots=True, kw_only=True)
class VoskOptions:
    """What the address of the connection says, since the protocol has no place for it."""

    call_id: str
    resumable: bool
    channel: Channel = Channel.MIXED
    language: str | None = None


class VoskProtocol:
    """One connection; see WireProtocol for what it promises."""

    dialect = DIALECT
    wants_events = True
    # Its clients play files as fast as replies come: waiting slows them down where dropping would
    # lose their words.
    paced = True

    def __init__(self, options: VoskOptions) -> None:
        self._options = options
        self._rate_hz = _DEFAULT_RATE_HZ
        self._words = False
        self._open = False
        self._done = False
        self._partial = ""
        self._finals: deque[tuple[str, tuple[Word, ...]]] = deque()

    def receive_text(self, text: str) -> list[Output]:
        """Take one text message: config, eof or reset."""
        if self._done:
            return []
        try:
            fields = json.loads(text)
        except _JSON_DEPTH_ERRORS:
            return self.fail("not_json", "a text message must be JSON")
        if not isinstance(fields, dict) or not fields.keys() & {"config", "eof", "reset"}:
            return self.fail("bad_message", "a text message must hold config, eof or reset")
        if "config" in fields:
            return self._configure(fields["config"])
        if "reset" in fields:
            self._partial = ""
            return [Send(text=self._joined_finals())]
        self._done = True
        if self._open:
            return [EndCall()]
        return [Send(text=self._joined_finals()), CloseSocket(code=1000, reason="eof")]

    def receive_binary(self, data: bytes) -> list[Output]:
        """Take one binary message: audio, answered at once."""
        if self._done:
            return []
        outputs: list[Output] = [] if self._open else [self._opening()]
        self._open = True
        return [*outputs, TakeAudio(data=data), Send(text=self._reply())]

    def call_opened(self, opened: OpenedCall) -> list[Output]:
        """The protocol has no word for it."""
        del opened
        return []

    def call_event(self, event: JsonEvent) -> list[Output]:
        """Keep what the next reply may say."""
        if isinstance(event, PartialHypothesis):
            self._partial = event.text
        elif isinstance(event, SpeechStarted):
            self._partial = ""
        elif isinstance(event, FinalHypothesis):
            self._partial = ""
            self._finals.append((event.text, event.words or (_whole(event),)))
            if len(self._finals) > _MAX_WAITING:
                newest, before = self._finals.pop(), self._finals.pop()
                self._finals.append(_join([before, newest]))
        return []

    def call_ended(self, ended: CallEnded, *, odd_bytes: int) -> list[Output]:
        """All that was not yet told becomes one final."""
        del ended, odd_bytes
        self._done = True
        return [Send(text=self._joined_finals()), CloseSocket(code=1000, reason="eof")]

    def fail(
        self,
        code: str,
        message: str,
        *,
        detail: str | None = None,
        retry_after_s: int | None = None,
    ) -> list[Output]:
        """End the connection with an error."""
        self._done = True
        return failure(code, message, detail=detail, retry_after_s=retry_after_s)

    def _configure(self, config: object) -> list[Output]:
        if not isinstance(config, dict):
            return self.fail("bad_message", "config must be a JSON object")
        self._words = bool(config.get("words", self._words))
        rate_hz = _rate_hz(config.get("sample_rate", self._rate_hz))
        if rate_hz is None:
            return self.fail(
                "bad_sample_rate",
                f"sample_rate must be a number in [{MIN_SAMPLE_RATE_HZ}, {MAX_SAMPLE_RATE_HZ}]",
            )
        self._rate_hz = rate_hz
        return []

    def _opening(self) -> OpenCall:
        options = self._options
        media = MediaFormat(
            encoding="pcm_s16le", sample_rate_hz=self._rate_hz, channels=(options.channel,)
        )
        return OpenCall(
            request=CallRequest(
                call_id=options.call_id,
                resumable=options.resumable,
                dialect=DIALECT,
                media=media,
                language=options.language,
            )
        )

    def _reply(self) -> str:
        if self._finals:
            return self._final(*self._finals.popleft())
        return _json({"partial": self._partial})

    def _joined_finals(self) -> str:
        waiting = list(self._finals)
        self._finals.clear()
        return self._final(*_join(waiting))

    def _final(self, text: str, words: tuple[Word, ...]) -> str:
        if not (self._words and words):
            return _json({"text": text})
        result = [
            {
                # Clients read conf unasked; vosk-server's own value for certainty stands in.
                "conf": 1.0 if word.confidence is None else word.confidence,
                "end": word.end_ms / 1000,
                "start": word.start_ms / 1000,
                "word": word.text,
            }
            for word in words
        ]
        return _json({"result": result, "text": text})


def _join(finals: list[tuple[str, tuple[Word, ...]]]) -> tuple[str, tuple[Word, ...]]:
    text = " ".join(text for text, _ in finals if text)
    return text, tuple(word for _, words in finals for word in words)


def _rate_hz(value: object) -> int | None:
    """The rate in a config, which clients write as a number or as text; None if it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    if not math.isfinite(number) or not MIN_SAMPLE_RATE_HZ <= number <= MAX_SAMPLE_RATE_HZ:
        return None
    return round(number)


def _json(fields: dict[str, Any]) -> str:
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":"))


def _whole(event: FinalHypothesis) -> Word:
    """The utterance as one word, for clients that read ``result`` whatever the engine gives."""
    return Word(
        text=event.text,
        start_ms=event.offset_ms,
        end_ms=event.end_offset_ms,
        confidence=event.confidence,
    )
