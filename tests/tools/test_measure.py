"""The arithmetic behind the figures of docs/detectors.md, without a recording or a model."""

import random

import numpy as np
import pytest
from tools.measure import data
from tools.measure.figures import (
    Share,
    Table,
    character_error,
    count,
    damage_kana,
    ratio,
    wilson,
)
from tools.measure.line import RATE_HZ, Line, at_nominal_level, gain_control

from tools import measure_detectors

KANA = "おせわになっております。キャンセル料の件、もう一度だけお願いします。" * 20


@pytest.mark.parametrize(
    ("hits", "of", "low", "high"),
    # Worked by hand from Wilson's formula with z = 1.96.
    [
        (0, 10, 0.0, 0.2775),
        (5, 10, 0.2366, 0.7634),
        (10, 10, 0.7225, 1.0),
        (20, 30, 0.4878, 0.8077),
    ],
)
def test_the_interval_is_wilsons(hits, of, low, high):
    assert wilson(hits, of) == pytest.approx((low, high), abs=5e-5)


def test_the_interval_of_a_share_mirrors_that_of_its_complement():
    low, high = wilson(3, 40)
    assert wilson(37, 40) == pytest.approx((1 - high, 1 - low))


@pytest.mark.parametrize(("hits", "of"), [(0, 0), (-1, 3), (4, 3)])
def test_what_is_no_share_has_no_interval(hits, of):
    with pytest.raises(ValueError, match="no share"):
        wilson(hits, of)


def test_a_share_is_written_as_the_document_writes_it():
    assert Share(5, 511, 0).as_count() == "5 of 511 (0), interval .004-.023"
    assert Share(0, 520, 0).as_count() == "0 of 520, interval 0-.007"
    assert Share(20, 30).as_count() == "20 of 30, interval .49-.81"
    assert Share(15, 90, 10).as_share() == ".17 (.11), interval .10-.26"
    assert Share(12, 12).as_share() == "1.00, interval .76-1"


def test_a_share_of_nothing_is_said_to_be_one():
    nothing = Share(0, 0)
    assert nothing.as_share() == nothing.as_count() == "0 of 0"
    assert nothing.as_json() == {"hits": 0, "of": 0}


@pytest.mark.parametrize(
    ("heard", "said", "expected"),
    [
        ("네 무료입니다", "네, 무료입니다.", 0.0),
        ("무료 입니다", "무료입니다!", 0.0),
        ("유료입니다", "무료입니다", 0.2),
        ("", "무료", 1.0),
        ("무료입니다", "무료", 1.5),
    ],
)
def test_the_character_error_counts_letters_and_nothing_else(heard, said, expected):
    assert character_error(heard, said) == pytest.approx(expected)


def test_the_same_seed_damages_the_same_kana():
    first, again, other = (damage_kana(KANA, 0.1, random.Random(seed)) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_damage_keeps_everything_but_the_share_of_kana():
    damaged = damage_kana(KANA, 0.1, random.Random(1))
    changed = [(a, b) for a, b in zip(KANA, damaged, strict=True) if a != b]
    kana = [letter for letter in KANA if "ぁ" <= letter <= "ヺ"]
    assert 0.07 < len(changed) / len(kana) < 0.13
    assert all("ぁ" <= b <= "ん" for a, b in changed if a <= "ん")
    assert all("ァ" <= b <= "ン" for a, b in changed if a > "ん")


def test_no_damage_changes_nothing_and_full_damage_leaves_no_kana_as_it_was():
    assert damage_kana(KANA, 0.0, random.Random(1)) == KANA
    wrong = damage_kana("あいうえおカキク料", 1.0, random.Random(1))
    assert wrong[-1] == "料"
    assert all(a != b for a, b in zip("あいうえおカキク", wrong, strict=False))


def test_a_table_shows_its_cells_and_hands_out_plain_numbers():
    table = Table(title="T", rows_are="set", columns=[("a", ratio), ("b", count)])
    table.rows["one"] = [Share(1, 4), None]
    assert table.markdown().splitlines()[2:] == [
        "| set | a | b |",
        "|---|---|---|",
        "| one | .25, interval .046-.70 |  |",
    ]
    assert table.as_json()["one"]["a"] == {"hits": 1, "of": 4, "low": 0.0456, "high": 0.6994}


def level_dbfs(wave):
    return 10 * np.log10(np.mean(np.square(wave)))


def tone(amplitude, seconds=4):
    return amplitude * np.sin(2 * np.pi * 1_000 * np.arange(seconds * RATE_HZ) / RATE_HZ)


def test_the_gain_control_evens_out_twenty_decibels_within_two_seconds():
    quiet, loud = (gain_control(tone(amplitude))[-RATE_HZ:] for amplitude in (0.05, 0.5))
    assert level_dbfs(loud) - level_dbfs(quiet) == pytest.approx(0, abs=0.2)


def test_the_gain_control_leaves_silence_alone():
    assert not gain_control(np.zeros(RATE_HZ)).any()


def test_the_nominal_level_does_not_count_pauses():
    speech = np.concatenate((tone(0.01), np.zeros(RATE_HZ * 4)))
    assert level_dbfs(at_nominal_level(speech)[: RATE_HZ * 4]) == pytest.approx(-26, abs=0.1)


def test_a_line_adds_its_gain():
    plain, louder = (Line(gain_db=gain).carry(tone(0.05)) / 32_768 for gain in (0.0, 12.0))
    assert level_dbfs(louder) - level_dbfs(plain) == pytest.approx(12, abs=0.2)


@pytest.mark.parametrize("part", ["words", "calls", "voice"])
def test_absent_data_are_named_in_one_line_and_the_exit_code_is_1(
    part, monkeypatch, tmp_path, capsys
):
    monkeypatch.setattr(data, "SHARED_DATA", tmp_path / "nowhere")
    assert measure_detectors.main([part]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert len(printed.err.splitlines()) == 1
    assert "needs ../shared/data/" in printed.err
