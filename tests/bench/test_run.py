"""The options of the bench, and the node that it sets up."""

from pathlib import Path

import pytest
from bench.node import metric_sum, settings_toml
from bench.run import ladder, parse

from mamori.config.settings import load_settings


def test_the_defaults_are_the_published_sizes():
    options = parse([])
    assert options.engines == ["peer", "whisper", "auto", "none"]
    assert options.seconds == 60.0
    assert ladder(options, "peer") == ladder(options, "auto") == [1, 2, 4, 8, 16, 24, 32]
    assert ladder(options, "whisper") == [1, 2, 4, 8, 16, 24, 32, 40, 48]
    assert ladder(options, "none") == [50, 100]
    assert not options.no_overload


def test_quick_is_a_trial():
    options = parse(["--quick", "--calls", "64"])
    assert ladder(options, "whisper") == ladder(options, "peer") == [2]
    assert (ladder(options, "none"), options.seconds, options.no_overload) == ([20], 15.0, True)


def test_an_engine_may_be_reached_as_its_peer_is():
    options = parse(["--engines", "whisper@vosk,peer"])
    assert options.engines == ["whisper@vosk", "peer"]
    assert ladder(options, "whisper@vosk") == ladder(options, "whisper")


def test_lists_and_places_are_taken_as_given():
    options = parse(["--calls", "3,6", "--engines", "vosk,none", "--json", "out.json"])
    assert (options.calls, options.engines) == ([3, 6], ["vosk", "none"])
    assert options.json == Path("out.json")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--calls", "0"], "at least 1"),
        (["--calls", "two"], "invalid"),
        (["--engines", "auto,best"], "best: not known"),
        (["--engines", "peer@vosk"], "peer@vosk: not known"),
        (["--seconds", "9.9"], "[10, 3600]"),
        (["--customer-speech", "0.91"], "[0, 0.9]"),
    ],
)
def test_an_option_out_of_range_is_refused_with_what_is_allowed(capsys, arguments, complaint):
    with pytest.raises(SystemExit) as ended:
        parse(arguments)
    assert ended.value.code == 2
    assert complaint in capsys.readouterr().err


def test_the_node_gets_settings_that_it_accepts(tmp_path):
    file = tmp_path / "mamori.toml"
    file.write_text(
        settings_toml(
            data_dir=tmp_path / "data",
            port=1234,
            health_port=1235,
            keys={"bench": "k" * 16, "probe": "p" * 16},
            engine="none",
            models_dir=tmp_path / "models",
            phrase_file=tmp_path / 'with "quotes".toml',
            workers=3,
        ),
        encoding="utf-8",
    )
    settings = load_settings(file, environ={})
    assert settings.telephony.listen_port == 1234
    assert settings.health.listen_port == 1235
    assert settings.recognition.engine == "none"
    assert settings.recognition.workers == 3
    assert settings.policy.phrase_files == (tmp_path / 'with "quotes".toml',)
    assert set(settings.tenants) == {"bench", "probe"}


def test_a_metric_of_the_node_is_summed_over_its_labels():
    text = (
        "# HELP work_seconds_total Work.\n"
        'work_seconds_total{engine="a"} 1.5\n'
        'work_seconds_total{engine="b"} 2.0\n'
        "work_seconds_total_other 9.0\n"
        "alone 4.0\n"
    )
    assert metric_sum(text, "work_seconds_total") == 3.5
    assert metric_sum(text, "alone") == 4.0
    assert metric_sum(text, "absent") is None
