"""One engine reads one set over one line, utterance by utterance as a node would ask it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from tools.measure.bands import Band
from tools.measure.listening import Ears, ears
from tools.measure.material import Material, Recording
from tools.measure.sessions import started
from tools.measure.spotting import PhraseList

from mamori.monitor.app.replay import frames
from mamori.monitor.events import Channel, Pcm, SpeechAudio, SpeechEnded
from mamori.monitor.recognition.port import LOW_CONFIDENCE, RecognitionError, Transcript
from mamori.monitor.speech import ChannelSpeech, SpeechConfig


class Ask(Protocol):
    """One utterance at the line's rate to an engine; ``phrases`` are what it may hold.

    ``voice`` names whose it is: an engine may adapt to a voice and must not carry it further.
    """

    def __call__(self, pcm: Pcm, *, voice: str, phrases: Sequence[str] = ()) -> Transcript:
        """What was said."""
        ...


@dataclass(slots=True, kw_only=True)
class Heard:
    """What was made of one recording; seconds of processor time and of the utterances' audio.

    ``found`` are the listed phrases in the first readings, ``found_again`` those that a second one
    added, ``lured`` those added where nothing but phrases that nobody said was shown.
    """

    recording: Recording
    transcripts: list[Transcript] = field(default_factory=list)
    found: set[str] = field(default_factory=set)
    found_again: set[str] = field(default_factory=set)
    lured: set[str] = field(default_factory=set)
    read_again: int = 0
    was_tempted: bool = False
    cpu_s: float = 0.0
    again_cpu_s: float = 0.0
    audio_s: float = 0.0

    @property
    def text(self) -> str:
        """The words of all utterances."""
        return " ".join(each.text for each in self.transcripts if each.text)

    @property
    def has_words(self) -> bool:
        """Whether any utterance gave words."""
        return any(each.text for each in self.transcripts)

    @property
    def has_sure_words(self) -> bool:
        """Whether any utterance gave words that are not marked as unsure."""
        return any(each.text and LOW_CONFIDENCE not in each.marks for each in self.transcripts)

    @property
    def is_marked(self) -> bool:
        """Whether anything says that words are doubtful or may be missing."""
        return any(each.marks for each in self.transcripts)

    @property
    def is_lost(self) -> bool:
        """Whether there is neither a word nor a mark."""
        return not self.has_words and not self.is_marked


def utterances(pcm: Pcm, language: str, rate_hz: int) -> list[Pcm]:
    """The audio of each utterance of a channel, cut as a node cuts it."""
    call = started((Channel.CUSTOMER,), language, rate_hz)
    speech = ChannelSpeech(
        SpeechConfig(),
        call_id=call.call_id,
        channel=Channel.CUSTOMER,
        sample_rate_hz=rate_hz,
    )
    events = [event for frame in frames(call, [pcm]) for event in speech.feed(frame)]
    found: list[Pcm] = []
    pieces: list[Pcm] = []
    for event in [*events, *speech.flush()]:
        if isinstance(event, SpeechAudio):
            pieces.append(event.pcm)
        elif isinstance(event, SpeechEnded) and pieces:
            found.append(np.concatenate(pieces))
            pieces = []
    return found


def read(
    material: Material,
    line: Band,
    ask: Ask,
    phrases: PhraseList | None,
    *,
    reads_again: bool = True,
    tempts: bool = True,
    cpu_s: Callable[[], float] = time.process_time,
) -> list[Heard]:
    """Every recording of ``material`` for its words and, with ``phrases``, for those.

    As a node does it, an utterance that nearly holds phrases is read again with those in mind;
    ``reads_again`` is False for an engine that cannot be shown any. With ``tempts`` it is also read
    with those alone that nobody said, which tempts the engine more than a node would.
    """
    reader = _Reader(ask, ears(phrases) if phrases else None, reads_again, tempts, cpu_s)
    found = []
    for recording in material.recordings:
        pcm = recording.carried(line, levelled=material.levelled)
        heard = Heard(recording=recording)
        for utterance in utterances(pcm, material.language, line.rate_hz):
            heard.audio_s += len(utterance) / line.rate_hz
            reader.hear(utterance, heard)
        found.append(heard)
    return found


@dataclass(frozen=True, slots=True)
class _Reader:
    ask: Ask
    ears: Ears | None
    reads_again: bool
    tempts: bool
    clock_s: Callable[[], float]

    def hear(self, utterance: Pcm, heard: Heard) -> None:
        transcript, cpu_s = self._asked(utterance, heard)
        heard.cpu_s += cpu_s
        heard.transcripts.append(transcript)
        if self.ears is None or not transcript.text:
            return
        heard.found |= self.ears.listed.found(transcript.text)
        if self.reads_again:
            self._hear_again(utterance, transcript.text, heard, self.ears)

    def _hear_again(self, utterance: Pcm, first: str, heard: Heard, ears_: Ears) -> None:
        near = ears_.listed.candidates(first)
        tempting = ears_.lures.candidates(first) if self.tempts else ()
        second = ""
        if near:
            transcript, cpu_s = self._asked(utterance, heard, near)
            second = transcript.text
            heard.read_again += 1
            heard.again_cpu_s += cpu_s
            heard.found_again |= ears_.listed.found_again(second, first=first, shown=near)
        if self.tempts:
            heard.was_tempted = True
        if tempting:
            if tempting != near:
                second = self._asked(utterance, heard, tempting)[0].text
            heard.lured |= ears_.lures.found_again(second, first=first, shown=tempting)

    def _asked(
        self, utterance: Pcm, heard: Heard, phrases: Sequence[str] = ()
    ) -> tuple[Transcript, float]:
        began_s = self.clock_s()
        try:
            reply = self.ask(utterance, voice=heard.recording.name, phrases=phrases)
        except RecognitionError as error:
            # A node says of such an utterance that it was given up, and why.
            reply = Transcript(text="", marks=(error.code,))
        return reply, self.clock_s() - began_s
