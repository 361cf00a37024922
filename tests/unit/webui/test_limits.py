"""Guessing is slowed down, and nobody is shut out for good."""

from hypothesis import given
from hypothesis import strategies as st

from webui.limits import FORGET_S, FREE, LONGEST_S, MOST, Limits, Pace, pause_s, source


def test_the_first_failures_cost_nothing_then_pauses_grow():
    limits, now = Limits(), 1000.0
    for failures in range(1, FREE):
        limits.failed("a", now)
        assert limits.wait_s("a", now) == 0.0
        assert limits.left("a", now) == FREE - failures
    pauses = []
    for _ in range(8):
        limits.failed("a", now)
        pauses.append(limits.wait_s("a", now))
        now += pauses[-1]
        assert limits.wait_s("a", now) == 0.0
    assert pauses == [2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0]
    assert limits.wait_s("b", now) == 0.0


def test_success_and_time_forget():
    limits = Limits()
    for _ in range(9):
        limits.failed("a", 0.0)
        limits.failed("b", 0.0)
    limits.succeeded("a")
    assert limits.wait_s("a", 0.0) == 0.0
    assert limits.wait_s("b", 0.0) > 0.0
    assert limits.left("b", FORGET_S + 1) == FREE


@given(failures=st.integers(0, 10_000))
def test_no_pause_is_longer_than_a_minute(failures):
    assert 0.0 <= pause_s(failures) <= LONGEST_S


@given(tries=st.integers(0, 500))
def test_an_account_is_answered_later_but_always(tries):
    limits = Limits()
    for _ in range(tries):
        limits.failed("administrators.dana", 5.0)
    assert 0.0 <= limits.delay_s("administrators.dana", 5.0) <= 2.0
    assert limits.delay_s("administrators.luis", 5.0) == 0.0


def test_a_flood_of_addresses_fills_no_memory():
    limits = Limits()
    for number in range(MOST + 500):
        limits.failed(f"address {number}", 1.0)
    assert len(limits._counts) == MOST


def test_addresses_that_one_machine_can_choose_among_count_together():
    assert source("192.168.1.7") == "192.168.1.7"
    assert source("2001:db8:1:2:3:4:5:6") == source("2001:db8:1:2::1") == "2001:db8:1:2::/64"
    assert source("2001:db8:1:3::1") != source("2001:db8:1:2::1")
    assert source("nonsense") == "nonsense"


def test_a_pace_is_kept_by_each_alone():
    pace = Pace(2, 60.0)
    assert [pace.wait_s("a", now) for now in (0.0, 10.0, 20.0)] == [0.0, 0.0, 40.0]
    assert pace.wait_s("b", 20.0) == 0.0
    assert pace.wait_s("a", 60.0) == 0.0
    assert pace.wait_s("a", 60.0) == 10.0
