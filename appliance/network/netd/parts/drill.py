"""Verbs `drill.*`: the outage drill's cut. The kernel itself ends it: rules that match what is in a set whose elements have a time-out.

Cut is what would leave by the default routes: packets between their interfaces and addresses that are neither on the wire nor behind a route of their own,
and name service of the router, which would know nothing in an outage. It is done beside the wire (nftables' netdev family), where what is sent vanishes
as it does in an outage: further up, the sender would be told. It hangs on the connection of who asked for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import socket
from dataclasses import dataclass
from typing import Any

from pydantic import Field

from appliance.network.links import PRIVATE_RANGES
from appliance.network.netd.nft import table, without
from appliance.network.netd.part import Client, Part, Tools, Verb
from appliance.network.netd.protocol import Args, NetdError
from appliance.network.netd.undo import now_s

log = logging.getLogger(__name__)

TABLE, FAMILY = "holdfast_drill", "netdev"
LONGEST_S = 600
HOLD_S = 5
"""The kernel forgets the cut after so long unless netd renews it: everything may be killed."""
RENEW_S = 1.5
_MAIN_TABLE = 254
_WIDE = 8
"""A route to a network wider than this stands for the default one, as VPNs make them (0.0.0.0/1, 2000::/3)."""
_ALWAYS = {
    4: ("127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "255.255.255.255/32"),
    6: ("::1/128", "fe80::/10", "ff00::/8"),
}
"""Never beyond a router: loopback, link-local, multicast, broadcast."""


class CutArgs(Args):
    """`spare`: addresses and networks to leave alone besides those the kernel reaches without a default route; private ones alone."""

    seconds: int = Field(ge=1, le=LONGEST_S)
    spare: tuple[str, ...] = Field(default=(), max_length=4096)


Net = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class Ways:
    """What the kernel says: interfaces of default routes, their routers, and the networks that are reached without one."""

    interfaces: tuple[str, ...]
    routers: tuple[str, ...]
    near: tuple[Net, ...]


def ways_of(names: dict[int, str], routes: list[Any]) -> Ways:
    """Of the kernel's messages (pure)."""
    interfaces, routers, near = set(), set(), set()
    for each in routes:
        if each["table"] != _MAIN_TABLE or each["type"] != 1:  # RTN_UNICAST
            continue
        index, gateway, to = each.get_attr("RTA_OIF"), each.get_attr("RTA_GATEWAY"), each.get_attr("RTA_DST")
        if each["dst_len"] < _WIDE:
            hops = [(h["oif"], h.get_attr("RTA_GATEWAY")) for h in each.get_attr("RTA_MULTIPATH") or ()] or [(index, gateway)]
            interfaces |= {names[number] for number, _ in hops if number in names}
            routers |= {str(router) for _, router in hops if router}
        elif to:
            near.add(ipaddress.ip_network(f"{to}/{each['dst_len']}", strict=False))
    return Ways(tuple(sorted(interfaces)), tuple(sorted(routers)), tuple(sorted(near, key=str)))


def look() -> Ways:
    """Asks the kernel (blocks for milliseconds)."""
    from pyroute2 import IPRoute  # noqa: PLC0415 - 13 MB, for drills alone

    with IPRoute() as asked:
        names = {m["index"]: str(m.get_attr("IFLA_IFNAME")) for m in asked.get_links()}
        return ways_of(names, [*asked.get_routes(family=socket.AF_INET), *asked.get_routes(family=socket.AF_INET6)])


def spared(given: tuple[str, ...]) -> set[Net]:
    """Raises NetdError for what is no private address or network: a drill that spares the internet would prove nothing."""
    found: set[Net] = set()
    for text in given:
        try:
            parsed = ipaddress.ip_network(text, strict=False)
        except ValueError as error:
            raise NetdError(f"{text[:60]!r} is neither an address nor a network", "give 10.1.2.0/24", code="parameters") from error
        if not _private(parsed):
            raise NetdError(f"{text} is not private", "name addresses of the site alone", code="parameters")
        found.add(parsed)
    return found


def _private(net: Net) -> bool:
    if isinstance(net, ipaddress.IPv4Network):
        return any(net.subnet_of(known) for known in PRIVATE_RANGES)
    return net.subnet_of(ipaddress.IPv6Network("fc00::/7"))  # RFC 4193


def rules(ways: Ways, spare: set[Net]) -> list[dict[str, Any]]:
    """Commands that make the table; nothing is cut before an interface is in `cut` (pure)."""
    made = [*table(TABLE, FAMILY), _set("cut", "ifname", ["timeout"])]
    for version in (4, 6):
        near = [net for net in (*ways.near, *spare, *map(ipaddress.ip_network, _ALWAYS[version])) if net.version == version]
        merged: list[Net] = list(ipaddress.collapse_addresses(near))  # type: ignore[type-var]  # one version at a time
        routers = [router for router in ways.routers if ipaddress.ip_address(router).version == version]
        kind = f"ipv{version}_addr"
        made += [_set(f"near{version}", kind, ["interval"]), _elements(f"near{version}", [_prefix(net) for net in merged])]
        made += [_set(f"routers{version}", kind, [])] + ([_elements(f"routers{version}", routers)] if routers else [])
    for number, name in enumerate(ways.interfaces):
        for hook, side, address, port in (("ingress", "iifname", "saddr", "sport"), ("egress", "oifname", "daddr", "dport")):
            chain = f"{hook}{number}"
            made.append(_add("chain", name=chain, type="filter", hook=hook, prio=-300, dev=name, policy="accept"))
            made += [_rule(chain, _match({"meta": {"key": side}}, "==", "@cut"), *drop) for drop in _drops(address, port)]
    return made


