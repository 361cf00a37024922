"""The machine's own addresses and its ways out, asked of the kernel over netlink, and told as soon as they change."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import socket
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from appliance.network.wan_state import Path

log = logging.getLogger(__name__)

PRIVATE_RANGES = tuple(
    ipaddress.IPv4Network(text)
    for text in (
        "10.0.0.0/8",  # RFC 1918
        "172.16.0.0/12",
        "192.168.0.0/16",
        "100.64.0.0/10",  # RFC 6598: behind a carrier's NAT, and overlay networks
    )
)
RETRY_S = 5.0
_CARRIER = 0x1 | 0x10000
"""IFF_UP and IFF_LOWER_UP: switched on, and a cable is in it (linux/if.h)."""
_MAIN_TABLE = 254
_WIDE = 8
"""A route to a network wider than this stands for the default one, as VPNs make them (0.0.0.0/1): what it leads to is no network of the site."""
PREFERRED = 117
"""The protocol number (rtm_protocol, free for programs) of the routes by which netd puts one way out before the others (netd/parts/routes.py)."""
_REACHED, _FAILED = 0x02 | 0x40 | 0x80, 0x20
"""NUD_REACHABLE, NUD_NOARP, NUD_PERMANENT; NUD_FAILED (linux/neighbour.h). The others only say that the kernel is about to ask."""


def is_private(address: str) -> bool:
    """True for an IPv4 literal of RFC 1918 or RFC 6598; loopback, link-local and documentation ranges are not."""
    try:
        parsed = ipaddress.IPv4Address(address)
    except ValueError:
        return False
    return any(parsed in network for network in PRIVATE_RANGES)


def choose_private(addresses: Iterable[str]) -> tuple[str, ...]:
    """The private ones among `addresses`, once each, in numeric order so that two starts print the same list."""
    return tuple(str(address) for address in sorted({ipaddress.IPv4Address(text) for text in addresses if is_private(text)}))


def private_addresses() -> tuple[str, ...]:
    """Every private IPv4 address this machine has now. Raises OSError when the kernel refuses netlink."""
    from pyroute2 import IPRoute  # noqa: PLC0415 - 13 MB that a box with HOLDFAST_BIND set has no use for

    with IPRoute() as route:
        return choose_private(str(message.get_attr("IFA_LOCAL")) for message in route.get_addr(family=socket.AF_INET))


class Over(StrEnum):
    """What lies between the box and an address."""

    BOX = "box"
    LAN = "lan"
    INTERNET = "internet"


@dataclass(frozen=True, slots=True)
class Reach:
    """The interface an address is reached by, "" where that is not known or there is none, and whether it has a cable in it."""

    over: Over
    interface: str = ""
    carrier: bool = True


@dataclass(frozen=True, slots=True)
class Network:
    """The default routes, the one in use first; `near`: the networks on the box's own wires; `indexes`: interfaces and their numbers in the kernel.

    `routed`: networks the site's own routers lead to, with their interfaces; `cables`: interfaces that are up and have a cable in them.
    `preferred`: the way out that netd has put first, None: the metrics decide; `by_metric`: the default routes as if it had not.
    """

    paths: tuple[Path, ...]
    near: tuple[ipaddress.IPv4Network, ...]
    indexes: tuple[tuple[str, int], ...]
    routed: tuple[tuple[ipaddress.IPv4Network, str], ...] = ()
    cables: frozenset[str] = frozenset()
    preferred: Path | None = None
    by_metric: tuple[Path, ...] = ()

    def is_near(self, address: str) -> bool:
        """On the same wire, behind a router of the site, or the box itself: that it answers does not show that anything outside does."""
        return self.reach(address).over is not Over.INTERNET

    def reach(self, address: str) -> Reach:
        """How the kernel gets to an IP literal. What is no IPv4 address is taken to lie outside."""
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return Reach(Over.INTERNET)
        if parsed.is_loopback:
            return Reach(Over.BOX)
        inside = [(network.prefixlen, interface in self.cables, interface) for network, interface in self.routed if parsed in network]
        if inside:
            _, carrier, interface = max(inside)
            return Reach(Over.LAN, interface, carrier)
        if parsed.is_link_local or any(parsed in network for network in self.near):
            return Reach(Over.LAN)
        way = next((path for path in self.paths if path.carrier), None)
        return Reach(Over.INTERNET, way.interface if way else "", way is not None)


def network_of(links: Iterable[Any], addresses: Iterable[Any], routes: Iterable[Any]) -> Network:
    """The same, of the kernel's messages (pure). A default route through another table than the main one is not the box's."""
    names = {m["index"]: (str(m.get_attr("IFLA_IFNAME")), m["flags"] & _CARRIER == _CARRIER) for m in links}
    main = [(m, *hop) for m in routes if m["table"] == _MAIN_TABLE for hop in _hops(m) if hop[0] in names]
    found: list[tuple[int, Path]] = []
    first: set[tuple[str, str]] = set()
    routed = []
    for m, index, gateway in main:
        interface, carrier = names[index]
        if m.get("proto") == PREFERRED:
            first.add((interface, gateway))
        elif m["dst_len"] >= _WIDE and (network := m.get_attr("RTA_DST")) is not None:
            routed.append((ipaddress.IPv4Network(f"{network}/{m['dst_len']}"), interface))
        elif m["dst_len"] == 0:
            found.append((m.get_attr("RTA_PRIORITY") or 0, Path(interface, gateway, carrier)))
    found.sort(key=lambda each: (each[0], each[1].interface, each[1].gateway))
    by_metric = tuple(dict.fromkeys(path for _, path in found))
    paths = tuple(sorted(by_metric, key=lambda path: (path.interface, path.gateway) not in first))
    near = {ipaddress.IPv4Network(f"{m.get_attr('IFA_LOCAL')}/{m['prefixlen']}", strict=False) for m in addresses if m.get_attr("IFA_LOCAL")}
    return Network(
        paths, tuple(sorted(near)), tuple(sorted((name, index) for index, (name, _) in names.items())), tuple(sorted(routed)),
        frozenset(name for name, carrier in names.values() if carrier),
        next((path for path in paths if (path.interface, path.gateway) in first), None), by_metric,
    )  # fmt: skip


def _hops(route: Any) -> list[tuple[int | None, str]]:
    """Interface numbers and gateways ("": none) a route leads over: several where it shares the load (RTA_MULTIPATH, rtnetlink(7)), which has no own ones."""
    several = [(hop["oif"], str(hop.get_attr("RTA_GATEWAY") or "")) for hop in route.get_attr("RTA_MULTIPATH") or ()]
    return several or [(route.get_attr("RTA_OIF"), str(route.get_attr("RTA_GATEWAY") or ""))]


class LinkWatch:
    """Tells `changed` (on the loop that called `start`) of the network at once and whenever links, addresses or routes change.

    Its own thread with its own loop: to read a large table must not hold up the box's.
    """

    def __init__(self, changed: Callable[[Network], None]) -> None:
        self._changed = changed
        self._loop: asyncio.AbstractEventLoop | None = None
        self._watch: asyncio.Task[None] | None = None
        self._thread: threading.Thread | None = None
        self._stopping = False

    def start(self) -> None:
        home = asyncio.get_running_loop()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run(home)), name="links", daemon=True)
        self._thread.start()

    async def stop(self) -> None:
        self._stopping = True
        if self._loop is not None and self._watch is not None:
            self._loop.call_soon_threadsafe(self._watch.cancel)
        if self._thread is not None:
            await asyncio.get_running_loop().run_in_executor(None, self._thread.join, 2.0)

    async def neighbour(self, index: int, address: str) -> bool | None:
        """Whether the kernel reaches `address` on the wire: True, False (it asked in vain), or None where it does not know now."""
        if self._loop is None or self._stopping:
            return None
        try:
            return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(_neighbour(index, address), self._loop))
        except RuntimeError:  # the thread has just ended
            return None

    async def _run(self, home: asyncio.AbstractEventLoop) -> None:
        self._loop, self._watch = asyncio.get_running_loop(), asyncio.create_task(self._follow(home))
        if self._stopping:
            self._watch.cancel()
        await asyncio.gather(self._watch, return_exceptions=True)

    async def _follow(self, home: asyncio.AbstractEventLoop) -> None:
        while True:
            try:
                await self._listen(home)
            except Exception:
                log.exception("links are not watched; another try in %.0f s", RETRY_S)
            await asyncio.sleep(RETRY_S)

    async def _listen(self, home: asyncio.AbstractEventLoop) -> None:
        from pyroute2 import AsyncIPRoute  # noqa: PLC0415 - 13 MB, loaded beside the start
        from pyroute2.netlink.rtnl import RTMGRP_IPV4_IFADDR, RTMGRP_IPV4_ROUTE, RTMGRP_LINK  # noqa: PLC0415

        async with AsyncIPRoute() as events, AsyncIPRoute() as asked:
            # Listen first, then look: a change between the two is heard.
            await events.bind(groups=RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV4_ROUTE)
            last = await _look(asked)
            home.call_soon_threadsafe(self._changed, last)
            while True:
                async for _ in events.get():
                    now = await _look(asked)
                    if now != last:
                        last = now
                        home.call_soon_threadsafe(self._changed, now)


async def _look(asked: Any) -> Network:
    links = [m async for m in await asked.get_links()]
    addresses = [m async for m in await asked.get_addr(family=socket.AF_INET)]
    return network_of(links, addresses, [m async for m in await asked.get_routes(family=socket.AF_INET)])


async def _neighbour(index: int, address: str) -> bool | None:
    from pyroute2 import AsyncIPRoute  # noqa: PLC0415
    from pyroute2.netlink.exceptions import NetlinkError  # noqa: PLC0415

    async with AsyncIPRoute() as asked:
        try:
            found = await asked.neigh("get", dst=address, ifindex=index)
        except NetlinkError:  # nobody has sent there yet
            return None
    state = found[0]["state"] if found else 0
    return True if state & _REACHED else False if state & _FAILED else None
