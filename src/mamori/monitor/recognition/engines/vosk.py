"""Vosk: hears speech while it is spoken; one shared model a language, a recogniser an utterance.

Each utterance begins behind a gate: nothing is decoded until silero has heard speech in it.
"""

from __future__ import annotations

import json
import re
import shutil
import statistics
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np

from mamori.monitor.events import Pcm
from mamori.monitor.recognition.engines.speech_gate import MIN_SPEECH_SHARE, SpeechGate
from mamori.monitor.recognition.engines.vosk_hint import PhraseGrammar, VoskHint
from mamori.monitor.recognition.port import (
    LOW_CONFIDENCE,
    EngineCapabilities,
    EngineKind,
    LiveText,
    RecognitionError,
    Transcript,
    TranscriptWord,
)

# What the acoustic model looks ahead; without it the last word of an utterance cut in the middle of
# speech is lost, and heard at the beginning of the next one (character error .46 instead of .26).
_LOOK_AHEAD_MS: Final = 400
# Japanese and Chinese models write a space between words where the language has none.
_LANGUAGES_WITHOUT_SPACES: Final = frozenset({"ja", "zh"})
# What the models write for a sound that is no word of theirs: <UNK>, [unk], [5].
_NO_WORD: Final = re.compile(r"<.*>|\[.*\]")
# Of 26 non-speech recordings Vosk heard words in 18, in 7 with at least this confidence; of real
# Korean at telephone rate the less confident half had a character error of .67, the rest .44.
_LOW_CONFIDENCE: Final = 0.7
# Where another engine writes the finals. 75 acted Korean clips, mu-law, one recogniser: character
# error .416 at .174 of real time with the model's own (3000, 10), .429 at .132 with (1000, 10),
# .425 at .125 with (1500, 9), .443 at .114 with these, .443 at .120 with (700, 8).
_DRAFT: Final = {"max-active": "1000", "beam": "8.0"}
# What silero itself calls speech: hold music stays below it, and is never decoded while it plays.
_OPENING_PEAK: Final = 0.5


class _Model(Protocol):
    """What is used of vosk.Model."""

    def vosk_model_find_word(self, word: str) -> int: ...


