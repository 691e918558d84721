"""``mamori demo --exit``: what somebody sees who tries Mamori for the first time."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from mamori.monitor.demo import demo_calls
from mamori.monitor.texts import Texts

# The calls play in real time, and models are joined and loaded before.
pytestmark = pytest.mark.timeout(400)

TEXTS = Texts("ja")
BAD_CALL = "demo-broken-boiler"
FAIR_CALL = "demo-deposit-refund"


@pytest.fixture(scope="module")
def demos(mamori, environment, models_dir):
    """The demo with every engine that is here, and the one without; both at once to save time."""
    env = environment(recognition__models_dir=models_dir)

    def run(*options):
        return mamori("demo", "--exit", *options, env=env, timeout_s=300)

    with ThreadPoolExecutor(2) as pool:
        words, sound = pool.submit(run), pool.submit(run, "--engine", "none")
        return words.result(), sound.result()


@pytest.fixture(scope="module")
def with_words(demos):
    return demos[0]


@pytest.fixture(scope="module")
def without_words(demos):
    return demos[1]


def alerts(result, call_id, category=r"\w+"):
    """The lines of a call's alerts of a category."""
    pattern = rf"^{call_id}  \d+:\d\d \[\S+\] .*[（(]{category}[）)] — .*$"
    return re.findall(pattern, result.stdout, re.MULTILINE)


def test_it_ends_with_0_and_complains_about_nothing(with_words, without_words):
    for result in (with_words, without_words):
        assert result.returncode == 0, result.stdout + result.stderr
        assert result.stderr == ""


def test_a_threat_is_shown_with_the_words_that_were_said(with_words):
    lines = alerts(with_words, BAD_CALL, "(?:threat|violence)")

    assert lines
    for line in lines:
        quote = re.search(r"「(.+?)」", line)
        assert quote is not None
        # The words stand in the transcript that is shown beside the alerts.
        assert with_words.stdout.count(quote.group(1)) > 1


def test_a_raised_voice_is_shown_in_decibels(with_words):
    (first, *_) = alerts(with_words, BAD_CALL, "raised_voice")

    assert re.search(r"\+\d+\.\d dB", first)


def test_the_same_demand_again_and_again_is_shown(with_words):
    assert alerts(with_words, BAD_CALL, "repeated_demand")


def test_the_fair_call_raises_nothing(with_words, without_words):
    assert alerts(with_words, FAIR_CALL) == []
    assert alerts(without_words, FAIR_CALL) == []
    fair = next(call.title_ja for call in demo_calls() if call.call_id == FAIR_CALL)
    assert TEXTS("demo.passed_silent", call=fair) in with_words.stdout.splitlines()
    # It was heard all the same.
    assert len(re.findall(rf"^{FAIR_CALL}  ", with_words.stdout, re.MULTILINE)) > 5


def test_without_words_it_says_so_in_one_line_and_shows_the_raised_voice(without_words):
    assert without_words.stdout.splitlines().count(TEXTS("demo.no_words")) == 1
    assert TEXTS("channel.customer") + ":" not in without_words.stdout
    (first, *_) = alerts(without_words, BAD_CALL)
    assert "raised_voice" in first
    assert re.search(r"\+\d+\.\d dB", first)


def test_every_alert_was_in_the_stream(with_words, without_words):
    for result in (with_words, without_words):
        shown = re.escape(TEXTS("demo.in_stream", count="COUNT")).replace("COUNT", r"(\d+)")
        (count,) = re.findall(f"^{shown}$", result.stdout, re.MULTILINE)
        assert int(count) >= 2
