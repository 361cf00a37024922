"""Which of the box's own addresses a peer is reached from."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from ipaddress import ip_address

from appliance.types import Address


def route_source(ip: str) -> str | None:
    """The address the kernel would send from to this IP literal now; None when it has no route. Sends nothing."""
    try:
        with socket.socket(socket.AF_INET6 if ":" in ip else socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect((ip, 9))
            return str(probe.getsockname()[0])
    except OSError:
        return None


def same_family(a: str, b: str) -> bool:
    """True when both literals are IPv4 or both IPv6."""
    return (":" in a) == (":" in b)


def choose_local(ip: str, listening: Sequence[Address], wanted: str, used: Address | None, route: Callable[[str], str | None]) -> Address | None:
    """The one of `listening` to reach `ip` from: `wanted` by the site, else the one the kernel routes from, else the one `used` so far, else the first usable.

    Without a route (the WAN is down) nothing moves: it would only have to move back. None: the box listens on no address of that family.
    """
    candidates = [a for a in listening if same_family(a.ip, ip)]
    by_ip = {a.ip: a for a in candidates}
    if wanted in by_ip:
        return by_ip[wanted]
    source = route(ip)
    if source in by_ip:
        return by_ip[source]
    if used in candidates and source is None:
        return used
    loopback = ip_address(ip).is_loopback
    return next((a for a in candidates if ip_address(a.ip).is_loopback == loopback), candidates[0] if candidates else None)
