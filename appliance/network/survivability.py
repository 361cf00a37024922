"""In which order the ways out are taken, and why: from what is known of the internet, of every line and of the modem (pure).

It orders and explains. An outside call leaves out what cannot even send; an emergency call tries everything, for knowledge can be wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import IntEnum, StrEnum

from appliance.network.links import Over, Reach
from appliance.network.wan_state import State
from appliance.types import MODEM, TrunkId


class Kind(StrEnum):
    """`GATEWAY`: a line whose other end is inside the site's own network (an analogue or ISDN gateway); no outage of the internet touches it."""

    TRUNK = "trunk"
    GATEWAY = "gateway"
    MODEM = "modem"


class Standing(IntEnum):
    """How promising a way is; its number is its rank. `CUT`: nothing can leave over it now."""

    WORKS = 0
    UNKNOWN = 1
    FAILING = 2
    CUT = 3


@dataclass(frozen=True, slots=True)
class Line:
    """A trunk as it is now. `works`: what its OPTIONS and its registration say, None: nothing yet. `address`: the IP literal it goes to, "": none is known."""

    id: TrunkId
    name: str
    enabled: bool = True
    works: bool | None = None
    address: str = ""


@dataclass(frozen=True, slots=True)
class ModemFacts:
    """The modem, where the box has one. `outside`: ordinary calls may take it, too. `saying`: what is wrong, a sentence without its full stop."""

    works: bool | None
    outside: bool = False
    saying: str = ""


@dataclass(frozen=True, slots=True)
class Internet:
    """What is thought of the internet. `link`: a way out has a cable in it. `returning`: it is well again, and not trusted yet."""

    state: State = State.UNKNOWN
    link: bool = True
    returning: bool = False


@dataclass(frozen=True, slots=True)
class Way:
    """One way out. `reason`: a sentence without its full stop. `outside`: ordinary calls may take it."""

    id: TrunkId
    name: str
    kind: Kind
    standing: Standing
    reason: str
    enabled: bool = True
    outside: bool = True

    @property
    def rank(self) -> int:
        """Where it stands among the others, 0 is best. A modem, which costs by the minute and carries no location, comes after a line nothing is known of."""
        return max(self.standing, Standing.UNKNOWN) if self.kind is Kind.MODEM else self.standing


Reaching = Callable[[str], Reach]
"""How the kernel gets to an IP literal."""


def survey(lines: Iterable[Line], reach: Reaching, internet: Internet, modem: ModemFacts | None = None) -> tuple[Way, ...]:
    """Every way out, in the order of the document with the modem last, each with its standing and the reason for it."""
    ways = [_line(line, reach, internet) for line in lines]
    if modem is not None:
        ways.append(_modem(modem))
    return tuple(ways)


def outside(ways: Iterable[Way], trunks: Iterable[TrunkId]) -> tuple[TrunkId, ...]:
    """The ways of an ordinary call that may take `trunks`, best first: what is equal stays in their order, the modem after them, what is cut left out.

    A trunk nothing is known of counts as unknown.
    """
    known = {way.id: way for way in ways}
    wanted = list(dict.fromkeys(trunks))
    if MODEM in known and known[MODEM].outside:
        wanted.append(MODEM)
    ranks = {key: known[key].rank if key in known else Standing.UNKNOWN for key in wanted}
    return tuple(sorted((key for key in wanted if ranks[key] < Standing.CUT), key=lambda key: ranks[key]))


DOWN = Internet(State.DOWN)
"""A day without internet, for telling people what is left then."""


def _line(line: Line, reach: Reaching, internet: Internet) -> Way:
    if not line.address:
        return Way(line.id, line.name, Kind.TRUNK, Standing.CUT, "No address of it is known", line.enabled)
    way = reach(line.address)
    if way.over is Over.INTERNET:
        return Way(line.id, line.name, Kind.TRUNK, *_outer(line, internet), line.enabled)
    if not way.carrier:
        return Way(line.id, line.name, Kind.GATEWAY, Standing.FAILING, f"{way.interface} has no link", line.enabled)
    standing, said = _by_itself(line)
    return Way(line.id, line.name, Kind.GATEWAY, standing, f"{said}; needs no internet", line.enabled)


def _outer(line: Line, internet: Internet) -> tuple[Standing, str]:
    """A line over the internet: that comes first, then what the line itself says."""
    if internet.state is State.DOWN:
        if not internet.link:
            # A line that answers has a way the default routes do not show: another table's, or IPv6.
            return Standing.FAILING if line.works else Standing.CUT, "The internet has no link"
        if not internet.returning:
            return Standing.FAILING, "The internet is down"
        if line.works is not False:
            return Standing.UNKNOWN, "The internet is back, and not trusted yet"
    elif not internet.link:
        return Standing.FAILING, "The internet has just lost its link"
    return _by_itself(line)


def _by_itself(line: Line) -> tuple[Standing, str]:
    match line.works:
        case True:
            return Standing.WORKS, "Answers"
        case False:
            return Standing.FAILING, "Does not answer"
    return Standing.UNKNOWN, "Not heard of yet"


def _modem(modem: ModemFacts) -> Way:
    standing = {True: Standing.WORKS, None: Standing.UNKNOWN, False: Standing.FAILING}[modem.works]
    said = modem.saying or {True: "Has a mobile network", None: "Not heard of yet", False: "Cannot call now"}[modem.works]
    return Way(MODEM, "Mobile modem", Kind.MODEM, standing, said, outside=modem.outside)
