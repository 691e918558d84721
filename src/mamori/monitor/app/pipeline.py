"""The policy and the phrases made into the stages of each call."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mamori.config.phrase_files import load_phrase_matcher
from mamori.config.policy_file import OTHER, Policy, load_policy
from mamori.errors import ConfigError
from mamori.monitor.alerts.book import AlertBook
from mamori.monitor.alerts.policy import AlertBookConfig, AlertTerms, EscalationRule
from mamori.monitor.detectors.call_clock import CallClockConfig, CallClockDetector, ClockStage
from mamori.monitor.detectors.phrases import (
    LANGUAGES,
    PhraseDetector,
    PhraseMatcher,
    create_language,
)
from mamori.monitor.detectors.port import Detector
from mamori.monitor.detectors.raised_voice import RaisedVoiceConfig, RaisedVoiceDetector
from mamori.monitor.detectors.readings import JapaneseReader, create_reader
from mamori.monitor.detectors.repeated_demand import RepeatedDemandConfig, RepeatedDemandDetector
from mamori.monitor.events import CallStarted, Category, primary_language
from mamori.monitor.session import CallSession
from mamori.monitor.speech import ChannelSpeech, SpeechConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """What every call of a node shares: the policy, the matchers and the stages' settings."""

    policy: Policy
    matchers: Mapping[str, PhraseMatcher]
    reader: JapaneseReader | None
    speech: SpeechConfig
    call_clock: CallClockConfig
    raised_voice: RaisedVoiceConfig
    repeated_demand: RepeatedDemandConfig
    alerts: AlertBookConfig

    @classmethod
    def load(
        cls,
        *,
        languages: Sequence[str],
        policy_file: Path | None = None,
        phrase_files: Sequence[Path] = (),
    ) -> Pipeline:
        """Read policy and phrases; ConfigError with every problem at once.

        Matchers and reader belong to one thread: the one that runs the sessions.
        """
        unknown = [language for language in languages if language not in LANGUAGES]
        if unknown:
            allowed = ", ".join(LANGUAGES)
            raise ConfigError(
                [f"language: {name!r} has no rules (allowed: {allowed})" for name in unknown]
            )
        policy = load_policy(policy_file)
        # The dictionary is loaded once and shared by every matcher and call.
        reader = create_reader() if "ja" in languages else None
        matchers = {
            language: load_phrase_matcher(
                language, phrase_files, eyes=create_language(language, reader)
            )
            for language in languages
        }
        with _refusals_of(policy_file):
            return cls(
                policy=policy,
                matchers=matchers,
                reader=reader,
                speech=SpeechConfig(),
                call_clock=CallClockConfig(
                    stages=tuple(
                        ClockStage(stage.stage, round(stage.minutes * 60_000), stage.severity)
                        for stage in policy.call_clock
                    )
                ),
                raised_voice=RaisedVoiceConfig(
                    rise_db=policy.raised_voice.rise_db,
                    attention_ms=round(policy.raised_voice.attention_seconds * 1000),
                    warning_ms=round(policy.raised_voice.warning_seconds * 1000),
                ),
                repeated_demand=RepeatedDemandConfig(
                    attention_count=policy.repeated_demand.attention_count,
                    warning_count=policy.repeated_demand.warning_count,
                    window_ms=round(policy.repeated_demand.window_minutes * 60_000),
                ),
                alerts=_book_config(policy),
            )

    def prepare_second_readings(self) -> None:
        """Build what ``candidates`` needs: a second or two a language, the first time.

        In the thread that runs the sessions, or before it runs any.
        """
        for matcher in self.matchers.values():
            matcher.prepare()

    def candidates(self, text: str, language: str) -> tuple[str, ...]:
        """At most six phrases that a final nearly holds; none in a language without rules."""
        matcher = self.matchers.get(primary_language(language))
        return () if matcher is None else matcher.candidates(text)

    def hint_phrases(self) -> dict[str, tuple[str, ...]]:
        """Whole phrases to listen for while they are spoken, by ISO 639-1 code."""
        return {language: matcher.hint_phrases() for language, matcher in self.matchers.items()}

    def session(self, started: CallStarted, *, alert_id_prefix: str) -> CallSession:
        """The stages of one call. ``alert_id_prefix`` must differ for every call ever monitored."""
        return CallSession(
            started,
            speech={
                channel: ChannelSpeech(
                    self.speech,
                    call_id=started.call_id,
                    channel=channel,
                    sample_rate_hz=started.sample_rate_hz,
                )
                for channel in started.channels
            },
            detectors=self._detectors(started),
            alerts=AlertBook(self.alerts, call_id=started.call_id, alert_id_prefix=alert_id_prefix),
        )

    def _detectors(self, started: CallStarted) -> list[Detector]:
        call_id = started.call_id
        detectors: list[Detector] = [
            CallClockDetector(self.call_clock, call_id=call_id, channels=started.channels),
            RaisedVoiceDetector(self.raised_voice, call_id=call_id),
        ]
        language = primary_language(started.language)
        matcher = self.matchers.get(language)
        if matcher is not None:
            detectors += [
                PhraseDetector(matcher, call_id=call_id, language=language),
                RepeatedDemandDetector(
                    self.repeated_demand, call_id=call_id, language=language, reader=self.reader
                ),
            ]
        return detectors


@contextlib.contextmanager
def _refusals_of(policy_file: Path | None) -> Iterator[None]:
    """Name the policy file in what a part refuses of it: the parts know no file."""
    source = policy_file or "default policy"
    try:
        yield
    except ConfigError as error:
        problems = [f"{source}: {problem}" for problem in error.problems]
        raise ConfigError(problems, code="bad_policy") from error
    except ValueError as error:
        raise ConfigError([f"{source}: {error}"], code="bad_policy") from error


def _book_config(policy: Policy) -> AlertBookConfig:
    def terms(category: str) -> AlertTerms:
        return AlertTerms(
            clause=policy.clause_of(category).id, guidance_key=policy.guidance_key_of(category)
        )

    named = {category for clause in policy.clause for category in clause.categories}
    return AlertBookConfig(
        policy_version=policy.version,
        terms={category: terms(category) for category in named | {c.value for c in Category}},
        custom_terms=AlertTerms(clause=OTHER, guidance_key=OTHER),
        escalations=tuple(
            EscalationRule(
                category=rule.category,
                count=rule.count,
                within_ms=round(rule.within_seconds * 1000),
                severity=rule.severity,
            )
            for rule in policy.escalation
        ),
        update_cooldown_ms=round(policy.alerts.update_cooldown_seconds * 1000),
    )
