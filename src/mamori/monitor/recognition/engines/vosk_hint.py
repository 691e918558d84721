"""Phrases heard while they are spoken: a recogniser that knows only them, and garbage.

Whole phrases are listened for, against every one-syllable word of the vocabulary. Without that
garbage the phrases are heard everywhere: ten short ones 69 times in 35 Korean clips, with it 3
times. A phrase is put together of the vocabulary's own pieces, as few as there are.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from mamori.monitor.events import Pcm
from mamori.monitor.recognition.port import RecognitionError

# Where one-character words are looked for: kana, the kanji of every day, hangul syllables.
_SYLLABLES: Final = {
    "ja": ((0x3041, 0x3097), (0x30A1, 0x30FB), (0x4E00, 0xA000)),
    "ko": ((0xAC00, 0xD7A4),),
}
# A phrase of fewer characters is hardly told from garbage.
_MIN_CHARS: Final = 3
_UNKNOWN: Final = "<UNK>"


class PhraseGrammar:
    """What of ``phrases`` a model can listen for, and the grammar it does so with.

    ``knows`` says whether the vocabulary has a word. Phrases that have no pieces in it, or fewer
    than three characters, are left out.
    """

    def __init__(
        self, phrases: Iterable[str], language: str, *, knows: Callable[[str], bool]
    ) -> None:
        self.pieces: dict[str, tuple[str, ...]] = {}
        for phrase in dict.fromkeys(phrases):
            words = [each for word in phrase.split() for each in _split(word, knows)]
            if len("".join(phrase.split())) >= _MIN_CHARS and all(words):
                self.pieces[phrase] = tuple(words)
        self._garbage = [
            chr(code)
            for first, end in _SYLLABLES.get(language, ())
            for code in range(first, end)
            if knows(chr(code))
        ]

    def __bool__(self) -> bool:
        """Whether there is anything to listen for."""
        return bool(self.pieces)

    def to_json(self) -> str:
        """The grammar in Vosk's form: a list of sentences of words of the vocabulary."""
        sentences = [" ".join(words) for words in self.pieces.values()]
        return json.dumps([*sentences, *self._garbage, _UNKNOWN], ensure_ascii=False)

    def heard_in(self, text: str) -> tuple[str, ...]:
        """The phrases whose pieces stand one after another in a recogniser's text."""
        words = f" {' '.join(text.split())} "
        return tuple(
            phrase for phrase, pieces in self.pieces.items() if f" {' '.join(pieces)} " in words
        )


class VoskHint:
    """Listens along with an utterance for the phrases of a grammar."""

    def __init__(self, model: object, grammar: PhraseGrammar, sample_rate_hz: int) -> None:
        import vosk

        self._grammar = grammar
        try:
            self._recogniser: Any = vosk.KaldiRecognizer(
                model, float(sample_rate_hz), grammar.to_json()
            )
        except Exception as error:  # vosk raises bare Exception
            raise RecognitionError(
                "grammar_unusable", "the Vosk model takes no grammar of phrases"
            ) from error
        self._heard: dict[str, None] = {}

    def accept(self, pcm: Pcm) -> tuple[str, ...]:
        """The phrases heard in the utterance so far, in the order in which they were heard."""
        try:
            ended = self._recogniser.AcceptWaveform(pcm.tobytes())
        except Exception as error:  # vosk raises bare Exception
            raise RecognitionError(
                "decode_failed", "Vosk refused audio", recoverable=True
            ) from error
        answer = self._recogniser.Result() if ended else self._recogniser.PartialResult()
        fields = json.loads(answer)
        text = fields.get("text") or fields.get("partial") or ""
        self._heard.update(dict.fromkeys(self._grammar.heard_in(text)))
        return tuple(self._heard)

    def begin(self) -> None:
        """What comes next is another utterance."""
        self._recogniser.Result()
        self._heard = {}


def _split(word: str, knows: Callable[[str], bool]) -> Sequence[str]:
    """The fewest words of the vocabulary that make up ``word``; an empty one where none do."""
    best: list[list[str] | None] = [[]]
    for end in range(1, len(word) + 1):
        found: list[list[str]] = []
        for start in range(end):
            before = best[start]
            if before is not None and knows(word[start:end]):
                found.append([*before, word[start:end]])
        best.append(min(found, key=len, default=None))
    return best[-1] or [""]
