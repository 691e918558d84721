"""What follows when an engine refuses an utterance, or a worker is lost over it. Pure."""

from __future__ import annotations

from mamori.monitor.recognition.channel import ChannelState
from mamori.monitor.recognition.codes import QUARANTINED, SWITCHED_OFF
from mamori.monitor.recognition.outcomes import Outcomes
from mamori.monitor.recognition.port import RecognitionError, WorkerLostError
from mamori.monitor.recognition.strikes import STRIKES
from mamori.monitor.recognition.utterance import Utterance

Failure = RecognitionError | WorkerLostError


class Failures:
    """Tries an utterance again, has the other engine read it, or gives it up.

    A lost worker speaks against the utterance, not against the engine: after three of them the
    utterance is left alone by that engine. An engine that refuses three utterances in a row, or
    says that it cannot recover, is not asked again on this channel.
    """

    def __init__(self, state: ChannelState, outcomes: Outcomes) -> None:
        self._state = state
        self._outcomes = outcomes
        self._told_off = False

    def reading_failed(self, utterance: Utterance, error: Failure) -> None:
        """The utterance engine failed, or its worker was lost; the utterance is not settled."""
        state = self._state
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
            self._outcomes.give_up(utterance, _cause(error))
        self._switch_over(utterance)

    def hearing_failed(self, utterance: Utterance, error: Failure) -> None:
        """The stream engine failed, or its worker was lost; the utterance is not settled."""
        state = self._state
        self._outcomes.release(utterance)
        if isinstance(error, WorkerLostError):
            utterance.live_crashes += 1
            self._tell(utterance, error, "the worker is replaced")
            if utterance.live_crashes < STRIKES:
                return
        else:
            self._tell(utterance, error, state.stream.failed(error))
        utterance.live_wanted = False
        if utterance.by_stream:
            self._outcomes.give_up(utterance, _cause(error))
        self._switch_over(utterance)

    def _switch_over(self, failed: Utterance) -> None:
        """Where an engine is off the other one reads what waits; where both are, nobody does."""
        state = self._state
        if state.stream.is_on and state.reader.is_on:
            return
        if not state.reader.is_on:
            state.rereads.clear()
        if not state.stream.is_on and not state.reader.is_on:
            self._stop(failed)
            return
        for utterance in tuple(state.queue):
            utterance.by_stream = state.stream.is_on
            utterance.live_wanted = utterance.live_wanted and state.stream.is_on
            self._outcomes.leave_idle_recogniser(utterance)
            crashes = utterance.live_crashes if utterance.by_stream else utterance.crashes
            if crashes >= STRIKES:
                self._outcomes.give_up(utterance, QUARANTINED)

    def _stop(self, failed: Utterance) -> None:
        """No engine is left; said once."""
        if not self._told_off:
            self._told_off = True
            self._outcomes.outbox.append(self._outcomes.say.stopped(failed))
        for utterance in tuple(self._state.queue):
            self._outcomes.give_up(utterance, SWITCHED_OFF)

    def _tell(self, utterance: Utterance, error: Failure, detail: str) -> None:
        self._outcomes.outbox.append(self._outcomes.say.failure(utterance, error.code, detail))


def _cause(error: Failure) -> str:
    """Why an utterance is given up: after three lost workers, whatever became of them."""
    return QUARANTINED if isinstance(error, WorkerLostError) else error.code