class VoskEngine:
    """A StreamEngine on Vosk models, a folder for each language (ISO 639-1); for one thread.

    Loads them at once: about 3 s and 500 MB for the Korean one, starting no thread, so that the
    process can be forked afterwards. ``is_draft``: another engine writes the finals, so partials
    may be rougher at two thirds of the cost. ``hints`` are phrases by language to listen for
    besides, at 0.03 of real time. RecognitionError ``model_missing`` or ``model_unusable``.
    """

    def __init__(
        self,
        models: Mapping[str, Path],
        *,
        is_draft: bool = False,
        hints: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        for language, path in models.items():
            if not path.is_dir():
                raise RecognitionError(
                    "model_missing", f"the Vosk model for {language} is not at {path}"
                )
        self.capabilities = EngineCapabilities(
            name="vosk",
            kind=EngineKind.STREAM,
            languages=frozenset(models),
            word_times=True,
        )
        self._models: dict[str, _Model] = {}
        self._grammars: dict[str, PhraseGrammar] = {}
        for language, path in models.items():
            model = self._models[language] = _load_draft(path) if is_draft else _load(path)
            grammar = PhraseGrammar(
                (hints or {}).get(language, ()), language, knows=_vocabulary(model)
            )
            if grammar:
                self._grammars[language] = grammar
        self._is_closed = False

    def open_decoder(self, *, language: str, sample_rate_hz: int) -> VoskDecoder:
        """A decoder at the channel's true rate: the model resamples by itself.

        Told 8000, telephone speech had a character error of 0.56; upsampled beforehand, 0.70.
        RecognitionError ``language_unavailable`` or ``engine_closed``.
        """
        if self._is_closed:
            raise RecognitionError("engine_closed", "the Vosk engine was closed")
        model = self._models.get(language)
        if model is None:
            offered = ", ".join(sorted(self._models)) or "no language"
            raise RecognitionError(
                "language_unavailable", f"there are Vosk models for {offered}, not for {language}"
            )
        grammar = self._grammars.get(language)
        hint = None if grammar is None else VoskHint(model, grammar, sample_rate_hz)
        return VoskDecoder(model, language, sample_rate_hz, hint)

    def close(self) -> None:
        """Let the models go; each is freed when its last decoder is."""
        self._is_closed = True
        self._models.clear()


class VoskDecoder:
    """One recogniser. Utterances follow one another; times start anew with each."""

    def __init__(
        self, model: object, language: str, sample_rate_hz: int, hint: VoskHint | None = None
    ) -> None:
        import vosk

        self._hint = hint
        self._recogniser: Any = vosk.KaldiRecognizer(model, float(sample_rate_hz))
        self._recogniser.SetWords(True)
        self._gate = SpeechGate(sample_rate_hz)
        self._separator = "" if language in _LANGUAGES_WITHOUT_SPACES else " "
        self._sample_rate_hz = sample_rate_hz
        self._fed_samples = 0
        self._utterance_start = 0
        self._heard_samples = 0
        # What came before there was speech in it, for the recogniser to hear after all.
        self._held: list[Pcm] = []
        self._is_decoding = False
        # Vosk ends utterances by its own rules as well; what it then hands over is kept here.
        self._words: list[TranscriptWord] = []
        self._texts: list[str] = []

    def accept(self, pcm: Pcm) -> LiveText:
        """Decode the next stretch; the partial text of the whole utterance so far."""
        self._gate.hear(pcm)
        self._heard_samples += len(pcm)
        if not self._is_decoding:
            self._held.append(pcm)
            if self._gate.presence.peak < _OPENING_PEAK:
                return LiveText(text="")
            pcm = self._open()
        texts = self._texts
        if not self._accept(pcm):
            partial = json.loads(self._recogniser.PartialResult())
            texts = [*texts, self._clean(partial.get("partial", ""))]
        hints = self._hint.accept(pcm) if self._hint is not None else ()
        return LiveText(text=self._join(texts), hints=hints)

    def finish(self) -> Transcript:
        """The utterance's text and words; the next ``accept`` begins a new one of the same voice.

        Marked ``low_confidence`` where the words' mean confidence is below 0.7; empty where there
        is hardly any speech in it as well.

        Result keeps what the recogniser has learnt of the voice; FinalResult forgets it. Over 23
        utterances of 9 speakers the mean character error was .25 so, .28 with FinalResult and .30
        with a new recogniser for each.
        """
        presence = self._gate.presence
        if not self._is_decoding and not presence.is_silent:
            self._accept(self._open())
        if self._is_decoding:
            self._accept(np.zeros(_LOOK_AHEAD_MS * self._sample_rate_hz // 1000, np.int16))
            self._keep(self._recogniser.Result())
        words, texts = tuple(self._words), self._texts
        self._begin()
        known = [word.confidence for word in words if word.confidence is not None]
        confidence = statistics.fmean(known) if known else None
        is_low = confidence is not None and confidence < _LOW_CONFIDENCE
        if is_low and presence.share < MIN_SPEECH_SHARE:
            return Transcript(text="")
        return Transcript(
            text=self._join(texts),
            words=words,
            confidence=confidence,
            marks=(LOW_CONFIDENCE,) if is_low else (),
        )

    def drop(self) -> None:
        """Begin a new utterance of the same voice; nothing becomes of an open one."""
        if self._is_decoding:
            self._recogniser.Result()
        self._begin()

    def forget(self) -> None:
        """Begin a new utterance of another voice; the expanded graph stays."""
        if self._fed_samples:
            self._recogniser.FinalResult()
        self._begin()

    def _begin(self) -> None:
        self._words, self._texts, self._held = [], [], []
        self._utterance_start = self._fed_samples
        self._heard_samples = 0
        if self._is_decoding and self._hint is not None:
            self._hint.begin()
        self._is_decoding = False
        self._gate.reset()

    def _open(self) -> Pcm:
        """Begin to decode; what was held back until now."""
        held, self._held = self._held, []
        self._is_decoding = True
        return np.concatenate(held)

    def close(self) -> None:
        """Free the recogniser."""
        self._recogniser = self._hint = None

    def _accept(self, pcm: Pcm) -> bool:
        """Feed the recogniser; whether it ended an utterance by its own rules, which is kept."""
        self._fed_samples += len(pcm)
        try:
            ended = self._recogniser.AcceptWaveform(pcm.tobytes())
        except Exception as error:  # vosk raises bare Exception
            raise RecognitionError(
                "decode_failed", "Vosk refused audio", recoverable=True
            ) from error
        if ended:
            self._keep(self._recogniser.Result())
        return bool(ended)

    def _keep(self, result: str) -> None:
        text, words = _parse(result)
        self._texts.append(self._clean(text))
        self._words += [self._on_utterance_clock(word) for word in words]

    def _on_utterance_clock(self, word: Mapping[str, Any]) -> TranscriptWord:
        # The recogniser's clock counts every sample it was ever fed.
        start = round(word["start"] * self._sample_rate_hz) - self._utterance_start
        end = round(word["end"] * self._sample_rate_hz) - self._utterance_start
        last = self._heard_samples
        start = min(max(start, 0), last)
        confidence = word.get("conf")
        return TranscriptWord(
            text=word["word"],
            start_samples=start,
            end_samples=min(max(end, start), last),
            # Kaldi's sums reach a little above 1.
            confidence=None if confidence is None else min(max(float(confidence), 0.0), 1.0),
        )

    def _clean(self, text: str) -> str:
        return self._separator.join(word for word in text.split() if not _NO_WORD.fullmatch(word))

    def _join(self, texts: list[str]) -> str:
        return self._separator.join(text for text in texts if text)


def _parse(result: str) -> tuple[str, list[Mapping[str, Any]]]:
    """Text and words of either JSON shape: plain, or a list of alternatives, best first."""
    fields = json.loads(result)
    if "alternatives" in fields:
        fields = fields["alternatives"][0] if fields["alternatives"] else {}
    words = [word for word in fields.get("result", ()) if not _NO_WORD.fullmatch(word["word"])]
    return fields.get("text", ""), words


def _load(path: Path) -> _Model:
    import vosk

    vosk.SetLogLevel(-1)
    try:
        model: _Model = vosk.Model(str(path))
    except Exception as error:  # vosk raises bare Exception
        raise RecognitionError(
            "model_unusable", f"the Vosk model at {path} does not load"
        ) from error
    return model


def _load_draft(path: Path) -> _Model:
    """Load a model with a narrower search than its own."""
    with tempfile.TemporaryDirectory(prefix="mamori-vosk-") as folder:
        copy = Path(folder)
        for part in path.iterdir():
            if part.name != "conf":
                (copy / part.name).symlink_to(part.absolute())
        # Without the modes of the original, which may forbid writing.
        (copy / "conf").mkdir()
        for part in (path / "conf").iterdir():
            shutil.copyfile(part, copy / "conf" / part.name)
        settings = copy / "conf" / "model.conf"
        kept = [
            line
            for line in settings.read_text("utf-8").splitlines()
            if line.partition("=")[0].lstrip("-") not in _DRAFT
        ]
        narrow = [f"--{name}={value}" for name, value in _DRAFT.items()]
        settings.write_text("\n".join([*kept, *narrow]) + "\n", "utf-8")
        return _load(copy)


def _vocabulary(model: _Model) -> Callable[[str], bool]:
    return lambda word: model.vosk_model_find_word(word) >= 0
