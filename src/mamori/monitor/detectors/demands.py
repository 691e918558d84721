"""Finds what somebody asks for in a Japanese utterance: the wish, not the chat around it.

A demand has a key, the reading of its verb or of the noun it does (なおす, へんきん), so that
直してください, 早く直してくれ and だから直せって are the same, and the clause it stands in.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from mamori.monitor.detectors.demand_words import (
    CLAUSE_WORDS,
    DOING,
    FINAL_PARTICLES,
    GIVING,
    HELPERS,
    NO_TOPICS,
    PLEASE,
    SAYING,
    TALK,
)
from mamori.monitor.detectors.normalisation import count_morae, english_view
from mamori.monitor.detectors.readings import Analysis, JapaneseReader, Token

# "I have told you": counts as one more telling of what was last asked for.
_REMINDER_JA: Final = re.compile(
    "なん(かい|ど|べん)(も)?(おなじこと(を)?)?(い(わせ|わす|えば|ったら|ってる|ってん|っています|うたら|うとる)|もうしあげ)"
    "|さっきから(ずっと|なんども|なんかいも)?(いって|おなじ|いうと|もうしあげ)"
    "|おなじこと(を)?(なん|いわせ|なんども|ばっかり|ばかりいわ)"
    "|だから(さっき(から)?)?いって(る|ん|い)|いってん(だろ|だよ|だけど|じゃん)"
    "|いってる(だろ|でしょ|じゃない|じゃん|んだ|よな)|いうとるやろ|いっているでしょう"
)
_ASKING: Final = {
    "ko": "(해)?(주세요|줘요?$|달라(고|니까)?요?|주시겠|주십시오|내놔|내놓으|하라고요?|해라|고쳐)",
    "en": r"\b(i want|i need|give me|i demand|you must|you need to|you have to|put me|get me"
    r"|please|right now|fix|refund|send|replace|repair|cancel|pay)\b",
}
_REMINDER: Final = {
    "ko": "몇 ?번(을|이나)? ?말|아까부터|똑같은 ?말|같은 ?말을|내가 ?말했|계속 ?말",
    "en": r"\b(how many times|keep telling you|kept telling you|already told you|told you already"
    r"|same thing (over|again)|for the (third|fourth|fifth|sixth|tenth|hundredth) time)\b",
}
# Words that do not say what is asked for, and particles.
_FILLERS: Final = {
    "ko": "^(지금|당장|빨리|제발|좀|그냥|네|아니|그러니까|이거|저기|요)$"
    "|(을|를|이|가|은|는|도|요)$",
    "en": "^(i|you|u|to|the|a|an|my|me|it|this|that|want|need|must|have|just|now|today|right|and|so"
    "|said|will|can|could|would|is|are|for|of|in|on|get|give|put|no|well|look|listen|please)$",
}
# Enough to hold object, adverb and verb; what comes before belongs to another thought.
_CLAUSE_TOKENS: Final = 10


@dataclass(frozen=True, slots=True)
class Demand:
    """One wish: ``key`` of its verb, ``nouns`` it is about, the ``clause`` it stands in.

    All are as heard (readings in Japanese); the span is in the original text. ``key`` is empty
    where no verb is told apart: then ``nouns`` are all words of content.
    """

    key: str
    nouns: frozenset[str]
    clause: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Heard:
    """An utterance as the repeat detector sees it; ``units`` is its length to the ear."""

    sound: str
    units: int
    demands: tuple[Demand, ...]
    is_reminder: bool


class JapaneseDemands:
    """Demands by words and readings."""

    def __init__(self, reader: JapaneseReader) -> None:
        self._reader = reader

    def hear(self, text: str) -> Heard:
        """Demands and reminders (何回言わせる) of any text."""
        analysis = self._reader.analyse(text)
        sound = analysis.reading.text
        demands = tuple(find_demands(analysis, self._reader))
        return Heard(sound, count_morae(sound), demands, bool(_REMINDER_JA.search(sound)))


class WordDemands:
    """Korean and English: an utterance with a word of asking is one demand, told by its words."""

    def __init__(self, language: str) -> None:
        """ValueError for another language than ``ko`` and ``en``."""
        if language not in _ASKING:
            raise ValueError(f"language must be one of ja, ko, en, not {language!r}")
        self._asking = re.compile(_ASKING[language])
        self._reminder = re.compile(_REMINDER[language])
        self._fillers = re.compile(_FILLERS[language])

    def hear(self, text: str) -> Heard:
        """The demand and the reminder of any text."""
        sound = english_view(text).text
        words = (self._fillers.sub("", self._asking.sub("", word)) for word in sound.split())
        content = frozenset(word for word in words if word)
        demands: tuple[Demand, ...] = ()
        if content and self._asking.search(sound):
            demands = (Demand("", content, "", 0, len(text)),)
        units = len(sound.replace(" ", ""))
        return Heard(sound, units, demands, bool(self._reminder.search(sound)))


def find_demands(analysis: Analysis, reader: JapaneseReader) -> list[Demand]:
    """The demands of an utterance, in order; asking for words or patience is none."""
    tokens, base = analysis.tokens, analysis.base
    found = []
    for index in range(len(tokens)):
        key, end = _wish(tokens, index, reader)
        if not key or key in TALK:
            continue
        first = _clause_start(tokens, index)
        clause = tokens[first:end]
        found.append(
            Demand(
                key,
                frozenset(each.reading for each in clause if _is_topic(each, key)),
                "".join(each.reading for each in clause),
                base.starts[clause[0].start],
                base.ends[clause[-1].end - 1],
            )
        )
    return found


def _is_topic(token: Token, key: str) -> bool:
    """Whether the word says what the wish is about: a noun, no time, number or asking."""
    return (
        token.kind == "名詞"
        and token.detail in {"普通名詞", "固有名詞"}
        and len(token.reading) >= 2
        and token.reading != key
        and token.reading not in NO_TOPICS
    )


def _wish(tokens: Sequence[Token], index: int, reader: JapaneseReader) -> tuple[str, int]:
    """The key of the wish that the word at ``index`` carries, and the end of its form; or none."""
    token = tokens[index]
    if token.kind == "名詞":
        return _wish_of_noun(tokens, index, reader)
    if token.kind != "動詞":
        return "", 0
    lemma = reader.lemma_reading(token.lemma)
    end = _request_end(tokens, index, reader)
    if not end or lemma in HELPERS:
        return "", 0
    if lemma in DOING:
        noun = _noun_before(tokens, index)
        return (noun.reading, end) if noun else ("", 0)
    return lemma, end


def _wish_of_noun(tokens: Sequence[Token], index: int, reader: JapaneseReader) -> tuple[str, int]:
    """返金をお願いします, 交換でお願い: a noun that is asked for without a verb."""
    token = tokens[index]
    if token.detail not in {"普通名詞"} or len(token.reading) < 3:
        return "", 0
    rest = [each for each in tokens[index + 1 : index + 5] if each.reading]
    if (
        rest
        and rest[0].surface in {"を", "で"}
        and any(reader.lemma_reading(each.lemma) in PLEASE for each in rest[1:3])
    ):
        return token.reading, min(len(tokens), index + 4)
    return "", 0


def _request_end(tokens: Sequence[Token], index: int, reader: JapaneseReader) -> int:
    """Where the request form that begins with the verb at ``index`` ends; 0 if it is none."""
    token = tokens[index]
    if token.form.startswith("命令形"):
        return index + 1
    following = tokens[index + 1 : index + 6]
    if not following:
        return 0
    if following[0].surface in {"なさい", "ください", "下さい", "たまえ"}:
        return index + 2
    # 直さ|せ|て|ください and 直し|とい|て: one helper may stand between verb and て.
    for gap, each in enumerate(following[:3]):
        if each.surface in {"て", "で"} and each.kind == "助詞":
            return _after_te(tokens, index + 1 + gap, reader)
        if each.form.startswith("命令形") and each.kind in {"助動詞", "動詞"}:
            return index + 2 + gap
        if each.kind not in {"助動詞", "動詞"}:
            return 0
    return 0


def _after_te(tokens: Sequence[Token], te: int, reader: JapaneseReader) -> int:
    """て with a verb of giving is a request unless it is told as past; a bare て at an end too."""
    after = tokens[te + 1 : te + 5]
    if not after or not after[0].reading:
        return te + 1
    if after[0].surface in FINAL_PARTICLES and (
        len(after) == 1 or not after[1].reading or after[1].surface in SAYING
    ):
        return te + 2
    if reader.lemma_reading(after[0].lemma) not in GIVING and after[0].reading not in GIVING:
        return 0
    if any(each.lemma == "た" and each.kind == "助動詞" for each in after[1:3]):
        return 0
    return te + 2


def _noun_before(tokens: Sequence[Token], index: int) -> Token | None:
    for token in reversed(tokens[max(0, index - 3) : index]):
        if token.kind == "名詞" and len(token.reading) >= 2:
            return token
        if token.kind not in {"助詞", "副詞"}:
            return None
    return None


def _clause_start(tokens: Sequence[Token], index: int) -> int:
    first = max(0, index - _CLAUSE_TOKENS)
    for position in range(index - 1, first - 1, -1):
        token = tokens[position]
        if not token.reading or (token.kind == "助詞" and token.surface in CLAUSE_WORDS):
            return position + 1
    return first
