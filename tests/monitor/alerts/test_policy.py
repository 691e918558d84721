"""What a firm may and may not decide about alerts."""

from __future__ import annotations

import pytest

from mamori.monitor.alerts.policy import AlertBookConfig, AlertTerms, EscalationRule
from mamori.monitor.events import Category, Severity

CUSTOM = AlertTerms(clause="clause.other", guidance_key="guidance.other")


def test_every_category_of_the_policy_must_have_its_terms(terms: dict[str, AlertTerms]) -> None:
    lacking = {name: value for name, value in terms.items() if name not in {"threat", "insult"}}
    with pytest.raises(ValueError, match="missing: insult, threat"):
        AlertBookConfig(policy_version="1", terms=lacking, custom_terms=CUSTOM)


def test_terms_of_what_is_no_category_are_refused(terms: dict[str, AlertTerms]) -> None:
    with pytest.raises(ValueError, match="no category: rudeness"):
        AlertBookConfig(policy_version="1", terms=terms | {"rudeness": CUSTOM}, custom_terms=CUSTOM)


def test_a_custom_category_falls_back_to_the_custom_terms(config: AlertBookConfig) -> None:
    assert config.terms_of("custom:dogeza").clause == "clause.other"


def test_a_custom_category_may_have_terms_of_its_own(terms: dict[str, AlertTerms]) -> None:
    own = AlertTerms(clause="clause.dogeza", guidance_key="guidance.dogeza")
    config = AlertBookConfig(
        policy_version="1", terms=terms | {"custom:dogeza": own}, custom_terms=CUSTOM
    )
    assert config.terms_of("custom:dogeza") == own


def test_later_changes_to_the_given_terms_change_nothing(terms: dict[str, AlertTerms]) -> None:
    given = dict(terms)
    config = AlertBookConfig(policy_version="1", terms=given, custom_terms=CUSTOM)
    given["insult"] = CUSTOM
    assert config.terms_of("insult").clause == "clause.insult"


@pytest.mark.parametrize("cooldown_ms", [0, 600_000])
def test_the_cooldown_may_be_anything_up_to_ten_minutes(
    terms: dict[str, AlertTerms], cooldown_ms: int
) -> None:
    config = AlertBookConfig(
        policy_version="1", terms=terms, custom_terms=CUSTOM, update_cooldown_ms=cooldown_ms
    )
    assert config.update_cooldown_ms == cooldown_ms


@pytest.mark.parametrize("cooldown_ms", [-1, 600_001])
def test_a_cooldown_out_of_range_names_the_range(
    terms: dict[str, AlertTerms], cooldown_ms: int
) -> None:
    with pytest.raises(ValueError, match=r"\[0, 600000\]"):
        AlertBookConfig(
            policy_version="1", terms=terms, custom_terms=CUSTOM, update_cooldown_ms=cooldown_ms
        )


@pytest.mark.parametrize("count", [2, 100])
@pytest.mark.parametrize("within_ms", [1, 86_400_000])
def test_an_escalation_rule_takes_both_ends_of_its_ranges(count: int, within_ms: int) -> None:
    rule = EscalationRule(
        category="insult", count=count, within_ms=within_ms, severity=Severity.WARNING
    )
    assert (rule.count, rule.within_ms) == (count, within_ms)


@pytest.mark.parametrize(
    ("category", "count", "within_ms", "message"),
    [
        ("insult", 1, 60_000, r"count must be in \[2, 100\]"),
        ("insult", 101, 60_000, r"count must be in \[2, 100\]"),
        ("insult", 2, 0, r"within_ms must be in \[1, 86400000\]"),
        ("insult", 2, 86_400_001, r"within_ms must be in \[1, 86400000\]"),
        ("rudeness", 2, 60_000, "category must be"),
    ],
)
def test_an_escalation_rule_out_of_range_names_the_range(
    category: str, count: int, within_ms: int, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        EscalationRule(
            category=category, count=count, within_ms=within_ms, severity=Severity.WARNING
        )


def test_by_default_two_insults_within_a_minute_are_a_warning(config: AlertBookConfig) -> None:
    (rule,) = config.escalations_of(Category.INSULT)
    assert (rule.count, rule.within_ms, rule.severity) == (2, 60_000, Severity.WARNING)
