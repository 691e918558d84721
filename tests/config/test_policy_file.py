"""The policy file: complete in both languages, and refused whole when anything is wrong."""

import re
from importlib import resources
from pathlib import Path

import pytest
from annotated_types import Ge, Le

from mamori.config.policy_file import (
    Alerts,
    ClockStage,
    Escalation,
    RaisedVoice,
    RepeatedDemand,
    load_policy,
)
from mamori.errors import ConfigError
from mamori.monitor.events import Category

DEFAULT = (resources.files("mamori.config") / "policy" / "default.toml").read_text(encoding="utf-8")


def problems_with(tmp_path, *changes):
    text = DEFAULT
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path = tmp_path / "policy.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as raised:
        load_policy(path)
    assert raised.value.code == "bad_policy"
    return "\n".join(raised.value.problems)


def test_every_category_comes_under_exactly_one_clause():
    policy = load_policy()

    for category in Category:
        holders = [clause.id for clause in policy.clause if category in clause.categories]
        assert len(holders) == 1, category


def test_every_category_has_guidance_in_both_languages():
    policy = load_policy()

    for category in Category:
        key = policy.guidance_key_of(category)
        assert key == category
        for language in ("ja", "en"):
            text = policy.guidance_text(key, language)
            assert text.agent
            assert text.supervisor


def test_a_firms_own_category_comes_under_the_other_clause():
    policy = load_policy()

    assert policy.clause_of("custom:parking").id == "other"
    assert policy.guidance_key_of("custom:parking") == "other"


def test_the_default_thresholds_are_those_of_the_sources():
    policy = load_policy()

    assert [(s.minutes, s.severity) for s in policy.call_clock] == [
        (15, "attention"),
        (30, "warning"),
        (60, "critical"),
    ]
    assert policy.repeated_demand.attention_count == 3
    assert policy.repeated_demand.warning_count == 5


def test_an_unknown_key_is_refused_with_the_nearest_name(tmp_path):
    text = problems_with(tmp_path, ("rise_db = 8.0", "rise_dbb = 8.0"))

    assert "raised_voice.rise_dbb: unknown key; did you mean 'rise_db'?" in text
    assert "policy.toml" in text


def test_every_problem_is_reported_at_once(tmp_path):
    text = problems_with(
        tmp_path,
        ("minutes = 15", "minutes = 0"),
        ("attention_count = 3", "attention_count = 1"),
        ('version = "2026.11.1"', 'version = "latest"'),
    )

    assert "call_clock.0.minutes" in text
    assert "repeated_demand.attention_count" in text
    assert "version" in text


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('["insult", "threat"', '["insul", "threat"', "did you mean 'insult'?"),
        ('categories = ["violence"]', 'categories = ["violence", "threat"]', "in 2 clauses"),
        ('categories = ["violence"]', "categories = []", "'violence' comes under no clause"),
        ("minutes = 30", "minutes = 15", "must rise"),
        ("warning_count = 5", "warning_count = 2", "must not be below attention_count"),
        ("warning_seconds = 5.0", "warning_seconds = 1.0", "must not be below attention_seconds"),
        ('id = "other"', 'id = "others"', "a clause with id 'other'"),
        ("guidance.violence.", "guidance.violense.", "guidance.violense: no such category"),
        ('category = "insult"', 'category = "rude"', "unknown category 'rude'"),
    ],
)
def test_contradictions_are_named(tmp_path, old, new, expected):
    assert expected in problems_with(tmp_path, (old, new))


def test_files_that_cannot_be_read_are_named(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read"):
        load_policy(tmp_path / "none.toml")
    (tmp_path / "latin.toml").write_bytes(b'version = "\xff"')
    with pytest.raises(ConfigError, match="not UTF-8"):
        load_policy(tmp_path / "latin.toml")
    (tmp_path / "deep.toml").write_text("a = " + "[" * 5_000)
    with pytest.raises(ConfigError, match="not a TOML file"):
        load_policy(tmp_path / "deep.toml")
    (tmp_path / "text.toml").write_text("hello")
    with pytest.raises(ConfigError, match="not a TOML file"):
        load_policy(tmp_path / "text.toml")


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ("window_minutes = 10", "window_minutes = {}", "repeated_demand.window_minutes"),
        ("within_seconds = 60", "within_seconds = {}", "escalation.0.within_seconds"),
        ("minutes = 15", "minutes = {}", "call_clock.0.minutes"),
    ],
)
def test_a_time_too_short_to_be_reached_is_refused_with_its_key(tmp_path, old, new, key):
    shortest = {"window_minutes": 1 / 60, "within_seconds": 0.001, "minutes": 1 / 60_000}
    edge = shortest[key.rpartition(".")[2]]

    assert f"{key}: " in problems_with(tmp_path, (old, new.format(edge * 0.99)))
    for accepted in (edge, edge * 1.01):
        path = tmp_path / "accepted.toml"
        path.write_text(DEFAULT.replace(old, new.format(accepted), 1), encoding="utf-8")
        load_policy(path)


def limits(model, field):
    """The lowest and the highest value that the policy file allows."""
    metadata = model.model_fields[field].metadata
    lowest = next(limit.ge for limit in metadata if isinstance(limit, Ge))
    return [lowest, next(limit.le for limit in metadata if isinstance(limit, Le))]


DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "policy.md"
WINDOW = limits(RepeatedDemand, "window_minutes")
DOCUMENTED = {
    # In words: above nothing, up to a day.
    "[[call_clock]]": [0, limits(ClockStage, "minutes")[1]],
    # The lower limit of the window is given in seconds.
    "[repeated_demand]": [*limits(RepeatedDemand, "attention_count"), WINDOW[0] * 60, WINDOW[1]],
    "[raised_voice]": [
        *limits(RaisedVoice, "rise_db"),
        *limits(RaisedVoice, "attention_seconds"),
        *limits(RaisedVoice, "warning_seconds"),
    ],
    "[alerts]": limits(Alerts, "update_cooldown_seconds"),
    "[[escalation]]": [*limits(Escalation, "count"), *limits(Escalation, "within_seconds")],
}


@pytest.mark.parametrize("section", DOCUMENTED)
def test_the_documented_ranges_are_those_of_the_file_in_both_languages(section):
    rows = [
        line.split(" | ")[-1]
        for line in DOCUMENT.read_text("utf-8").splitlines()
        if line.startswith(f"| `{section}` |")
    ]

    assert len(rows) == 2
    for row in rows:
        numbers = re.findall(r"\d[\d,]*(?:\.\d+)?", row)
        assert [float(number.replace(",", "")) for number in numbers] == DOCUMENTED[section], row


def test_both_counts_of_a_repeated_demand_have_the_same_range():
    assert limits(RepeatedDemand, "warning_count") == limits(RepeatedDemand, "attention_count")
