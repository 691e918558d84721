"""What the recognition engines are measured on: sets of recordings in one language each."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from tools.measure.bands import Band, carried, through
from tools.measure.data import Clip, clips
from tools.measure.sounds import MADE
from tools.measure.spotting import stretch
from tools.measure.synthesis import recording_of, written_lines

from mamori.monitor.events import Pcm

_ANNOUNCEMENTS: Final = "ivr_prompt_speech(en)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """One recording; without a ``path`` the calculated sound of that ``name``.

    ``text`` is empty where nobody speaks or nobody wrote it down; ``phrase`` is a part of it.
    ``is_abusive`` recordings must not be lost in silence.
    """

    name: str
    path: Path | None
    text: str = ""
    phrase: str | None = None
    is_abusive: bool = False

    def carried(self, line: Band, *, levelled: bool) -> Pcm:
        """What a node gets of it."""
        if self.path is None:
            return through(MADE[self.name](line.rate_hz), line)
        return carried(self.path, line, levelled=levelled)


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """Recordings under one name; ``levelled`` brings each to the level of speech on a line."""

    name: str
    language: str
    recordings: tuple[Recording, ...]
    levelled: bool = True

    @property
    def has_phrases(self) -> bool:
        """Whether phrases can be listened for."""
        return any(recording.phrase for recording in self.recordings)

    def thinned(self, every: int) -> Material:
        """The first, and every ``every``-th after it."""
        return replace(self, recordings=self.recordings[::every])


def korean_read() -> Material:
    """Read and spoken Korean with transcripts."""
    return _transcribed("ko_asr", "Korean, read and spoken", "ko")


def korean_acted() -> Material:
    """Acted Korean with transcripts: neutral, joyful and angry."""
    return _transcribed("ko_emotion", "Korean, acted", "ko")


def japanese_real() -> Material:
    """The few Japanese recordings whose words are known."""
    return _transcribed("ja", "Japanese, recorded", "ja", with_phrases=False)


def japanese_synthesised() -> Material:
    """The written lines, spoken by five synthetic voices."""
    lines = written_lines()
    return Material(
        name="Japanese, synthesised",
        language="ja",
        recordings=tuple(
            Recording(
                name=line.recording,
                path=recording_of(line),
                text=line.text,
                phrase=line.phrase,
                is_abusive=line.kind == "harassing",
            )
            for line in lines
        ),
    )


def sounds(language: str) -> Material:
    """Music, tones, crying, silence and noise, taken for calls in ``language``."""
    found = [clip for clip in clips("noise") if clip.label != _ANNOUNCEMENTS]
    made = [Recording(name=name, path=None) for name in MADE]
    recordings = (*(_silent(clip) for clip in found), *made)
    return Material(name="sounds", language=language, recordings=recordings, levelled=False)


def announcements(language: str) -> Material:
    """English announcements of a private exchange, taken for calls in ``language``."""
    found = [clip for clip in clips("noise") if clip.label == _ANNOUNCEMENTS]
    recordings = tuple(map(_silent, found))
    return Material(name="announcements", language=language, recordings=recordings, levelled=False)


def shouted() -> Material:
    """Acted English shouting at its true level."""
    return _acted("ravdess", "angry_strong", "English, shouted", "en")


def angry() -> Material:
    """Acted Korean anger, cold rather than loud, as recorded."""
    return _acted("ko_emotion", "anger", "Korean, angry", "ko")


def _transcribed(
    collection: str, name: str, language: str, *, with_phrases: bool = True
) -> Material:
    return Material(
        name=name,
        language=language,
        recordings=tuple(
            Recording(
                name=clip.path.name,
                path=clip.path,
                text=clip.text,
                phrase=stretch(clip.text) if with_phrases else None,
            )
            for clip in clips(collection)
            if clip.text
        ),
    )


def _acted(collection: str, label: str, name: str, language: str) -> Material:
    recordings = tuple(
        Recording(name=clip.path.name, path=clip.path, is_abusive=True)
        for clip in clips(collection)
        if clip.label == label
    )
    return Material(name=name, language=language, recordings=recordings, levelled=False)


def _silent(clip: Clip) -> Recording:
    return Recording(name=clip.path.name, path=clip.path)
