"""What a detection rests on, typed per detector, so that it explains itself without the audio."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

from mamori.monitor.events.terms import Channel, Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One measured value against the threshold that it reached, both in ``unit``."""

    name: str
    value: float
    threshold: float
    unit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PhraseEvidence:
    """Words that matched a rule; ``quote`` is verbatim from what was read of the utterance.

    ``match`` says from which reading and how: ``surface`` (as spelled), ``reading`` (as heard) and
    ``fuzzy`` (nearly so) are of the record, the utterance's FinalHypothesis. ``reread`` is of a
    second reading, made with suspected phrases before the recogniser's eyes: the record does not
    have these words, and ``record_quote`` is what it has in their place, verbatim. Neither a
    ``fuzzy`` nor a ``reread`` match is critical alone.

    ``similarity_ratio`` is in [0, 1] (1 = exact); ``confidence`` is the recogniser's for the quoted
    words in [0, 1], None where the engine gives none. ``lowered_by`` says what made less of the
    finding than its rule does: the id of a context (a denial, a quotation) or ``low_confidence``;
    None where nothing did.
    """

    kind: Literal["phrase"] = "phrase"
    quote: str = field(repr=False)
    utterance_id: str
    match: Literal["surface", "reading", "fuzzy", "reread"]
    similarity_ratio: float
    threshold_ratio: float
    confidence: float | None = None
    lowered_by: str | None = None
    record_quote: str | None = field(default=None, repr=False)

    def measurement(self) -> Measurement:
        """How closely the words matched against how closely they had to."""
        return Measurement(
            name="similarity_ratio",
            value=self.similarity_ratio,
            threshold=self.threshold_ratio,
            unit="ratio",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LoudnessEvidence:
    """A raised voice against the caller's own baseline.

    Levels in dBFS of active speech, ``balance`` = energy of 1-3.4 kHz over 0.3-1 kHz in dB,
    fundamental frequency in Hz (None where no voiced frame was found). A voice is raised when its
    level rises over the threshold, or when balance and pitch both do, whatever the line's gain;
    against the population (``prior``) only balance and pitch count.
    """

    kind: Literal["loudness"] = "loudness"
    level_dbfs: float
    baseline_level_dbfs: float
    rise_db: float
    threshold_db: float
    balance_rise_db: float
    balance_threshold_db: float
    f0_hz: float | None
    baseline_f0_hz: float | None
    f0_threshold_semitones: float
    raised_speech_ms: int
    baseline_source: Literal["caller", "prior"]

    @property
    def quote(self) -> None:
        """A raised voice has no words."""
        return None

    @property
    def by_level(self) -> bool:
        """Whether the level decided; otherwise balance and pitch did, whatever the gain."""
        return self.baseline_source == "caller" and self.rise_db >= self.threshold_db

    @property
    def f0_rise_semitones(self) -> float | None:
        """How much higher the voice is than its baseline, None without a pitch to compare."""
        if not self.f0_hz or not self.baseline_f0_hz:
            return None
        return 12 * math.log2(self.f0_hz / self.baseline_f0_hz)

    def measurement(self) -> Measurement:
        """The rise that decided against its threshold: of the level, else of the balance."""
        if self.by_level:
            return Measurement(
                name="level_rise", value=self.rise_db, threshold=self.threshold_db, unit="dB"
            )
        return Measurement(
            name="balance_rise",
            value=self.balance_rise_db,
            threshold=self.balance_threshold_db,
            unit="dB",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockEvidence:
    """The call's running time, in media time, against the stage that it reached."""

    kind: Literal["clock"] = "clock"
    stage: str
    elapsed_ms: int
    threshold_ms: int

    @property
    def quote(self) -> None:
        """The clock has no words."""
        return None

    def measurement(self) -> Measurement:
        """Elapsed against staged minutes."""
        return Measurement(
            name="elapsed",
            value=round(self.elapsed_ms / 60_000, 3),
            threshold=self.threshold_ms / 60_000,
            unit="min",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """One telling of a demand: its exact words and when they began."""

    quote: str = field(repr=False)
    utterance_id: str
    offset_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RepeatEvidence:
    """The same demand told again and again; ``tellings`` in order, the latest last."""

    kind: Literal["repeat"] = "repeat"
    tellings: tuple[Telling, ...]
    threshold_count: int

    @property
    def quote(self) -> str:
        """The latest telling, verbatim."""
        return self.tellings[-1].quote

    def measurement(self) -> Measurement:
        """Tellings counted against the count that matters."""
        return Measurement(
            name="tellings",
            value=len(self.tellings),
            threshold=self.threshold_count,
            unit="times",
        )


Evidence = PhraseEvidence | LoudnessEvidence | ClockEvidence | RepeatEvidence


@dataclass(frozen=True, slots=True, kw_only=True)
class Detection:
    """A detector's finding. ``score`` in [0, 1]; offsets are media time since the call began.

    ``rule`` names what fired (a phrase rule's id, ``raised_voice``, ``call_clock.warning`` ...).
    """

    type: Literal["detection"] = "detection"
    call_id: str
    detector: str
    rule: str
    category: str
    channel: Channel
    offset_ms: int
    end_offset_ms: int
    score: float
    severity: Severity
    evidence: Evidence
