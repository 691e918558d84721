"""One channel's speech made into words, job by job. Pure: no loop, no worker, no clock of its own.

Every utterance ends in exactly one way: a final (or none, where nothing was said), or a
MediaDropped that says why it got none.
"""

from __future__ import annotations

from dataclasses import replace

from mamori.monitor.events import (
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
    SWITCHED_OFF,
    TOO_LONG,
    UNFINISHED,
)
from mamori.monitor.recognition.failures import Failures
from mamori.monitor.recognition.hypotheses import Hypotheses
from mamori.monitor.recognition.leases import Lease
from mamori.monitor.recognition.outcomes import Outcomes
from mamori.monitor.recognition.port import (
    Depth,
    Job,
    RecognitionError,
    StreamReply,
    Transcript,
    WorkerLostError,
)
from mamori.monitor.recognition.tasks import Task, Work
from mamori.monitor.recognition.utterance import Utterance


class ChannelRecogniser:
    """Takes speech, says what is to be done (``tasks``) and takes what came of it.

    What it has to say gathers in ``outbox``, in order.
    """

    def __init__(self, state: ChannelState, *, call_id: str, around: Surroundings) -> None:
        self.state = state
        self._around = around
        self._say = Hypotheses(call_id=call_id, channel=state.channel, language=state.language)
        self._outcomes = Outcomes(state, say=self._say, around=around)
        self._failures = Failures(state, self._outcomes)

    @property
    def outbox(self) -> list[JsonEvent]:
        """What is to be said, in order; whoever says it clears it."""
        return self._outcomes.outbox

    @property
    def shed_samples(self) -> int:
        """Samples taken that no final will ever speak for."""
        return self._outcomes.shed_samples

    @property
    def scope(self) -> RecognitionScope:
        """How much of this channel is put into words from now on."""
        return self.state.scope

    @scope.setter
    def scope(self, scope: RecognitionScope) -> None:
        self.state.scope = scope
        utterance = self._outcomes.open
        if utterance is not None and not self.state.wants_partials:
            utterance.live_shed = utterance.live_shed or utterance.live_wanted
            utterance.live_wanted = False
            self._outcomes.leave_idle_recogniser(utterance)

    # What comes in

    def take(self, event: SpeechEvent) -> bool:
        """The next event of the channel, in order; whether there may be something to do.

        ValueError for audio or an end without its start, and for audio that goes back in time.
        """
        if isinstance(event, SpeechStarted):
            return self._begin(event)
        utterance = self._outcomes.open
        if utterance is None or utterance.utterance_id != event.utterance_id:
            raise ValueError(f"utterance {event.utterance_id} is not open")
        if isinstance(event, SpeechAudio):
            return self._hear(utterance, event)
        self._outcomes.open = None
        self._end(utterance, event)
        return True

    def abandon(self, code: str) -> None:
        """Give up whatever has no final yet; jobs under way are not waited for."""
        self._outcomes.open = None
        self.state.reading = self.state.hearing = None
        self.state.rereads.clear()
        for utterance in tuple(self.state.queue):
            self._outcomes.give_up(utterance, code)

    def expire(self) -> None:
        """Give up what has waited too long to help anybody."""
        for utterance in self.state.overdue(self._around.now_s()):
            self._outcomes.give_up(utterance, OVERLOAD)

    def _begin(self, event: SpeechStarted) -> bool:
        unfinished, self._outcomes.open = self._outcomes.open, None
        if unfinished is not None:
            self._outcomes.give_up(unfinished, UNFINISHED)
        state = self.state
        utterance = Utterance(
            start=event,
            sample_rate_hz=state.sample_rate_hz,
            by_stream=not state.reader.is_on,
            live_wanted=state.stream.is_on and state.wants_partials,
            live_shed=state.stream.is_on and not state.wants_partials,
        )
        self._outcomes.open = utterance
        state.queue.append(utterance)
        return unfinished is not None

    def _hear(self, utterance: Utterance, event: SpeechAudio) -> bool:
        """Take the next stretch; whether there may be something to do."""
        blocks = utterance.unfed_samples // self.state.block_samples
        utterance.add(event)
        more = utterance.unfed_samples // self.state.block_samples
        if more and not blocks:
            utterance.unfed_since_s = self._around.now_s()
        if utterance.is_too_long and utterance.lost_code is None:
            self._outcomes.give_up(utterance, TOO_LONG)
        return more > blocks or event.quiet_samples > 0

    def _end(self, utterance: Utterance, event: SpeechEnded) -> None:
        state = self.state
        utterance.end = event
        utterance.ended_s = self._around.now_s()
        if utterance.live_wanted and utterance.had_live and not utterance.by_stream:
            state.stream.worked()
        if utterance.first is None:
            self._outcomes.leave(utterance)
        elif utterance.lost_code is not None:
            self._outcomes.give_up(utterance, utterance.lost_code)
        elif not state.stream.is_on and not state.reader.is_on:
            self._outcomes.give_up(utterance, SWITCHED_OFF)
        elif not state.wants_finals:
            self._outcomes.give_up(utterance, LOAD)
        elif not utterance.by_stream:
            self._outcomes.leave_idle_recogniser(utterance)
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
            self._outcomes.settle(utterance, self.state.reader.name or "", early.transcript)

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
            self.outbox.extend(self._say.reread(reread.final, reply, reread.phrases))

    def fail(self, task: Task, error: RecognitionError | WorkerLostError) -> None:
        """A job failed, or its worker was lost."""
        self._is_done(task)
        utterance = task.utterance
        if task.work is Work.REREAD:
            self.state.rereads.drop(utterance)
        elif utterance.is_settled:
            self._outcomes.leave_idle_recogniser(utterance)
        elif task.work is Work.LIVE:
            self._failures.hearing_failed(utterance, error)
        elif task.work is not Work.EARLY or isinstance(error, WorkerLostError):
            self._failures.reading_failed(utterance, error)
        # An early reading that failed is asked again when the utterance has ended.

    def worker_lost(self, worker_id: int) -> None:
        """A worker is gone: what its recognisers had heard is heard anew by another one.

        Of a job under way there the lane hears by ``fail``, before or after this; or by ``finish``,
        where the worker was lost just after it had answered.
        """
        for utterance in self.state.queue:
            if utterance.lease is not None and utterance.lease.worker_id == worker_id:
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
            self._outcomes.settle(utterance, state.stream.name or "", reply.transcript)
        elif self._wants_partial(utterance):
            self.outbox.extend(self._say.live(utterance, reply.live, state.stream.name or ""))
        self._outcomes.leave_idle_recogniser(utterance)

    def _wants_partial(self, utterance: Utterance) -> bool:
        # An utterance that broke off has no end, and yet nothing more is said of it.
        is_open = utterance.end is None and not utterance.is_settled
        return is_open and utterance.lost_code is None and self.state.wants_partials

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
            self._outcomes.settle(utterance, self.state.reader.name or "", transcript)
