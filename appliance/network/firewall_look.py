"""The box's interfaces as the firewall sees them: names, addresses of both families, and over which a default route goes."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from typing import Any

from appliance.network.firewall import Leg

_MAIN_TABLE = 254
_LOOPBACK = 0x8
_WIDE = 8
"""A route to a network wider than this stands for the default one, as VPNs make them (0.0.0.0/1, 2000::/3)."""


def legs() -> tuple[Leg, ...]:
    """Asks the kernel (blocks for milliseconds). Raises OSError when it refuses netlink."""
    from pyroute2 import IPRoute, NetlinkError  # noqa: PLC0415 - 13 MB, loaded beside the start

    try:
        with IPRoute() as asked:
            routes = [*asked.get_routes(family=socket.AF_INET), *asked.get_routes(family=socket.AF_INET6)]
            return read(asked.get_links(), asked.get_addr(), routes)
    except NetlinkError as error:  # no OSError of its own accord
        raise OSError(error.code, str(error)) from error


def read(links: Iterable[Any], addresses: Iterable[Any], routes: Iterable[Any]) -> tuple[Leg, ...]:
    """The same, of the kernel's messages (pure)."""
    names = {m["index"]: str(m.get_attr("IFLA_IFNAME")) for m in links if not m["flags"] & _LOOPBACK}
    held: dict[int, list[str]] = {index: [] for index in names}
    for m in addresses:
        # A point-to-point link's own address is IFA_LOCAL, its peer's IFA_ADDRESS (rtnetlink(7)); IPv6 has the latter alone.
        own = m.get_attr("IFA_LOCAL") or m.get_attr("IFA_ADDRESS")
        if own and m["index"] in held:
            held[m["index"]].append(f"{own}/{m['prefixlen']}")
    out: set[int] = set()
    for m in routes:
        if m["table"] == _MAIN_TABLE and m["dst_len"] < _WIDE and m["type"] == 1:  # RTN_UNICAST
            out |= {hop["oif"] for hop in m.get_attr("RTA_MULTIPATH") or ()} or {m.get_attr("RTA_OIF")}
    return tuple(sorted((Leg(name, tuple(sorted(held[index])), index in out) for index, name in names.items()), key=lambda leg: leg.name))
