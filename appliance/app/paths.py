"""The ways out of the box in their order, for calls that take them and for people who want to know: trunks, gateways and the modem."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from appliance.calls.emergency_dial import emergency_paths
from appliance.control import wan_shapes as shapes
from appliance.emergency.recognise import SOS, EmergencyService
from appliance.network.links import Over
from appliance.network.survivability import DOWN, Internet, Line, ModemFacts, Standing, Way, outside, survey
from appliance.network.wan_state import State
from appliance.types import MODEM, TrunkId

if TYPE_CHECKING:
    from appliance.app.wiring import Box

log = logging.getLogger(__name__)
_EMERGENCY = EmergencyService("emergency", "911", SOS, "911")


class PathService:
    """Answers at once, from memory. `modem`: what the modem can do now, None where the box has none."""

    def __init__(self, box: Box) -> None:
        self._box = box
        self.modem: Callable[[], ModemFacts | None] = lambda: None

    # ---- for calls -----------------------------------------------------------------------------------------------

    def order(self, trunks: tuple[TrunkId, ...]) -> tuple[TrunkId, ...]:
        """The ways of an ordinary call, best first; as they came where that cannot be found out."""
        try:
            return outside(self._survey(self._box.wan.internet()), trunks)
        except Exception:
            log.exception("the ways out could not be put in order")
            return trunks

    def rank(self, way: TrunkId) -> int:
        """How promising a way is for an emergency call, 0 is best."""
        return next((found.rank for found in self._survey(self._box.wan.internet()) if found.id == way), Standing.UNKNOWN)

    def has_modem(self) -> bool:
        return self.modem() is not None

    def lost(self, trunk: TrunkId) -> bool:
        """Whether it needs the internet, and that is down beyond doubt."""
        internet, address = self._box.wan.internet(), self._box.trunks.addresses().get(trunk, "")
        down = internet.state is State.DOWN and not internet.returning
        return down and bool(address) and self._box.wan.reach(address).over is Over.INTERNET

    # ---- for people ----------------------------------------------------------------------------------------------

    def whole(self) -> shapes.WaysResult:
        """The order now, of both kinds of calls, and what would be left without internet."""
        now, then = self._survey(self._box.wan.internet()), self._survey(DOWN)
        trunks = self._box.snapshot.outbound_trunks
        return {
            "number": self._box.snapshot.country.emergency[0],
            "emergency": [_row(way) for way in self._emergency(now)],
            "outside": [_row(way) for way in _sorted(now, outside(now, trunks))],
            "emergency_without_internet": [_row(way) for way in self._emergency(then) if _left(way)],
            "outside_without_internet": [_row(way) for way in _sorted(then, outside(then, trunks)) if _left(way)],
        }

    def _emergency(self, ways: tuple[Way, ...]) -> tuple[Way, ...]:
        ranks = {way.id: way.rank for way in ways}
        box = self._box
        paths = emergency_paths(_EMERGENCY, box.snapshot, lambda key: ranks.get(key, Standing.UNKNOWN), box.last_good_path, modem=MODEM in ranks)
        return _sorted(ways, tuple(TrunkId(path.id) for path in paths))

    def _survey(self, internet: Internet) -> tuple[Way, ...]:
        box = self._box
        works, addresses = box.trunks.works, box.trunks.addresses()
        lines = (
            Line(TrunkId(key), trunk.name, trunk.enabled, works(TrunkId(key)), addresses.get(TrunkId(key), ""))
            for key, trunk in box.snapshot.site.trunks.items()
        )
        return survey(lines, box.wan.reach, internet, self.modem())


def _left(way: Way) -> bool:
    return way.enabled and way.standing < Standing.FAILING


def _sorted(ways: tuple[Way, ...], keys: tuple[TrunkId, ...]) -> tuple[Way, ...]:
    found = {way.id: way for way in ways}
    return tuple(found[key] for key in keys if key in found)


def _row(way: Way) -> shapes.WayShape:
    return {"id": way.id, "name": way.name, "kind": way.kind.value, "standing": way.standing.name.lower(), "reason": way.reason, "enabled": way.enabled}