def _drops(address: str, port: str) -> list[tuple[dict[str, Any], ...]]:
    """What is dropped of a cut interface."""
    found: list[tuple[dict[str, Any], ...]] = []
    for version, protocol in ((4, "ip"), (6, "ip6")):
        far = {"payload": {"protocol": protocol, "field": address}}
        transport = _match({"meta": {"key": "l4proto"}}, "==", {"set": ["tcp", "udp"]})
        names = _match({"payload": {"protocol": "th", "field": port}}, "==", {"set": [53, 853]})
        found += [(_match(far, "!=", f"@near{version}"), {"drop": None}), (_match(far, "==", f"@routers{version}"), transport, names, {"drop": None})]
    return found


def held(ways: Ways, for_s: int) -> list[dict[str, Any]]:
    """Commands that cut, or go on cutting, for so long; in one transaction nothing slips through (pure)."""
    made: list[dict[str, Any]] = [{"flush": {"set": {"family": FAMILY, "table": TABLE, "name": "cut"}}}]
    made.append(_elements("cut", [{"elem": {"val": name, "timeout": for_s}} for name in ways.interfaces]))
    return made


def _add(kind: str, **fields: Any) -> dict[str, Any]:
    return {"add": {kind: {"family": FAMILY, "table": TABLE, **fields}}}


def _set(name: str, kind: str, flags: list[str]) -> dict[str, Any]:
    return _add("set", name=name, type=kind, **({"flags": flags} if flags else {}))


def _elements(name: str, elements: list[Any]) -> dict[str, Any]:
    return _add("element", name=name, elem=elements)


def _prefix(net: Net) -> Any:
    return {"prefix": {"addr": str(net.network_address), "len": net.prefixlen}}


def _match(left: Any, op: str, right: Any) -> dict[str, Any]:
    return {"match": {"op": op, "left": left, "right": right}}


def _rule(chain: str, *parts: dict[str, Any]) -> dict[str, Any]:
    return _add("rule", chain=chain, expr=list(parts))


class Drill(Part):
    name = "drill"

    def __init__(self, tools: Tools) -> None:
        self._nft = tools.nft
        self._owner: Client | None = None
        self._ways = Ways((), (), ())
        self._until_s = 0.0
        self._holding: asyncio.Task[None] | None = None

    def verbs(self) -> dict[str, Verb]:
        return {"drill.cut": Verb(CutArgs, self._cut), "drill.end": Verb(Args, self._end), "drill.state": Verb(Args, self._state, changes=False)}

    async def heal(self) -> None:
        await self._nft.do(without(TABLE, FAMILY))

    async def left(self, client: Client) -> None:
        if client == self._owner:
            log.warning("who asked for the drill is gone: the internet is given back")
            await self._mend()

    async def stop(self) -> None:
        await self._mend()

    async def _cut(self, args: CutArgs, client: Client) -> dict[str, Any]:
        """Cut until `seconds` are over, `drill.end` is said or the connection ends; {"interfaces", "routers", "near"}."""
        if self._owner is not None:
            raise NetdError("A drill is under way", "wait until it is over", code="drill-runs")
        spare = spared(args.spare)
        self._owner = client
        try:
            self._ways = await asyncio.to_thread(look)
            if not self._ways.interfaces:
                raise NetdError("There is no way out to cut: the machine has no default route", "look at the network's cable and router", code="no-way-out")
            await self._nft.do([*rules(self._ways, spare), *held(self._ways, min(HOLD_S, args.seconds))])
        except BaseException:
            self._owner = None
            raise
        self._until_s = now_s() + args.seconds
        self._holding = asyncio.create_task(self._hold())
        return {"interfaces": self._ways.interfaces, "routers": self._ways.routers, "near": [str(net) for net in self._ways.near]}

    async def _hold(self) -> None:
        """Renew the kernel's time-out until the time is over."""
        try:
            while (left_s := self._until_s - now_s()) > 0:
                await self._nft.do(held(self._ways, max(1, min(HOLD_S, round(left_s)))))
                await asyncio.sleep(min(RENEW_S, max(0.0, self._until_s - now_s())))
        except NetdError as error:
            log.error("the drill ends early: %s", error)
        await self._forget()

    async def _end(self, _: Args, __: Client) -> dict[str, Any]:
        """End it, whoever began it. {"was": whether there was one}."""
        was = self._owner is not None
        await self._mend()
        return {"was": was}

    async def _mend(self) -> None:
        holding, self._holding = self._holding, None
        if holding is not None:
            holding.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await holding
        await self._forget()

    async def _forget(self) -> None:
        """The one place where the table goes; without netd the kernel has emptied its set by then."""
        if self._owner is not None:
            await self._nft.do(without(TABLE, FAMILY))
            self._owner = None

    async def _state(self, _: Args, __: Client) -> dict[str, Any]:
        """{"cut": whether the kernel cuts now, "left_s"}."""
        found = await self._nft.list("set", FAMILY, TABLE, "cut")
        cut = any(each.get("set", {}).get("elem") for each in found)
        return {"cut": cut, "left_s": max(0.0, self._until_s - now_s()) if cut else 0.0}


def make(tools: Tools) -> Part:
    return Drill(tools)
