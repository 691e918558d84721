"""How memory grows over a long call."""

import pytest
from bench.growth import Sample, drops, slope_bytes_per_hour, slopes


def _sample(at_s, **pss_bytes):
    return Sample(at_s=at_s, pss_bytes=pss_bytes)


@pytest.mark.parametrize("points", [[], [(0.0, 1.0)], [(5.0, 1.0), (5.0, 9.0)]])
def test_there_is_no_slope_without_two_times(points):
    assert slope_bytes_per_hour(points) is None


def test_a_slope_is_what_is_gained_in_an_hour():
    assert slope_bytes_per_hour([(0, 100), (600, 110), (1200, 120)]) == pytest.approx(60)
    assert slope_bytes_per_hour([(0, 100), (600, 100)]) == 0
    assert slope_bytes_per_hour([(0, 100), (600, 90)]) == pytest.approx(-60)


def test_one_outlier_moves_the_slope_less_than_the_ends_would():
    level = [(n * 600.0, 100.0) for n in range(10)]
    level[4] = (2400.0, 200.0)
    assert abs(slope_bytes_per_hour(level) or 0) < 30


def test_growth_before_the_given_time_is_warming_up_and_does_not_count():
    samples = [_sample(0, worker=0), _sample(600, worker=900), _sample(1200, worker=900)]
    assert slopes(samples, 600)["worker"] == 0
    assert slopes(samples, 601)["worker"] is None


def test_each_process_has_a_slope_and_all_of_them_together():
    samples = [_sample(600, node=10, worker=20), _sample(4200, node=11, worker=19)]
    assert slopes(samples, 0) == {"node": 1, "worker": -1, "all": 0}


def test_a_process_that_came_later_counts_from_then_on():
    samples = [_sample(0, a=5), _sample(3600, a=5, b=7), _sample(7200, a=5, b=8)]
    found = slopes(samples, 0)
    assert found["b"] == pytest.approx(1)
    assert found["all"] == pytest.approx((13 - 5) / 2)


@pytest.mark.parametrize(("given_back", "expected"), [(19, 0), (20, 1), (21, 1)])
def test_memory_that_is_given_back_is_a_drop(given_back, expected):
    samples = [_sample(0, a=50, b=50), _sample(1, a=100 - given_back, b=0), _sample(2, a=100, b=0)]
    assert drops(samples, ["a", "b"], 20) == expected


def test_only_the_named_processes_count_for_drops():
    samples = [_sample(0, node=90, a=1), _sample(1, node=10, a=1)]
    assert drops(samples, ["a"], 20) == 0
