"""A look at the network the box is in: its addresses, its way out, who is beside it, whether names and the clock can be trusted. It changes nothing."""

from __future__ import annotations

import ctypes
import socket
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import dns.exception
import dns.message
import dns.query
import dns.rcode

from appliance.errors import StateError
from appliance.network.makers import maker
from appliance.network.names import system_servers

NAME_WAIT_S = 2.0
_GONE = 0x20 | 0x01 | 0x40
"""Neighbours that do not answer, are still looked for, or are no neighbours: NUD_FAILED, NUD_INCOMPLETE, NUD_NOARP (linux/neighbour.h)."""
_UP = 0x1
_TIME_ERROR = 5
"""adjtimex(2): nobody keeps the clock right."""


@dataclass(frozen=True, slots=True)
class Own:
    """An address of the box, IPv4."""

    interface: str
    address: str
    prefix: int


@dataclass(frozen=True, slots=True)
class Neighbour:
    """Somebody on the same wire. `maker` "": not known to make phones."""

    address: str
    mac: str
    interface: str
    maker: str


@dataclass(frozen=True, slots=True)
class Server:
    """A name server. `answer`: what it said ("" where it stayed silent), `after_ms`: how soon."""

    address: str
    answer: str
    after_ms: float


@dataclass(frozen=True, slots=True)
class Kernel:
    """What the kernel knows. `gateway` "": no way out. `gateway_seen`: it answers on the wire."""

    own: tuple[Own, ...]
    gateway: str
    gateway_interface: str
    gateway_seen: bool
    neighbours: tuple[Neighbour, ...]


def kernel() -> Kernel:
    """Asked over netlink. Raises StateError."""
    from pyroute2 import IPRoute  # noqa: PLC0415 - 13 MB, loaded only where somebody looks

    try:
        with IPRoute() as route:
            links = {link["index"]: str(link.get_attr("IFLA_IFNAME")) for link in route.get_links() if link["flags"] & _UP}
            return read(links, route.get_addr(family=socket.AF_INET), route.get_routes(family=socket.AF_INET), route.get_neighbours(family=socket.AF_INET))
    except OSError as error:
        raise StateError(f"The kernel does not say how the network is: {error.strerror or error}", "run the box as a user who may ask it (netlink)") from error


def read(links: dict[int, str], addresses: Iterable[Any], routes: Iterable[Any], neighbours: Iterable[Any]) -> Kernel:
    """The same, of the kernel's messages (pure)."""
    own = tuple(Own(links[m["index"]], str(m.get_attr("IFA_LOCAL")), int(m["prefixlen"])) for m in addresses if m["index"] in links)
    out = [m for m in routes if m["dst_len"] == 0 and m.get_attr("RTA_GATEWAY") and m.get_attr("RTA_OIF") in links]
    best = min(out, key=lambda m: m.get_attr("RTA_PRIORITY") or 0, default=None)
    here = tuple(
        Neighbour(str(m.get_attr("NDA_DST")), mac, links[m["ifindex"]], maker(mac))
        for m in neighbours
        if m["ifindex"] in links and not m["state"] & _GONE and (mac := str(m.get_attr("NDA_LLADDR") or "")) not in {"", "00:00:00:00:00:00"}
    )
    gateway = str(best.get_attr("RTA_GATEWAY")) if best is not None else ""
    interface = links[best.get_attr("RTA_OIF")] if best is not None else ""
    return Kernel(own, gateway, interface, any(n.address == gateway for n in here), here)


def name_servers(hosts: Sequence[str]) -> tuple[Server, ...]:
    """Each name server of the machine, asked for the first of `hosts`, or for the root where there is none. Waits for NAME_WAIT_S at most."""
    try:
        servers = system_servers()[:4]
    except (OSError, dns.exception.DNSException):
        return ()
    if not servers:
        return ()
    with ThreadPoolExecutor(len(servers)) as pool:
        return tuple(pool.map(lambda server: _asked(server[0], server[1], hosts[0] if hosts else "."), servers))


def _asked(address: str, port: int, name: str) -> Server:
    began = time.monotonic()
    try:
        query = dns.message.make_query(name, "NS" if name == "." else "A")
        answer = dns.query.udp(query, address, NAME_WAIT_S, port, ignore_trailing=True)
    except (OSError, dns.exception.DNSException):
        return Server(address, "", 0.0)
    return Server(address, dns.rcode.to_text(answer.rcode()), (time.monotonic() - began) * 1000)


def clock_kept() -> bool | None:
    """Whether somebody keeps the clock right; None: the kernel does not say. Asks adjtimex(2) without setting anything."""
    buffer = ctypes.create_string_buffer(512)  # struct timex is 208 bytes; all zero: modes = 0
    state: int = ctypes.CDLL(None, use_errno=True).adjtimex(buffer)
    return None if state < 0 else state != _TIME_ERROR
