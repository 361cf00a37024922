"""The E-model: known values of ITU-T G.107 and its tables, and the direction in which each impairment pulls."""

import pytest

from appliance.sip.mos import burst_ratio, mos, rating, score


@pytest.mark.parametrize(("r", "expected"), [(93.2, 4.41), (90, 4.34), (80, 4.03), (70, 3.60), (60, 3.10), (50, 2.58), (0, 1.0), (-5, 1.0), (100, 4.5)])
def test_a_rating_becomes_the_score_of_g107_annex_b(r, expected):
    assert mos(r) == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize("codec", ["pcmu", "PCMA", "g722", "opus", "", "none-such"])
def test_a_clean_stream_is_as_good_as_narrow_band_gets(codec):
    assert 4.35 < score(codec, 0.0) <= 4.41


@pytest.mark.parametrize(("lost", "taken"), [(0.01, 95 * 1 / 26.1), (0.05, 95 * 5 / 30.1), (0.10, 95 * 10 / 35.1)])
def test_random_loss_takes_what_ie_eff_says(lost, taken):
    assert rating("pcmu", 0.0) - rating("pcmu", lost) == pytest.approx(taken, abs=0.01)


def test_each_impairment_makes_it_worse():
    steps = [score("pcmu", lost) for lost in (0.0, 0.01, 0.03, 0.1, 0.3, 0.99, 1.0)]
    assert steps == sorted(steps, reverse=True)
    assert steps[-1] == 1.0
    assert score("pcmu", 0.0, jitter_ms=60) < score("pcmu", 0.0, jitter_ms=30) < score("pcmu", 0.0)
    assert score("pcmu", 0.0, one_way_ms=400) < 3.6 < score("pcmu", 0.0, one_way_ms=100)
    assert score("pcmu", 0.05, burst=4) < score("pcmu", 0.05)


def test_small_jitter_costs_nothing_a_phone_would_notice():
    assert score("pcmu", 0.0) - score("pcmu", 0.0, jitter_ms=10) < 0.02


def test_bursts():
    assert burst_ratio(10, 10, 0.1) == 1.0  # single packets are never more than random
    assert burst_ratio(40, 10, 0.05) == pytest.approx(3.8)
    assert burst_ratio(0, 0, 0.0) == 1.0
