"""The recognisers of a stream engine in one worker: lent by slot, warm, bounded in memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from mamori.monitor.events import Pcm
from mamori.monitor.recognition.port import (
    LiveText,
    StreamDecoder,
    StreamEngine,
    StreamJob,
    StreamReply,
)

BLOCK_MS: Final = 200
"""A recogniser hears this much at a time, so that its text does not depend on how audio came."""
# A recogniser that has heard less has not grown much: 70 to 115 MB after 30 s of speech.
_GROWN_S: Final = 60.0


@dataclass(slots=True)
class _Slot:
    kind: tuple[str, int]
    decoder: StreamDecoder
    voice: str | None = None
    is_open: bool = False
    heard_s: float = 0.0


class StreamSlots:
    """Does StreamJobs, for one thread.

    Past ``memory_cap_bytes`` of ``memory_bytes()`` a recogniser that has grown is replaced at the
    beginning of its next utterance; ``on_replaced`` hears of it, when its memory is free.
    """

    def __init__(
        self,
        engine: StreamEngine,
        *,
        memory_cap_bytes: int,
        memory_bytes: Callable[[], int],
        on_replaced: Callable[[], None] = lambda: None,
    ) -> None:
        self._engine = engine
        self._memory_cap_bytes = memory_cap_bytes
        self._memory_bytes = memory_bytes
        self._on_replaced = on_replaced
        self._slots: dict[int, _Slot] = {}
        self._warm: dict[tuple[str, int], list[StreamDecoder]] = {}

    def warm(self, language: str, speech: Pcm, *, sample_rate_hz: int, recognisers: int) -> None:
        """Open so many recognisers and let each hear ``speech``, before anybody waits for one.

        A recogniser expands its graph while it hears, which takes longer than all the rest.
        RecognitionError as the engine raises it.
        """
        ready = self._warm.setdefault((language, sample_rate_hz), [])
        for _ in range(recognisers):
            decoder = self._engine.open_decoder(language=language, sample_rate_hz=sample_rate_hz)
            _hear(decoder, speech, sample_rate_hz)
            decoder.forget()
            ready.append(decoder)

    def do(self, job: StreamJob) -> StreamReply:
        """Do a job; RecognitionError as the engine raises it."""
        slot = self._slot(job)
        if job.begins:
            slot = self._begin(job, slot)
        slot.is_open = True
        live = _hear(slot.decoder, job.pcm, job.sample_rate_hz)
        slot.heard_s += len(job.pcm) / job.sample_rate_hz
        if not job.finishes:
            return StreamReply(live=live)
        slot.is_open = False
        return StreamReply(live=live, transcript=slot.decoder.finish())

    def _slot(self, job: StreamJob) -> _Slot:
        kind = (job.language, job.sample_rate_hz)
        slot = self._slots.get(job.slot)
        if slot is not None and slot.kind == kind:
            return slot
        if slot is not None:
            self._close(job.slot)
        ready = self._warm.get(kind)
        decoder = ready.pop() if ready else self._open(kind)
        slot = self._slots[job.slot] = _Slot(kind, decoder)
        return slot

    def _begin(self, job: StreamJob, slot: _Slot) -> _Slot:
        if slot.heard_s >= _GROWN_S and self._memory_bytes() > self._memory_cap_bytes:
            self._close(job.slot)
            self._on_replaced()
            slot = self._slots[job.slot] = _Slot(slot.kind, self._open(slot.kind))
        elif slot.voice not in {None, job.voice}:
            slot.decoder.forget()
        elif slot.is_open:
            slot.decoder.drop()
        slot.voice = job.voice
        return slot

    def _close(self, slot: int) -> None:
        # Out of the table first: if the next one does not open, nobody is lent a closed one.
        self._slots.pop(slot).decoder.close()

    def _open(self, kind: tuple[str, int]) -> StreamDecoder:
        return self._engine.open_decoder(language=kind[0], sample_rate_hz=kind[1])


def _hear(decoder: StreamDecoder, pcm: Pcm, sample_rate_hz: int) -> LiveText:
    block = BLOCK_MS * sample_rate_hz // 1000
    live = LiveText(text="")
    # At least once: a job without audio asks what was heard so far.
    for start in range(0, max(len(pcm), 1), block):
        live = decoder.accept(pcm[start : start + block])
    return live
