"""How the utterances of one channel end, each in exactly one way, and what is said of it. Pure."""

from __future__ import annotations

from mamori.monitor.events import Channel, JsonEvent
from mamori.monitor.recognition.channel import ChannelState, Surroundings
from mamori.monitor.recognition.codes import LOAD
from mamori.monitor.recognition.hypotheses import Hypotheses
from mamori.monitor.recognition.port import Transcript
from mamori.monitor.recognition.utterance import Utterance


class Outcomes:
    """Settles utterances and gives them up; gives their recognisers back.

    ``open`` is the utterance that has no end yet. What is to be said gathers in ``outbox``;
    ``shed_samples`` counts audio that no final will ever speak for.
    """

    def __init__(self, state: ChannelState, *, say: Hypotheses, around: Surroundings) -> None:
        self.say = say
        self.outbox: list[JsonEvent] = []
        self.shed_samples = 0
        self.open: Utterance | None = None
        self._state = state
        self._around = around

    def settle(self, utterance: Utterance, engine: str, transcript: Transcript) -> None:
        """It was read: a final, or none where nothing was said."""
        self.leave(utterance)
        state = self._state
        # A recording is read faster than it was spoken: what got no partials was not given up.
        if not state.config.offline and utterance.got_no_partials(state.block_samples):
            self._drop(utterance, LOAD, live=True)
        if not transcript.text:
            return
        final = self.say.final(utterance, engine, transcript)
        self.outbox.append(final)
        if utterance.by_stream or state.channel is Channel.AGENT:
            return
        phrases = tuple(self._around.candidates(final.text, state.language))
        if phrases:
            state.rereads.want(final, utterance, phrases, self._around.now_s())

    def give_up(self, utterance: Utterance, code: str) -> None:
        """It gets no final; one that is still open says so at its end."""
        code = utterance.lost_code or code
        if utterance is self.open:
            utterance.lost_code = code
            self.leave_idle_recogniser(utterance)
            return
        self.leave(utterance)
        self._drop(utterance, code)

    def leave(self, utterance: Utterance) -> None:
        """Nothing more is done for it."""
        utterance.is_settled = True
        self._state.queue.remove(utterance)
        self.leave_idle_recogniser(utterance)

    def leave_idle_recogniser(self, utterance: Utterance) -> None:
        """Give back the recogniser that has no more to do for it; while it works, when it ends."""
        hearing = self._state.hearing
        is_at_work = hearing is not None and hearing.utterance is utterance
        if not is_at_work and not self._state.is_to_be_heard(utterance):
            self.release(utterance)

    def release(self, utterance: Utterance) -> None:
        """Give its recogniser back, whatever it has to do: another one hears it anew."""
        lease = utterance.let_go()
        if lease is not None:
            self._around.give_back(lease, self._state.voice)

    def _drop(self, utterance: Utterance, code: str, *, live: bool = False) -> None:
        dropped = utterance.dropped(code, "live_words" if live else "recognition")
        if dropped is not None:
            self.shed_samples += 0 if live else dropped.duration_samples
            self.outbox.append(dropped)
