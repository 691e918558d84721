"""Counts how often a customer makes the same demand in one call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from rapidfuzz import fuzz

from mamori.monitor.detectors.demands import Demand, Heard, JapaneseDemands, WordDemands
from mamori.monitor.detectors.readings import JapaneseReader, create_reader
from mamori.monitor.detectors.transcript import place
from mamori.monitor.events import (
    Category,
    Channel,
    Detection,
    Event,
    FinalHypothesis,
    RepeatEvidence,
    Severity,
    Telling,
    primary_language,
)

RULE: Final = "repeated_demand.same_demand"
# A demand is compared with its latest wordings; older ones add nothing.
_WORDINGS: Final = 4
_SHINGLE: Final = 3
# The verb stands in the last letters before てください; the first half holds what is asked.
# Without grammar, two of three words of the shorter demand must be those of the other.
_WORD_SHARE: Final = 0.66
_HEAD_SHARE: Final = 0.5
_HEAD_RATIO: Final = 70.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RepeatedDemandConfig:
    """When the same demand counts as repeated.

    Counts are tellings within ``window_ms`` of media time. ``similarity_ratio`` in (0, 1] is how
    alike two wordings must sound, ``overlap_ratio`` in (0, 1] how many three-letter pieces they
    must share, where the verb alone does not decide.
    """

    attention_count: int = 3  # CCAJ guideline 2025-03: repeats from three times
    warning_count: int = 5
    window_ms: int = 600_000  # ten minutes: what a listener still feels as "again"
    min_gap_ms: int = 3_000  # two halves of one breath are one telling
    min_units: int = 6  # shorter utterances are nods and greetings
    similarity_ratio: float = 0.85  # as for phrases
    overlap_ratio: float = 0.5  # survives one wrong kana in ten
    max_demands: int = 32  # different demands remembered at once
    max_tellings: int = 20  # of one demand, the latest

    def __post_init__(self) -> None:
        _check(self.attention_count >= 2, "attention_count must be at least 2")
        _check(
            self.attention_count <= self.warning_count <= self.max_tellings,
            "warning_count must be within attention_count..max_tellings",
        )
        _check(1_000 <= self.window_ms <= 86_400_000, "window_ms must be within 1000..86400000")
        _check(0 <= self.min_gap_ms <= 60_000, "min_gap_ms must be within 0..60000")
        _check(1 <= self.min_units <= 100, "min_units must be within 1..100")
        _check(0.0 < self.similarity_ratio <= 1.0, "similarity_ratio must be within 0..1")
        _check(0.0 < self.overlap_ratio <= 1.0, "overlap_ratio must be within 0..1")
        _check(1 <= self.max_demands <= 1_000, "max_demands must be within 1..1000")
        _check(self.max_tellings <= 1_000, "max_tellings must be at most 1000")


@dataclass(slots=True)
class _Topic:
    """One demand of this call, with its latest wordings and tellings."""

    key: str
    nouns: frozenset[str]
    wordings: list[str] = field(default_factory=list)
    tellings: list[Telling] = field(default_factory=list)


class RepeatedDemandDetector:
    """Hears the same demand again in similar words, on the customer's channel.

    The same verb about the same thing is the same demand (今すぐ直してください, 早く直してくれ); a
    wording that sounds nearly the same is too, so misheard ones count. A reminder (何回言わせる)
    counts as one more telling of what was last asked for. Greetings, answers, addresses and asking
    for words are no demands. From ``attention_count`` on, every telling gives a detection.
    """

    name = "repeated_demand"
    interests: tuple[type[Event], ...] = (FinalHypothesis,)

    def __init__(
        self,
        config: RepeatedDemandConfig,
        *,
        call_id: str,
        language: str,
        reader: JapaneseReader | None = None,
    ) -> None:
        """``reader`` shares a loaded dictionary (Japanese only; loaded here if None)."""
        self._config = config
        self._call_id = call_id
        self._language = primary_language(language)
        self._ears = (
            JapaneseDemands(reader or create_reader())
            if self._language == "ja"
            else WordDemands(self._language)
        )
        self._topics: list[_Topic] = []

    def feed(self, event: Event) -> Sequence[Detection]:
        """Take a final of the customer's channel (or of a mixed one)."""
        if not isinstance(event, FinalHypothesis) or event.channel is Channel.AGENT:
            return ()
        if primary_language(event.language) != self._language:
            return ()
        self._forget(event.offset_ms)
        heard = self._ears.hear(event.text)
        if heard.units < self._config.min_units:
            return ()
        told = self._tellings(event, heard)
        return tuple(
            self._detection(topic, event)
            for topic in told
            if len(topic.tellings) >= self._config.attention_count
        )

    def flush(self, offset_ms: int) -> Sequence[Detection]:
        """Nothing is ever pending."""
        return ()

    def _tellings(self, final: FinalHypothesis, heard: Heard) -> list[_Topic]:
        """Count this utterance once for every demand it makes; the topics that grew."""
        told: list[_Topic] = []
        for demand in heard.demands:
            topic = self._topic_of(demand) or self._open(demand)
            if demand.key:
                topic.nouns |= demand.nouns
            topic.wordings = [*topic.wordings, demand.clause][-_WORDINGS:]
            if topic not in told and self._tell(topic, final, demand.start, demand.end):
                told.append(topic)
        if told:
            return told
        meant = self._sounding_like(heard.sound)
        if meant is None and heard.is_reminder:
            meant = self._latest() or self._open(Demand("", frozenset(), heard.sound, 0, 0))
        if meant is not None and self._tell(meant, final, 0, len(final.text)):
            return [meant]
        return []

    def _topic_of(self, demand: Demand) -> _Topic | None:
        for topic in self._topics:
            same_verb = demand.key != "" and demand.key == topic.key
            if same_verb and (
                not demand.nouns or not topic.nouns or bool(demand.nouns & topic.nouns)
            ):
                return topic
            if not demand.key and _share(demand.nouns, topic.nouns) >= _WORD_SHARE:
                return topic
            if (
                demand.key
                and not same_verb
                and any(self._alike(demand.clause, each) for each in topic.wordings)
            ):
                return topic
        return None

    def _alike(self, one: str, other: str) -> bool:
        config = self._config
        if min(len(one), len(other)) < config.min_units:
            return False
        return (
            _overlap(one, other) >= config.overlap_ratio
            and _heads_alike(one, other)
            and fuzz.ratio(one, other) >= config.overlap_ratio * 100
        )

    def _sounding_like(self, sound: str) -> _Topic | None:
        """The topic whose wording is heard in an utterance in which no demand was recognised."""
        threshold = self._config.similarity_ratio * 100
        for topic in self._topics:
            for wording in topic.wordings:
                if not self._config.min_units <= len(wording) <= len(sound):
                    continue
                hit = fuzz.partial_ratio_alignment(wording, sound, score_cutoff=threshold)
                if hit is not None and _heads_alike(wording, sound[hit.dest_start : hit.dest_end]):
                    return topic
        return None

    def _latest(self) -> _Topic | None:
        told = [topic for topic in self._topics if topic.tellings]
        return max(told, key=lambda topic: topic.tellings[-1].offset_ms, default=None)

    def _open(self, demand: Demand) -> _Topic:
        topic = _Topic(demand.key, demand.nouns)
        self._topics.append(topic)
        if len(self._topics) > self._config.max_demands:
            oldest = min(self._topics[:-1], key=lambda each: each.tellings[-1].offset_ms)
            self._topics.remove(oldest)
        return topic

    def _tell(self, topic: _Topic, final: FinalHypothesis, start: int, end: int) -> bool:
        offset_ms = place(final, start, end).offset_ms
        if topic.tellings and offset_ms - topic.tellings[-1].offset_ms < self._config.min_gap_ms:
            return False
        telling = Telling(
            quote=final.text[start:end], utterance_id=final.utterance_id, offset_ms=offset_ms
        )
        topic.tellings = [*topic.tellings, telling][-self._config.max_tellings :]
        return True

    def _forget(self, now_ms: int) -> None:
        since_ms = now_ms - self._config.window_ms
        for topic in self._topics:
            topic.tellings = [each for each in topic.tellings if each.offset_ms >= since_ms]
        self._topics = [topic for topic in self._topics if topic.tellings]

    def _detection(self, topic: _Topic, final: FinalHypothesis) -> Detection:
        config, count = self._config, len(topic.tellings)
        is_warning = count >= config.warning_count
        return Detection(
            call_id=self._call_id,
            detector=self.name,
            rule=RULE,
            category=Category.REPEATED_DEMAND.value,
            channel=final.channel,
            offset_ms=topic.tellings[-1].offset_ms,
            end_offset_ms=final.end_offset_ms,
            score=min(1.0, count / (2 * config.warning_count) + (0.25 if is_warning else 0.0)),
            severity=Severity.WARNING if is_warning else Severity.ATTENTION,
            evidence=RepeatEvidence(
                tellings=tuple(topic.tellings),
                threshold_count=config.warning_count if is_warning else config.attention_count,
            ),
        )


def _share(one: frozenset[str], other: frozenset[str]) -> float:
    """The share of the shorter demand's words that the other has, in [0, 1]."""
    return len(one & other) / max(1, min(len(one), len(other)))


def _overlap(one: str, other: str) -> float:
    """Jaccard share of three-letter pieces, in [0, 1]."""
    first, second = _shingles(one), _shingles(other)
    return len(first & second) / max(1, len(first | second))


def _shingles(text: str) -> set[str]:
    return {text[index : index + _SHINGLE] for index in range(max(1, len(text) - _SHINGLE + 1))}


def _heads_alike(one: str, other: str) -> bool:
    """Whether the first halves sound alike: 〜してください ends most demands."""
    return (
        fuzz.partial_ratio(
            one[: max(2, int(len(one) * _HEAD_SHARE))],
            other[: max(2, int(len(other) * _HEAD_SHARE))],
        )
        >= _HEAD_RATIO
    )


def _check(holds: bool, message: str) -> None:
    if not holds:
        raise ValueError(message)
