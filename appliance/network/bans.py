"""Who is shut out for a while, and who never is (pure; time passed in). The bans themselves are in the kernel, where they end by themselves."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import ip_network

from appliance.network.firewall import PRIVATE, Network, key_of, network_of_key

LIMIT = 10
"""Points after which somebody is banned."""
WINDOW_S = 600.0
"""Without another failure for so long the count begins anew."""
MOST = 4096
"""Sources counted at once; who failed longest ago is forgotten first."""


class Reason(StrEnum):
    """Why somebody is banned."""

    PASSWORD = "password"  # noqa: S105 - a reason
    UNKNOWN_USER = "unknown-user"
    SCANNER = "scanner"  # calls itself a program that looks for boxes to abuse
    SIGN_IN = "sign-in"  # at the web pages
    BY_HAND = "by-hand"


POINTS = {Reason.PASSWORD: 1, Reason.UNKNOWN_USER: 1, Reason.SIGN_IN: 1, Reason.SCANNER: 5, Reason.BY_HAND: LIMIT}


class Kind(StrEnum):
    """Why somebody is never banned."""

    LAN = "lan"
    SAFE = "safe"
    TRUNK = "trunk"
    PHONE = "phone"
    ADMINISTRATOR = "administrator"


@dataclass(frozen=True, slots=True)
class Kept:
    """Everybody who is never banned. A ban of an IPv6 address is one of its whole /64, so nobody in it may be kept."""

    networks: tuple[tuple[Network, Kind], ...] = ()
    keys: dict[str, Kind] = field(default_factory=dict)

    def why(self, key: str) -> Kind | None:
        """What keeps `key` (of `firewall.key_of`) from being banned; None: nothing."""
        found = self.keys.get(key)
        if found is not None:
            return found
        asked = network_of_key(key)
        return next((kind for network, kind in self.networks if network.version == asked.version and network.overlaps(asked)), None)


def keep(*, lan: Iterable[str], safe: Iterable[str], trunks: Iterable[str], phones: Iterable[str], administrators: Iterable[str]) -> Kept:
    """Everybody who is never banned, of addresses and networks. Private addresses belong to the LAN, whatever `lan` says."""
    networks: list[tuple[Network, Kind]] = [(network, Kind.LAN) for network in PRIVATE]
    keys: dict[str, Kind] = {}
    for texts, kind in ((lan, Kind.LAN), (safe, Kind.SAFE), (trunks, Kind.TRUNK), (administrators, Kind.ADMINISTRATOR), (phones, Kind.PHONE)):
        for text in texts:
            network = ip_network(text, strict=False)
            if network.prefixlen == network.max_prefixlen:
                keys.setdefault(key_of(text), kind)  # hundreds of phones: looked up, not gone through
            else:
                networks.append((network, kind))
    return Kept(tuple(networks), keys)


class Failures:
    """Counts of points by source."""

    def __init__(self) -> None:
        self._counts: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def failed(self, key: str, reason: Reason, now: float) -> bool:
        """Another failure of `key` at `now` (seconds, monotonic). True: that was one too many, and its count begins anew."""
        points, last = self._counts.pop(key, (0, now))
        points = POINTS[reason] + (points if now - last <= WINDOW_S else 0)
        if points >= LIMIT:
            return True
        self._counts[key] = points, now
        if len(self._counts) > MOST:
            self._counts.popitem(last=False)
        return False

    def forget(self, key: str) -> None:
        """Whoever it is did something right."""
        self._counts.pop(key, None)
