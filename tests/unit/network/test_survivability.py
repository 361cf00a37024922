"""The order of the ways out and the reason for each place in it."""

import itertools
from dataclasses import replace

import pytest

from appliance.network.links import Over, Reach
from appliance.network.survivability import DOWN, Internet, Kind, Line, ModemFacts, Standing, Way, outside, survey
from appliance.network.wan_state import State
from appliance.types import MODEM, TrunkId

A, B, PRI = TrunkId("a"), TrunkId("b"), TrunkId("pri")
CARRIER, OTHER, GATEWAY = (
    Line(A, "Acme", works=True, address="198.51.100.10"),
    Line(B, "Bell", address="198.51.100.20"),
    Line(PRI, "PRI", works=True, address="10.77.0.5"),
)
UP = Internet(State.UP)


def reach(address: str) -> Reach:
    return Reach(Over.LAN, "lan") if address.startswith("10.") else Reach(Over.INTERNET, "wan")


def said(ways: tuple[Way, ...]) -> dict[TrunkId, tuple[Standing, str]]:
    return {way.id: (way.standing, way.reason) for way in ways}


def test_with_the_internet_up_each_line_speaks_for_itself() -> None:
    ways = survey([OTHER, CARRIER, GATEWAY], reach, UP)
    assert said(ways) == {
        B: (Standing.UNKNOWN, "Not heard of yet"),
        A: (Standing.WORKS, "Answers"),
        PRI: (Standing.WORKS, "Answers; needs no internet"),
    }
    assert [way.kind for way in ways] == [Kind.TRUNK, Kind.TRUNK, Kind.GATEWAY]
    assert outside(ways, (B, A, PRI)) == (A, PRI, B)


@pytest.mark.parametrize(
    ("internet", "standing", "order"),
    [
        (Internet(State.DOWN), Standing.FAILING, (PRI, MODEM, A)),
        (Internet(State.DOWN, link=False), Standing.FAILING, (PRI, MODEM, A)),
        (Internet(State.UP, link=False), Standing.FAILING, (PRI, MODEM, A)),
        (Internet(State.DOWN, returning=True), Standing.UNKNOWN, (PRI, A, MODEM)),
        (Internet(State.POOR), Standing.WORKS, (A, PRI, MODEM)),
        (Internet(State.UNKNOWN), Standing.WORKS, (A, PRI, MODEM)),
    ],
)
def test_an_outage_touches_what_needs_the_internet_alone(internet: Internet, standing: Standing, order: tuple[TrunkId, ...]) -> None:
    """A carrier whose last answer is a minute old does not answer any more, and a call must not wait to find that out."""
    ways = survey([CARRIER, GATEWAY], reach, internet, ModemFacts(True, outside=True))
    assert said(ways)[A][0] is standing and said(ways)[PRI][0] is Standing.WORKS
    assert outside(ways, (A, PRI)) == order


@pytest.mark.parametrize(("works", "standing", "order"), [(True, Standing.FAILING, (A,)), (None, Standing.CUT, ()), (False, Standing.CUT, ())])
def test_without_a_default_route_a_line_that_answers_is_still_tried(works: bool | None, standing: Standing, order: tuple[TrunkId, ...]) -> None:
    """Its way may be one of another table, or IPv6."""
    ways = survey([replace(CARRIER, works=works)], reach, Internet(State.DOWN, link=False))
    assert said(ways) == {A: (standing, "The internet has no link")} and outside(ways, (A,)) == order


def test_a_gateway_that_is_silent_or_without_a_cable_comes_after_what_works() -> None:
    silent = Line(PRI, "PRI", works=False, address="10.77.0.5")
    assert said(survey([silent], reach, UP))[PRI] == (Standing.FAILING, "Does not answer; needs no internet")
    unplugged = survey([GATEWAY, CARRIER], lambda address: Reach(Over.LAN, "lan", carrier=False) if address.startswith("10.") else reach(address), UP)
    assert said(unplugged)[PRI] == (Standing.FAILING, "lan has no link")
    assert outside(unplugged, (PRI, A)) == (A, PRI)


def test_a_line_without_an_address_carries_nothing() -> None:
    ways = survey([Line(A, "Acme", works=False)], reach, UP)
    assert said(ways)[A] == (Standing.CUT, "No address of it is known") and outside(ways, (A,)) == ()


def test_the_modem_carries_ordinary_calls_only_where_it_may_and_comes_after_lines_of_its_standing() -> None:
    for works, standing in ((True, Standing.WORKS), (None, Standing.UNKNOWN), (False, Standing.FAILING)):
        ways = survey([OTHER], reach, UP, ModemFacts(works, outside=False))
        assert said(ways)[MODEM][0] is standing and outside(ways, (B,)) == (B,)
    assert outside(survey([], reach, UP, ModemFacts(True, outside=True)), ()) == (MODEM,)
    assert outside(survey([OTHER], reach, UP, ModemFacts(True, outside=True)), (B,)) == (B, MODEM), "nothing is known of the line"
    assert outside(survey([CARRIER], reach, UP, ModemFacts(True, outside=True)), (A,)) == (A, MODEM)
    assert said(survey([], reach, UP, ModemFacts(False, saying="The SIM is missing")))[MODEM][1] == "The SIM is missing"


def test_a_trunk_nobody_knows_is_tried_among_the_unknown() -> None:
    assert outside(survey([CARRIER], reach, UP), (TrunkId("new"), A)) == (A, TrunkId("new"))


def test_what_is_left_without_internet() -> None:
    ways = survey([CARRIER, GATEWAY], reach, DOWN, ModemFacts(True))
    assert [way.id for way in ways if way.standing < Standing.FAILING] == [PRI, MODEM]


def test_nothing_known_ever_takes_a_way_from_the_survey() -> None:
    states = [Internet(state, link, returning) for state, link, returning in itertools.product(State, (True, False), (True, False))]
    for internet, works, modem in itertools.product(states, (True, False, None), (None, ModemFacts(None))):
        lines = [Line(A, "Acme", works=works, address="198.51.100.10"), Line(PRI, "PRI", works=works, address="10.77.0.5"), Line(B, "Bell", works=works)]
        ways = survey(lines, reach, internet, modem)
        assert [way.id for way in ways] == [A, PRI, B, *([MODEM] if modem else [])]
        assert all(way.reason and not way.reason.endswith(".") for way in ways)
