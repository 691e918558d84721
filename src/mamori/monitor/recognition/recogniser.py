"""One channel's speech made into words, job by job. Pure: no loop, no worker, no clock of its own.

Every utterance ends in exactly one way: a final (or none, where nothing was said), or a
MediaDropped that says why it got none.
"""

from __future__ import annotations

from dataclasses import replace

from mamori.monitor.events import (
    Channel,
    JsonEvent,
    RecognitionScope,
    SpeechAudio,
    SpeechEnded,
    SpeechEvent,
    SpeechStarted,
)
from mamori.monitor.recognition.channel import ChannelState, Surroundings
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
from mamori.monitor.recognition.strikes import STRIKES
from mamori.monitor.recognition.tasks import Task, Work
from mamori.monitor.recognition.utterance import Utterance


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
            self._leave_idle_recogniser(self._open)

    # What comes in

    def take(self, event: SpeechEvent) -> bool:
        """The next event of the channel, in order; whether there may be something to do.

        ValueError for audio or an end without its start.
        """
        if isinstance(event, SpeechStarted):
            return self._begin(event)
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

    def _begin(self, event: SpeechStarted) -> bool:
        unfinished, self._open = self._open, None
        if unfinished is not None:
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
        return unfinished is not None

    def _hear(self, utterance: Utterance, event: SpeechAudio) -> bool:
        """Take the next stretch; whether there may be something to do."""
        blocks = utterance.unfed_samples // self.state.block_samples
        utterance.add(event)
        more = utterance.unfed_samples // self.state.block_samples
        if more and not blocks:
            utterance.unfed_since_s = self._around.now_s()
        if utterance.is_too_long and utterance.lost_code is None:
            self._give_up(utterance, TOO_LONG)
        return more > blocks or event.quiet_samples > 0

    def _end(self, utterance: Utterance, event: SpeechEnded) -> None:
        state = self.state
        utterance.end = event
        utterance.ended_s = self._around.now_s()
        if utterance.live_wanted and utterance.had_live and not utterance.by_stream:
            state.stream.worked()
        if utterance.first is None:
            self._leave(utterance)
        elif utterance.lost_code is not None:
            self._give_up(utterance, utterance.lost_code)
        elif not state.stream.is_on and not state.reader.is_on:
            self._give_up(utterance, SWITCHED_OFF)
        elif not state.wants_finals:
            self._give_up(utterance, LOAD)
        elif not utterance.by_stream:
            self._leave_idle_recogniser(utterance)
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
        elif task.work is not Work.REREAD:
            self._read(task, reply)
        elif (reread := self.state.rereads.take(task.utterance)) is not None:
            self.outbox += self._say.reread(reread.final, reply, reread.phrases)

    def fail(self, task: Task, error: RecognitionError | WorkerLostError) -> None:
        """A job failed, or its worker was lost."""
        self._is_done(task)
        utterance = task.utterance
        if task.work is Work.REREAD:
            self.state.rereads.take(utterance)
        elif utterance.is_settled:
            self._leave_idle_recogniser(utterance)
        elif task.work is Work.LIVE:
            self._hearing_failed(utterance, error)
        elif task.work is not Work.EARLY or isinstance(error, WorkerLostError):
            self._reading_failed(utterance, error)
        # An early reading that failed is asked again when the utterance has ended.

    def worker_lost(self, worker_id: int) -> None:
        """A worker is gone: what its recognisers had heard is heard anew by another one.

        Of a job under way there the lane hears by ``fail``, before or after this.
        """
        hearing = self.state.hearing.utterance if self.state.hearing else None
        for utterance in self.state.queue:
            lease = utterance.lease
            if lease is not None and lease.worker_id == worker_id and utterance is not hearing:
                utterance.let_go()

    def _is_done(self, task: Task) -> None:
        if task is self.state.reading:
            self.state.reading = None
        if task is self.state.hearing:
            self.state.hearing = None

    def _heard(self, utterance: Utterance, reply: StreamReply) -> None:
        state = self.state
        if reply.transcript is not None and not utterance.is_settled:
            state.stream.worked()
            self._settle(utterance, state.stream.name or "", reply.transcript)
        elif utterance.end is None and utterance.lost_code is None and state.wants_partials:
            self.outbox += self._say.live(utterance, reply.live, state.stream.name or "")
        self._leave_idle_recogniser(utterance)

    def _read(self, task: Task, transcript: Transcript) -> None:
        utterance = task.utterance
        if utterance.is_settled:
            return
        self.state.reader.worked()
        early = utterance.early
        if task.work is Work.EARLY and utterance.end is None:
            if early is not None:
                utterance.early = replace(early, transcript=transcript)
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
            self.state.rereads.want(final, utterance, phrases, self._around.now_s())

    # What goes wrong

    def _reading_failed(
        self, utterance: Utterance, error: RecognitionError | WorkerLostError
    ) -> None:
        state = self.state
        utterance.early = None
        if isinstance(error, WorkerLostError):
            utterance.crashes += 1
            self._tell(utterance, error, "the worker is replaced")
            if utterance.crashes < STRIKES:
                return
        else:
            self._tell(utterance, error, state.reader.failed(error))
        if state.stream.is_on and utterance.live_crashes < STRIKES:
            utterance.by_stream = True
        else:
            self._give_up(utterance, _cause(error))
        self._switch_over()

    def _hearing_failed(
        self, utterance: Utterance, error: RecognitionError | WorkerLostError
    ) -> None:
        state = self.state
        self._release(utterance)
        if isinstance(error, WorkerLostError):
            utterance.live_crashes += 1
            self._tell(utterance, error, "the worker is replaced")
            if utterance.live_crashes < STRIKES:
                return
        else:
            self._tell(utterance, error, state.stream.failed(error))
        utterance.live_wanted = False
        if utterance.by_stream:
            self._give_up(utterance, _cause(error))
        self._switch_over()

    def _switch_over(self) -> None:
        """Where an engine is off the other one reads what waits; where both are, nobody does."""
        state = self.state
        if state.stream.is_on and state.reader.is_on:
            return
        if not state.reader.is_on:
            state.rereads.clear()
        if not state.stream.is_on and not state.reader.is_on:
            self._stop()
            return
        for utterance in tuple(state.queue):
            utterance.by_stream = state.stream.is_on
            utterance.live_wanted = utterance.live_wanted and state.stream.is_on
            self._leave_idle_recogniser(utterance)
            crashes = utterance.live_crashes if utterance.by_stream else utterance.crashes
            if crashes >= STRIKES:
                self._give_up(utterance, QUARANTINED)

    def _stop(self) -> None:
        """No engine is left; said once."""
        queue = self.state.queue
        if not self._told_off:
            self._told_off = True
            at_ms = queue[-1].start.offset_ms if queue else 0
            self.outbox.append(self._say.stopped(at_ms))
        for utterance in tuple(queue):
            if utterance.end is not None:
                self._give_up(utterance, SWITCHED_OFF)

    def _tell(
        self, utterance: Utterance, error: RecognitionError | WorkerLostError, detail: str
    ) -> None:
        self.outbox.append(self._say.failure(utterance, error.code, detail))

    # Accounts

    def _give_up(self, utterance: Utterance, code: str) -> None:
        """The utterance gets no final; one that is still open says so at its end."""
        code = utterance.lost_code or code
        if utterance is self._open:
            utterance.lost_code = code
            self._leave_idle_recogniser(utterance)
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
        self._leave_idle_recogniser(utterance)

    def _leave_idle_recogniser(self, utterance: Utterance) -> None:
        """Give back the recogniser that has no more to do for it; while it works, when it ends."""
        hearing = self.state.hearing
        is_at_work = hearing is not None and hearing.utterance is utterance
        if not is_at_work and not self.state.is_to_be_heard(utterance):
            self._release(utterance)

    def _release(self, utterance: Utterance) -> None:
        lease = utterance.let_go()
        if lease is not None:
            self._around.give_back(lease, self.state.voice)


def _cause(error: RecognitionError | WorkerLostError) -> str:
    """Why an utterance is given up: after three lost workers, whatever became of them."""
    return QUARANTINED if isinstance(error, WorkerLostError) else error.code
