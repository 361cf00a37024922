"""Which of two ways out is used: away from a dead one at once, back to a better one late, never to and fro."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from appliance.network.uplinks import Level, Uplinks
from appliance.network.wan_state import Path

ONE, TWO = ("wan", "203.0.113.1"), ("lte", "100.64.2.1")


def path(key: tuple[str, str], *, carrier: bool = True) -> Path:
    return Path(*key, carrier)


def made() -> Uplinks:
    found = Uplinks()
    found.paths(0.0, [path(ONE), path(TWO)])
    found.heard(0.0, ONE, Level.OUTSIDE)
    found.heard(0.0, TWO, Level.OUTSIDE)
    return found


def test_a_cable_pulled_out_moves_at_once_and_back_after_thirty_seconds() -> None:
    ways = made()
    assert ways.wanted is None and ways.used == ONE
    ways.paths(10.0, [path(ONE, carrier=False), path(TWO)])
    assert (ways.wanted, ways.why) == (TWO, "wan has no link")
    ways.paths(20.0, [path(ONE), path(TWO)])
    ways.heard(21.0, ONE, Level.OUTSIDE)
    ways.heard(50.0, ONE, Level.OUTSIDE)
    assert ways.wanted == TWO, "not trusted yet"
    ways.tick(51.0)
    assert ways.wanted is None and ways.why == "wan is well again"


def test_silence_counts_after_its_time_and_one_lost_round_does_not() -> None:
    ways = made()
    ways.heard(3.0, ONE, Level.GATEWAY)
    assert ways.wanted is None and ways.doubted()
    ways.heard(4.1, ONE, Level.GATEWAY)
    assert (ways.wanted, ways.why) == (TWO, "wan leads to its gateway alone")
    assert not ways.doubted(), "the second answers"


def test_a_relapse_begins_the_time_of_trust_anew() -> None:
    ways = made()
    ways.paths(10.0, [path(ONE, carrier=False), path(TWO)])
    ways.paths(12.0, [path(ONE), path(TWO)])
    ways.heard(13.0, ONE, Level.OUTSIDE)
    ways.paths(30.0, [path(ONE, carrier=False), path(TWO)])
    ways.paths(31.0, [path(ONE), path(TWO)])
    ways.heard(32.0, ONE, Level.OUTSIDE)
    ways.tick(50.0)
    assert ways.wanted == TWO
    ways.tick(62.0)
    assert ways.wanted is None


def test_where_neither_leads_out_nothing_moves() -> None:
    ways = made()
    for now in (2.0, 4.5, 7.0, 9.5):
        ways.heard(now, ONE, Level.GATEWAY)
        ways.heard(now, TWO, Level.GATEWAY)
    assert ways.wanted is None
    for now in (12.0, 16.5):
        ways.heard(now, ONE, Level.SILENT)
    assert ways.wanted == TWO, "its gateway is there at least"


def test_a_way_out_that_goes_away_is_not_wanted_any_more() -> None:
    ways = made()
    ways.paths(1.0, [path(ONE, carrier=False), path(TWO)])
    ways.paths(2.0, [path(ONE, carrier=False)])
    assert ways.wanted is None and ways.used == ONE
    ways.heard(3.0, TWO, Level.OUTSIDE)
    assert ways.level(TWO) is None


def test_one_way_out_is_never_chosen() -> None:
    ways = Uplinks()
    ways.paths(0.0, [path(ONE, carrier=False)])
    assert ways.wanted is None and ways.level(ONE) is Level.CUT


@given(st.lists(st.tuples(st.floats(0.05, 5.0), st.sampled_from(["cut", "mend", "bad", "good"]), st.booleans())))
def test_whatever_happens_it_never_returns_before_its_time(news: list[tuple[float, str, bool]]) -> None:
    ways, now, carriers, left_s = made(), 0.0, {ONE: True, TWO: True}, -100.0
    for wait_s, what, first in news:
        now += wait_s
        before, key = ways.wanted, ONE if first else TWO
        if what in {"cut", "mend"}:
            carriers[key] = what == "mend"
            ways.paths(now, [path(each, carrier=carriers[each]) for each in (ONE, TWO)])
        else:
            ways.heard(now, key, Level.OUTSIDE if what == "good" else Level.SILENT)
        if ways.wanted == TWO and before is None:
            left_s = now
            assert ways.level(ONE) is not Level.OUTSIDE
        if before == TWO and ways.wanted is None and carriers[TWO] and ways.level(TWO) is Level.OUTSIDE:
            assert now - left_s >= 30.0, "the second works: no hurry to go back"
