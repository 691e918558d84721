"""One engine reads one set over one line, utterance by utterance as a node would ask it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from tools.measure.bands import Band
from tools.measure.material import Material, Recording
from tools.measure.sessions import started
from tools.measure.spotting import PhraseList, candidates

from mamori.monitor.app.replay import frames
from mamori.monitor.events import Channel, Pcm, SpeechAudio, SpeechEnded
from mamori.monitor.recognition.port import LOW_CONFIDENCE, Transcript
from mamori.monitor.speech import ChannelSpeech, SpeechConfig


class Ask(Protocol):
    """One utterance at the line's rate to an engine; ``phrases`` are what it may hold.

    ``voice`` names whose it is: an engine may adapt to a voice and must not carry it further.
    """

    def __call__(self, pcm: Pcm, *, voice: str, phrases: Sequence[str] = ()) -> Transcript:
        """What was said."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondReading:
    """An utterance read once more with ``phrases`` in mind."""

    phrases: tuple[str, ...]
    text: str


@dataclass(slots=True, kw_only=True)
class Heard:
    """What was made of one recording; seconds of processor time and of the utterances' audio."""

    recording: Recording
    transcripts: list[Transcript] = field(default_factory=list)
    again: list[SecondReading] = field(default_factory=list)
    read_again: int = 0
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
    cpu_s: Callable[[], float] = time.process_time,
) -> list[Heard]:
    """Every recording of ``material``, once for its words and, with ``phrases``, once more.

    An utterance that nearly holds phrases is read again with those in mind; where it nearly holds
    phrases that were not said, also with those alone, which tempts the engine most. The first
    recording is read once beforehand: what an engine sets up at first is no cost of reading.
    """
    _hear(material.recordings[0], material, line, ask, None, cpu_s)
    return [
        _hear(recording, material, line, ask, phrases, cpu_s) for recording in material.recordings
    ]


def _hear(
    recording: Recording,
    material: Material,
    line: Band,
    ask: Ask,
    phrases: PhraseList | None,
    cpu_s: Callable[[], float],
) -> Heard:
    heard = Heard(recording=recording)
    pcm = recording.carried(line, levelled=material.levelled)
    unsaid: tuple[str, ...] = ()
    if phrases is not None:
        said = phrases.said_in(recording.text)
        unsaid = tuple(each for each in phrases.all if each not in said)
    for utterance in utterances(pcm, material.language, line.rate_hz):
        began_s = cpu_s()
        transcript = ask(utterance, voice=recording.name)
        heard.cpu_s += cpu_s() - began_s
        heard.audio_s += len(utterance) / line.rate_hz
        heard.transcripts.append(transcript)
        if phrases is None or not transcript.text:
            continue
        near = candidates(phrases.all, transcript.text, material.language)
        tempting = candidates(unsaid, transcript.text, material.language)
        heard.read_again += bool(near)
        for shown in dict.fromkeys((near, tempting)):
            if shown:
                began_s = cpu_s()
                again = ask(utterance, voice=recording.name, phrases=shown)
                if shown == near:
                    heard.again_cpu_s += cpu_s() - began_s
                heard.again.append(SecondReading(phrases=shown, text=again.text))
    return heard
