"""When a crashed child comes back, and when in rescue."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.app.restarts import Policy, Restarts, backoff_s


def test_the_first_crash_restarts_at_once_and_normally():
    restarts = Restarts(Policy())
    restart = restarts.crashed(100.0, chance=0.0)
    assert restart.delay_s == 0.0
    assert not restart.entered_rescue
    assert not restarts.rescue
    assert restarts.total == 1


def test_the_third_crash_within_a_minute_enters_rescue_once():
    restarts = Restarts(Policy())
    entered = [restarts.crashed(now, chance=0.0).entered_rescue for now in (0.0, 30.0, 60.0, 61.0)]
    assert entered == [False, False, True, False]
    assert restarts.rescue
    assert restarts.total == 4


def test_three_crashes_over_more_than_a_minute_are_no_rescue():
    restarts = Restarts(Policy())
    for now in (0.0, 30.0, 60.1, 90.2, 120.3):
        assert not restarts.crashed(now, chance=0.0).entered_rescue
    assert not restarts.rescue


def test_rescue_outlasts_good_hours_and_ends_with_a_new_revision():
    restarts = Restarts(Policy())
    for now in (0.0, 1.0, 2.0):
        restarts.crashed(now, chance=0.0)
    restarts.crashed(50_000.0, chance=0.0)
    assert restarts.rescue
    restarts.forget()
    assert not restarts.rescue
    assert restarts.total == 4
    # The old crashes no longer count.
    assert not restarts.crashed(50_001.0, chance=0.0).entered_rescue
    assert not restarts.crashed(50_002.0, chance=0.0).entered_rescue
    assert restarts.crashed(50_003.0, chance=0.0).entered_rescue


@given(crashes=st.integers(1, 10_000), chance=st.floats(0, 1, exclude_max=True))
def test_the_back_off_leaves_time_to_be_back_within_five_seconds(crashes, chance):
    assert 0.0 <= backoff_s(crashes, chance) <= 2.0


@pytest.mark.parametrize(("crashes", "delay_s"), [(1, 0.0), (2, 0.0), (3, 0.25), (4, 0.5), (5, 1.0), (6, 2.0), (60, 2.0)])
def test_the_back_off_doubles_from_the_third_crash(crashes, delay_s):
    assert backoff_s(crashes, 0.0) == delay_s
    assert backoff_s(crashes, 0.5) == delay_s * 0.75
