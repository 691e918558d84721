"""Whisper through CTranslate2: reads whole utterances with an encoder window as long as it needs.

Whisper is trained on windows of 30 s and pads shorter audio to that length, which makes a second of
speech as dear as thirty. A quick reading's window is the utterance and a few seconds of zeros: less
than half the cost, some points of character error worse. A doubtful text is read again with the
full window.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
import soxr
from numpy.typing import NDArray

from mamori.monitor.events import Pcm
from mamori.monitor.recognition.engines.speech_gate import (
    MIN_SPEECH_SHARE,
    SpeechGate,
    SpeechPresence,
)
from mamori.monitor.recognition.engines.whisper_guard import Decode, better_of
from mamori.monitor.recognition.port import (
    LOW_CONFIDENCE,
    RETRIED,
    Depth,
    EngineCapabilities,
    EngineKind,
    RecognitionError,
    Transcript,
)

Audio = NDArray[np.float32]
"""One channel at 16 kHz, shape (samples,), in [-1, 1]."""

LONGEST_UTTERANCE_S: Final = 30  # the positions the model was trained with
_RATE_HZ: Final = 16_000
# With too few zeros whisper says the sentence again and again. Doubtful texts at 3, 5, 6, 8, 10 s,
# telephone rate: 1 or none of 34 Korean clips, but 58, 46, 40, 10 and 3 of 72 English ones; a
# doubtful text costs a full window.
_PADDING_S: Final = {"en": 8}
_USUAL_PADDING_S: Final = 5
# Korean needs about two tokens a character and stays below 12 characters a second; the cap keeps a
# loop from running to the model's 448 tokens, and the guard still sees it as one.
_TOKENS_PER_S: Final = 25
_TOKENS_BASE: Final = 32
_MAX_TOKENS: Final = 448
_LANGUAGES: Final = frozenset({"ja", "ko", "en", "zh"})
# Half of the model's 448 positions hold what was said before, less one for its mark.
_MAX_PROMPT_TOKENS: Final = 223
_SEPARATOR: Final = {"ja": "、", "zh": "、"}
_MODEL_FILES: Final = ("model.bin", "config.json", "tokenizer.json")


class _Model(Protocol):
    """What is used of faster_whisper.WhisperModel."""

    feature_extractor: Any
    hf_tokenizer: Any
    model: Any

    def encode(self, features: NDArray[np.float32]) -> object: ...


class WhisperEngine:
    """An UtteranceEngine on one whisper model in CTranslate2's format; for one thread.

    ``model_dir`` holds model.bin, config.json, tokenizer.json and vocabulary.json; nothing is ever
    fetched. It decodes on one thread: 3 s of speech took 0.11 s on one and 0.14 s on two.
    RecognitionError ``model_incomplete`` or ``model_unusable``.
    """

    def __init__(self, model_dir: Path) -> None:
        missing = [name for name in _MODEL_FILES if not (model_dir / name).is_file()]
        if missing:
            # Without its tokenizer the library would ask the network for one.
            raise RecognitionError(
                "model_incomplete", f"whisper model {model_dir} lacks {', '.join(missing)}"
            )
        self.capabilities = EngineCapabilities(
            name="whisper-base",
            kind=EngineKind.UTTERANCE,
            languages=_LANGUAGES,
            word_times=False,
        )
        self._model: _Model | None = _load(model_dir)
        self._gates = {rate_hz: SpeechGate(rate_hz) for rate_hz in (8_000, _RATE_HZ)}

    def transcribe(
        self,
        pcm: Pcm,
        *,
        language: str,
        sample_rate_hz: int,
        depth: Depth = Depth.THOROUGH,
        phrases: Sequence[str] = (),
    ) -> Transcript:
        """What was said in at most 30 s of audio.

        ``phrases`` stand before the model's eyes as what was said just before; those that do not
        fit into 223 tokens are left out. Marks: ``retried`` when the first text was doubtful and
        the full window was read, ``low_confidence`` when that was doubtful too. The text is empty
        where the audio holds no speech. ``confidence`` is the mean probability of a token.
        RecognitionError ``language_unavailable``, ``utterance_too_long``, ``engine_closed`` or
        ``decode_failed``.
        """
        if language not in _LANGUAGES:
            raise RecognitionError(
                "language_unavailable",
                f"whisper is offered for {', '.join(sorted(_LANGUAGES))}, not {language}",
            )
        if len(pcm) > LONGEST_UTTERANCE_S * sample_rate_hz:
            raise RecognitionError(
                "utterance_too_long",
                f"an utterance may last {LONGEST_UTTERANCE_S} s,"
                f" not {len(pcm) / sample_rate_hz:.1f} s",
                recoverable=True,
            )
        if self._model is None:
            raise RecognitionError("engine_closed", "the whisper engine was closed")
        try:
            audio = _to_model_audio(pcm, sample_rate_hz)
            # Its thresholds were measured on what the line carries.
            gate = self._gates.get(sample_rate_hz)
            heard = (
                self._gates[_RATE_HZ].presence_in(audio) if gate is None else gate.presence_in(pcm)
            )
            if heard.is_silent:
                return Transcript(text="")
            prompt = _prompt(self._model, language, phrases)
            window_s = _window_s(len(audio) / _RATE_HZ, language, depth)
            return _read(self._model, audio, heard, prompt, window_s)
        except (RuntimeError, ValueError) as error:
            raise RecognitionError(
                "decode_failed", f"whisper failed: {type(error).__name__}", recoverable=True
            ) from error

    def close(self) -> None:
        """Let the model go; it is freed when the last running decode ends."""
        self._model = None


def _load(model_dir: Path) -> _Model:
    from faster_whisper import WhisperModel

    try:
        model: _Model = WhisperModel(
            str(model_dir),
            device="cpu",
            compute_type="int8",
            cpu_threads=1,
            num_workers=1,
            local_files_only=True,
        )
    except Exception as error:  # CTranslate2 and tokenizers raise what they like on broken files
        raise RecognitionError(
            "model_unusable", f"whisper model {model_dir} does not load: {error}"
        ) from error
    return model


def _to_model_audio(pcm: Pcm, sample_rate_hz: int) -> Audio:
    audio = pcm.astype(np.float32) / 32768.0
    if sample_rate_hz != _RATE_HZ:
        audio = soxr.resample(audio, sample_rate_hz, _RATE_HZ)
    return audio


def _window_s(seconds: float, language: str, depth: Depth) -> float:
    """How much the encoder sees: the audio and zeros after it."""
    if depth is Depth.THOROUGH:
        return LONGEST_UTTERANCE_S
    return min(seconds + _PADDING_S.get(language, _USUAL_PADDING_S), LONGEST_UTTERANCE_S)


def _read(
    model: _Model, audio: Audio, speech: SpeechPresence, prompt: Sequence[int], window_s: float
) -> Transcript:
    decode = _decode(model, audio, prompt, window_s)
    marks: tuple[str, ...] = ()
    if decode.is_doubtful:
        if window_s < LONGEST_UTTERANCE_S:
            decode = better_of(decode, _decode(model, audio, prompt, LONGEST_UTTERANCE_S))
            marks = (RETRIED,)
        if decode.is_doubtful:
            if speech.share < MIN_SPEECH_SHARE or decode.is_one_syllable_loop:
                return Transcript(text="")
            marks = (*marks, LOW_CONFIDENCE)
    if not decode.text:
        return Transcript(text="")
    return Transcript(text=decode.text, confidence=math.exp(decode.avg_logprob), marks=marks)


def _prompt(model: _Model, language: str, phrases: Sequence[str]) -> list[int]:
    token = model.hf_tokenizer.token_to_id
    said: list[int] = []
    separator = _SEPARATOR.get(language, ", ")
    for place, phrase in enumerate(phrases):
        text = (separator if place else " ") + phrase
        tokens = model.hf_tokenizer.encode(text, add_special_tokens=False).ids
        if len(said) + len(tokens) <= _MAX_PROMPT_TOKENS:
            said += tokens
    return [
        *([token("<|startofprev|>"), *said] if said else []),
        token("<|startoftranscript|>"),
        token(f"<|{language}|>"),
        token("<|transcribe|>"),
        token("<|notimestamps|>"),
    ]


def _decode(model: _Model, audio: Audio, prompt: Sequence[int], window_s: float) -> Decode:
    seconds = len(audio) / _RATE_HZ
    padded = np.zeros(round(window_s * _RATE_HZ), np.float32)
    padded[: len(audio)] = audio[: len(padded)]
    features = model.feature_extractor(padded, padding=0)[..., : LONGEST_UTTERANCE_S * 100]
    most_tokens = len(prompt) + _TOKENS_BASE + math.ceil(_TOKENS_PER_S * seconds)
    result = model.model.generate(
        model.encode(features),
        [list(prompt)],
        beam_size=1,  # beam 5 gained half a point of character error for half as much time again
        max_length=min(_MAX_TOKENS, most_tokens),
        return_scores=True,
    )[0]
    tokens = result.sequences_ids[0]
    return Decode(
        text=model.hf_tokenizer.decode(tokens).strip(),
        # The engine divides by the tokens; whisper's own threshold counts the end mark as well.
        avg_logprob=result.scores[0] * len(tokens) / (len(tokens) + 1),
        seconds=seconds,
    )
