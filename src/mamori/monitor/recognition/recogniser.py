"""One channel's speech made into words, job by job. Pure: no loop, no worker, no clock of its own.

Every utterance ends in exactly one way: a final (or none, where nothing was said), or a
MediaDropped that says why it got none.
"""

from __future__ import annotations

from typing import Final

from mamori.monitor.events import (
    Channel,
    JsonEvent,
    RecognitionScope,
    SpeechAudio,
    SpeechEnded,
    SpeechEvent,
    SpeechStarted,
)
from mamori.monitor.recognition.channel import STRIKES, ChannelState, Reread, Surroundings
from mamori.monitor.recognition.codes import (
    LOAD,
    OVERLOAD,
    QUARANTINED,
    SWITCHED_OFF,
    TOO_LONG,
    UNFINISHED,
)
from mamori.monitor.recognition.hypotheses import Hypotheses
from mamori.monitor.recognition.leases import Lease
from mamori.monitor.recognition.port import (
    Depth,
    Job,
    RecognitionError,
    StreamReply,
    Transcript,
    WorkerLostError,
)
from mamori.monitor.recognition.tasks import Task, Work
from mamori.monitor.recognition.utterance import EarlyReading, Utterance

_MOST_REREADS: Final = 4


class ChannelRecogniser:
    """Takes speech, says what is to be done (``tasks``) and takes what came of it.

    What it has to say gathers in ``outbox``, in order.
    """

    def __init__(self, state: ChannelState, *, call_id: str, around: Surroundings) -> None:
        self.state = state
        self.outbox: list[JsonEvent] = []
        self.shed_samples = 0
        """Samples taken that no final will ever speak for."""
        self._around = around
        self._say = Hypotheses(call_id=call_id, channel=state.channel, language=state.language)
        self._open: Utterance | None = None
        self._told_off = False

    @property
    def scope(self) -> RecognitionScope:
        """How much of this channel is put into words from now on."""
        return self.state.scope

    @scope.setter
    def scope(self, scope: RecognitionScope) -> None:
        self.state.scope = scope
        if self._open is not None and not self.state.wants_partials:
            self._open.live_shed = self._open.live_shed or self._open.live_wanted
            self._open.live_wanted = False
            if not self._open.by_stream:
                self._end_live(self._open)

    # What comes in

    def take(self, event: SpeechEvent) -> bool:
        """The next event of the channel, in order; whether there may be something to do.

        ValueError for audio or an end without its start.
        """
        if isinstance(event, SpeechStarted):
            self._begin(event)
            return False
        utterance = self._open
        if utterance is None or utterance.utterance_id != event.utterance_id:
            raise ValueError(f"utterance {event.utterance_id} is not open")
        if isinstance(event, SpeechAudio):
            return self._hear(utterance, event)
        self._open = None
        self._end(utterance, event)
        return True

    def abandon(self, code: str) -> None:
        """Give up whatever has no final yet; jobs under way are not waited for."""
        self._open = None
        self.state.reading = self.state.hearing = None
        self.state.rereads.clear()
        for utterance in tuple(self.state.queue):
            self._give_up(utterance, code)

    def expire(self) -> None:
        """Give up what has waited too long to help anybody."""
        for utterance in self.state.overdue(self._around.now_s()):
            self._give_up(utterance, OVERLOAD)

    def _begin(self, event: SpeechStarted) -> None:
        if self._open is not None:
            unfinished, self._open = self._open, None
            self._give_up(unfinished, UNFINISHED)
        state = self.state
        self._open = Utterance(
            start=event,
            sample_rate_hz=state.sample_rate_hz,
            by_stream=not state.reader.is_on,
            live_wanted=state.stream.is_on and state.wants_partials,
            live_shed=state.stream.is_on and not state.wants_partials,
        )
        state.queue.append(self._open)

    def _hear(self, utterance: Utterance, event: SpeechAudio) -> bool:
        """Take the next stretch; whether there may be something to do."""
        blocks = utterance.unfed_samples // self.state.block_samples
        utterance.add(event)
        more = utterance.unfed_samples // self.state.block_samples
        if more and not blocks:
            utterance.unfed_since_s = self._around.now_s()
        if utterance.is_too_long:
            utterance.lost_code = TOO_LONG
        return more > blocks or event.quiet_samples > 0

    def _end(self, utterance: Utterance, event: SpeechEnded) -> None:
        state = self.state
        utterance.end = event
        utterance.ended_s = self._around.now_s()
        if utterance.first is None:
            self._leave(utterance)
        elif not state.stream.is_on and not state.reader.is_on:
            self._give_up(utterance, SWITCHED_OFF)
        elif utterance.lost_code is not None:
            self._give_up(utterance, utterance.lost_code)
        elif not state.wants_finals:
            self._give_up(utterance, LOAD)
        elif not utterance.by_stream:
            self._end_live(utterance)
            self._take_early(utterance)
        self.expire()

    def _take_early(self, utterance: Utterance) -> None:
        """A reading begun in the last pause holds; any other one is not waited for."""
        early = utterance.early
        if early is None:
            return
        if early.voiced_samples != utterance.voiced_samples:
            utterance.early = None
            reading = self.state.reading
            if reading is not None and reading.utterance is utterance:
                self.state.reading = None
        elif early.transcript is not None:
            self._settle(utterance, self.state.reader.name or "", early.transcript)

    # What is done

    def begin(self, task: Task, lease: Lease | None, depth: Depth) -> Job:
        """The job of one of ``tasks`` that a worker takes now; ``lease`` where it needs a slot."""
        if task.work is not Work.LIVE:
            return self.state.begin_reading(task, depth)
        held = lease or task.utterance.lease
        assert held is not None  # noqa: S101 - a task without a lease needs a slot
        return self.state.begin_hearing(task, held, self._around.now_s())

    def finish(self, task: Task, reply: Transcript | StreamReply) -> None:
        """A job ended."""
        self._is_done(task)
        if isinstance(reply, StreamReply):
            self._heard(task.utterance, reply)
        elif task.work is Work.REREAD:
            for reread in self._take_rereads(task.utterance):
                self.outbox += self._say.reread(reread.final, reply, reread.phrases)
        else:
            self._read(task, reply)

    def fail(self, task: Task, error: RecognitionError | WorkerLostError) -> None:
        """A job failed, or its worker was lost."""
        self._is_done(task)
        utterance = task.utterance
        if task.work is Work.REREAD:
            self._take_rereads(utterance)
        elif utterance.is_settled:
            self._release(utterance)
        elif task.work is Work.LIVE:
            self._hearing_failed(utterance, error)
        elif task.work is Work.EARLY and isinstance(error, RecognitionError):
            utterance.early = None  # it is asked again when the utterance has ended
        else:
            self._reading_failed(utterance, error)

    def worker_lost(self, worker_id: int) -> None:
        """A worker is gone: what its recognisers had heard is heard anew by another one."""
        hearing = self.state.hearing.utterance if self.state.hearing else None
        for utterance in self.state.queue:
            lease = utterance.lease
            if lease is not None and lease.worker_id == worker_id and utterance is not hearing:
                utterance.restart_live()

    def _is_done(self, task: Task) -> None:
        if task is self.state.reading:
            self.state.reading = None
        if task is self.state.hearing:
            self.state.hearing = None

    def _heard(self, utterance: Utterance, reply: StreamReply) -> None:
        state = self.state
        if utterance.is_settled or (utterance.end is not None and not utterance.by_stream):
            self._release(utterance)
        elif reply.transcript is not None:
            state.stream.worked()
            self._settle(utterance, state.stream.name or "", reply.transcript)
        elif state.wants_partials:
            self.outbox += self._say.live(utterance, reply.live, state.stream.name or "")

    def _read(self, task: Task, transcript: Transcript) -> None:
        utterance = task.utterance
        if utterance.is_settled:
            return
        self.state.reader.worked()
        early = utterance.early
        if task.work is Work.EARLY and utterance.end is None:
            if early is not None:
                utterance.early = EarlyReading(
                    voiced_samples=early.voiced_samples, transcript=transcript
                )
        elif task.work is Work.FINAL or early is not None:
            self._settle(utterance, self.state.reader.name or "", transcript)

    def _settle(self, utterance: Utterance, engine: str, transcript: Transcript) -> None:
        """An utterance was read; what it said, if it said anything."""
        self._leave(utterance)
        if utterance.got_no_partials(self.state.block_samples):
            self._drop(utterance, LOAD, live=True)
        if not transcript.text:
            return
        final = self._say.final(utterance, engine, transcript)
        self.outbox.append(final)
        if utterance.by_stream or self.state.channel is Channel.AGENT:
            return
        phrases = tuple(self._around.candidates(final.text, self.state.language))
        if phrases:
            rereads = self.state.rereads
            if len(rereads) == _MOST_REREADS:
                rereads.popleft()
            since_s = self._around.now_s()
            rereads.append(
                Reread(final=final, utterance=utterance, phrases=phrases, since_s=since_s)
            )

    def _take_rereads(self, utterance: Utterance) -> list[Reread]:
        taken = [each for each in self.state.rereads if each.utterance is utterance]
        for each in taken:
            self.state.rereads.remove(each)
        return taken

    # What goes wrong

    def _reading_failed(
        self, utterance: Utterance, error: RecognitionError | WorkerLostError
    ) -> None:
        state = self.state
        utterance.early = None
        if isinstance(error, WorkerLostError):
            utterance.crashes += 1
            self._failed(utterance, error.code, "the worker is replaced")
            if utterance.crashes < STRIKES:
                return
            code = QUARANTINED
        else:
            code = error.code
            self._failed(utterance, code, state.reader.failed(error))
        if state.stream.is_on and utterance.live_crashes < STRIKES:
            utterance.by_stream = True
            self._release(utterance)
            utterance.restart_live()
        else:
            self._give_up(utterance, code)
        self._switch_over()

    def _hearing_failed(
        self, utterance: Utterance, error: RecognitionError | WorkerLostError
    ) -> None:
        state = self.state
        if isinstance(error, WorkerLostError):
            utterance.live_crashes += 1
            self._failed(utterance, error.code, "the worker is replaced")
            code = QUARANTINED
        else:
            code = error.code
            self._release(utterance)
            self._failed(utterance, code, state.stream.failed(error))
        utterance.restart_live()
        if isinstance(error, WorkerLostError) and utterance.live_crashes < STRIKES:
            return
        utterance.live_wanted = False
        if utterance.by_stream:
            self._give_up(utterance, code)
        self._switch_over()

    def _switch_over(self) -> None:
        """Where an engine is off the other one reads what waits; where both are, nobody does."""
        state = self.state
        if state.stream.is_on and state.reader.is_on:
            return
        if not state.stream.is_on and not state.reader.is_on:
            if self._told_off:
                return
            self._told_off = True
            at_ms = state.queue[-1].start.offset_ms if state.queue else 0
            detail = "recognition stops on this channel"
            self.outbox.append(self._say.failure(at_ms, SWITCHED_OFF, detail, recoverable=False))
            for utterance in tuple(state.queue):
                if utterance.end is not None:
                    self._give_up(utterance, SWITCHED_OFF)
            return
        for utterance in state.queue:
            utterance.by_stream = state.stream.is_on

    def _failed(self, utterance: Utterance, code: str, detail: str) -> None:
        at_ms = utterance.on_call_clock_ms(utterance.span_samples)
        self.outbox.append(self._say.failure(at_ms, code, detail, recoverable=True))

    # Accounts

    def _give_up(self, utterance: Utterance, code: str) -> None:
        """The utterance gets no final; one that is still open says so at its end."""
        if utterance is self._open:
            utterance.lost_code = code
            self._end_live(utterance)
            return
        self._leave(utterance)
        self._drop(utterance, code)

    def _drop(self, utterance: Utterance, code: str, *, live: bool = False) -> None:
        dropped = utterance.dropped(code, "live_words" if live else "recognition")
        if dropped is not None:
            self.shed_samples += 0 if live else dropped.duration_samples
            self.outbox.append(dropped)

    def _leave(self, utterance: Utterance) -> None:
        utterance.is_settled = True
        self.state.queue.remove(utterance)
        self._end_live(utterance)

    def _end_live(self, utterance: Utterance) -> None:
        """Give the recogniser back, at once or when its job ends."""
        if self.state.hearing is None or self.state.hearing.utterance is not utterance:
            self._release(utterance)

    def _release(self, utterance: Utterance) -> None:
        lease, utterance.lease = utterance.lease, None
        if lease is not None:
            self._around.give_back(lease, self.state.voice)
