"""The calls that the bench plays: real Korean sentences with pauses, or bursts of noise.

Recordings are read where they lie, beside the repository, and never copied.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mamori.monitor.events import Pcm
from mamori.telephony.recording import read_recording

SAMPLE_RATE_HZ: Final = 8_000
SHARED_DATA: Final = Path(__file__).resolve().parent.parent.parent / "shared" / "data"
SPEECH_SETS: Final = ("ko_asr", "ko_emotion")
VOICED_FRAME_MS: Final = 10
_FRAME_SAMPLES: Final = SAMPLE_RATE_HZ * VOICED_FRAME_MS // 1000
# Every sentence at the same level, so that a change of speaker is no raised voice.
_ACTIVE_DBFS: Final = -23.0
# A quiet telephone line: loud enough that voice activity detection is really asked.
_LINE_NOISE_DBFS: Final = -55.0
# What lies this far below the loudest 10 ms of a sentence is no longer speech.
_VOICED_RANGE_DB: Final = 35.0
# The shortest pause lets the endpointer close (400 ms) and leaves a moment to breathe.
_LEAST_PAUSE_FRAMES: Final = 1200 // VOICED_FRAME_MS
# Turns of a conversation; the recordings hold read sentences of up to 12 s as well.
_LONGEST_SENTENCE_S: Final = 8.0
# The last sentence ends early enough for its utterance to close by itself.
_TAIL_S: Final = 1.5


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Clip:
    """One sentence: int16 at 8 kHz without silence at its edges; ``voiced`` per 10 ms."""

    text: str
    pcm: Pcm
    voiced: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BenchCall:
    """One call to be sent.

    For each channel ``voiced`` says per 10 ms where speech is, and ``speech_ratio`` which part of
    it sentences fill, short pauses inside them included.
    """

    customer: Pcm
    agent: Pcm
    customer_voiced: NDArray[np.bool_]
    agent_voiced: NDArray[np.bool_]
    customer_speech_ratio: float
    agent_speech_ratio: float
    sentences: int


def load_clips(shared_data: Path = SHARED_DATA) -> list[Clip]:
    """The sentences with transcripts; empty where the recordings are not there."""
    manifest = shared_data / "manifest.csv"
    if not manifest.is_file():
        return []
    with manifest.open(encoding="utf-8", newline="") as lines:
        rows = [r for r in csv.DictReader(lines) if r["set"] in SPEECH_SETS and r["text"].strip()]
    clips = [
        make_clip(
            read_recording(shared_data / row["path"], target_rate_hz=SAMPLE_RATE_HZ).channels[0],
            row["text"],
        )
        for row in rows
        if (shared_data / row["path"]).is_file()
    ]
    return [clip for clip in clips if len(clip.pcm) <= _LONGEST_SENTENCE_S * SAMPLE_RATE_HZ]


def make_clip(pcm: Pcm, text: str) -> Clip:
    """A sentence trimmed to its speech and brought to the common level."""
    frames = len(pcm) // _FRAME_SAMPLES
    samples = pcm[: frames * _FRAME_SAMPLES].astype(np.float64) / 32_768
    power = (samples.reshape(frames, _FRAME_SAMPLES) ** 2).mean(axis=1)
    voiced = power > power.max() * 10 ** (-_VOICED_RANGE_DB / 10)
    inside = np.flatnonzero(voiced)
    first, last = int(inside[0]), int(inside[-1]) + 1
    gain = 10 ** (_ACTIVE_DBFS / 20) / np.sqrt(power[voiced].mean())
    trimmed = samples[first * _FRAME_SAMPLES : last * _FRAME_SAMPLES] * gain
    return Clip(
        text=text,
        pcm=np.clip(np.rint(trimmed * 32_768), -32_768, 32_767).astype(np.int16),
        voiced=voiced[first:last],
    )


def noise_clips() -> list[Clip]:
    """Bursts of shaped noise in place of speech, 1 to 4 s long: enough to keep every stage busy."""
    random = np.random.default_rng(1)
    clips = []
    for duration_s in (1.0, 1.6, 2.2, 2.8, 3.4, 4.0):
        noise = random.standard_normal(int(duration_s * SAMPLE_RATE_HZ))
        time_s = np.arange(len(noise)) / SAMPLE_RATE_HZ
        syllables = 0.6 + 0.4 * np.sin(2 * np.pi * 4 * time_s)  # about four syllables a second
        clips.append(make_clip((noise * syllables * 3_000).astype(np.int16), ""))
    return clips


def build_call(
    clips: list[Clip],
    *,
    duration_s: float,
    seed: int,
    customer_speech_ratio: float,
    agent_speech_ratio: float,
) -> BenchCall:
    """A call of ``duration_s`` from the sentences, the same for the same seed.

    The ratios in [0, 0.9] say how much of each channel is sentences (pauses inside them included).
    """
    random = np.random.default_rng(seed)
    customer = _channel(clips, duration_s, customer_speech_ratio, random)
    agent = _channel(clips, duration_s, agent_speech_ratio, random)
    return BenchCall(
        customer=customer.pcm,
        agent=agent.pcm,
        customer_voiced=customer.voiced,
        agent_voiced=agent.voiced,
        customer_speech_ratio=customer.speech_s / duration_s,
        agent_speech_ratio=agent.speech_s / duration_s,
        sentences=customer.sentences + agent.sentences,
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Line:
    """One channel."""

    pcm: Pcm
    voiced: NDArray[np.bool_]
    speech_s: float
    sentences: int


def _channel(
    clips: list[Clip], duration_s: float, speech_ratio: float, random: np.random.Generator
) -> _Line:
    frames = int(duration_s * 1000) // VOICED_FRAME_MS
    noise_level = 32_768 * 10 ** (_LINE_NOISE_DBFS / 20)
    line = random.standard_normal(frames * _FRAME_SAMPLES) * noise_level
    voiced = np.zeros(frames, dtype=bool)
    sentences, speech_frames = 0, 0
    last_frame = frames - int(_TAIL_S * 1000) // VOICED_FRAME_MS
    at = int(random.uniform(0.5, 2.5) * 1000) // VOICED_FRAME_MS
    waiting = [int(index) for index in random.permutation(len(clips))] if speech_ratio > 0 else []
    while True:
        fitting = [index for index in waiting if at + len(clips[index].voiced) <= last_frame]
        if not fitting:
            break
        clip = clips[fitting[0]]
        waiting.remove(fitting[0])
        if not waiting:
            waiting = [int(index) for index in random.permutation(len(clips))]
        start, end = at, at + len(clip.voiced)
        line[start * _FRAME_SAMPLES : end * _FRAME_SAMPLES] += clip.pcm
        voiced[start:end] = clip.voiced
        sentences += 1
        speech_frames += end - start
        # As long as it takes to bring the share of speech so far to what was asked for.
        pause_frames = (speech_frames / speech_ratio - end) * random.uniform(0.7, 1.3)
        at = end + max(_LEAST_PAUSE_FRAMES, int(pause_frames))
    return _Line(
        pcm=np.clip(np.rint(line), -32_768, 32_767).astype(np.int16),
        voiced=voiced,
        speech_s=speech_frames * VOICED_FRAME_MS / 1000,
        sentences=sentences,
    )
