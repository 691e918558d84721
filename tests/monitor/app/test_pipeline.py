"""What a part of the pipeline refuses of a policy is said with the policy's file."""

from importlib import resources

import pytest

from mamori.errors import ConfigError
from mamori.monitor.app.pipeline import Pipeline

DEFAULT = (resources.files("mamori.config") / "policy" / "default.toml").read_text(encoding="utf-8")


def policy_file(folder, *changes):
    text = DEFAULT
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    path = folder / "policy.toml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "changes",
    [
        # Both round to the same millisecond.
        [("minutes = 15", "minutes = 10.0"), ("minutes = 30", "minutes = 10.000001")],
        [('stage = "warning"', 'stage = "notice"')],
    ],
)
def test_what_only_a_detector_can_refuse_names_the_policy_file(tmp_path, changes):
    path = policy_file(tmp_path, *changes)

    with pytest.raises(ConfigError) as raised:
        Pipeline.load(languages=["ko"], policy_file=path)

    assert raised.value.code == "bad_policy"
    assert all(problem.startswith(f"{path}: ") for problem in raised.value.problems)


def test_a_value_that_a_part_alone_refuses_names_the_policy_file(tmp_path, monkeypatch):
    path = policy_file(tmp_path)

    def refuse(**_values):
        raise ValueError("attention_ms must be lower")

    monkeypatch.setattr("mamori.monitor.app.pipeline.RaisedVoiceConfig", refuse)

    with pytest.raises(ConfigError, match=r"policy\.toml: attention_ms must be lower"):
        Pipeline.load(languages=["ko"], policy_file=path)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("window_minutes = 10", f"window_minutes = {1 / 60}"),
        ("within_seconds = 60", "within_seconds = 0.001"),
        ("minutes = 15", f"minutes = {1 / 60_000}"),
        ("warning_count = 5", "warning_count = 20"),
        ("attention_seconds = 2.0", "attention_seconds = 1"),
        ("warning_seconds = 5.0", "warning_seconds = 60"),
        ("rise_db = 8.0", "rise_db = 3"),
        ("rise_db = 8.0", "rise_db = 40"),
    ],
)
def test_every_part_takes_the_outermost_value_that_the_policy_file_allows(tmp_path, old, new):
    pipeline = Pipeline.load(languages=["ko"], policy_file=policy_file(tmp_path, (old, new)))

    assert pipeline.repeated_demand.window_ms >= 1_000
    assert all(rule.within_ms >= 1 for rule in pipeline.alerts.escalations)
