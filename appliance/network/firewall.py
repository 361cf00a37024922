"""What may come in from outside, as rules for `nft -j`: which interfaces lead outside, what is open there and to whom (pure).

Carriers send sound from other addresses than signalling, and a call whose sound is cut off is no call. So the RTP ports are open to everybody, and
before the bans: behind one that no call uses nobody listens, and one in use belongs to a call whose far end the box has been told of.
Signalling is for the carriers' addresses, registered phones and the safe list. Everything else that begins outside is dropped.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, collapse_addresses, ip_address, ip_network
from typing import Any, Literal

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

FAMILY, TABLE = "inet", "holdfast"
BAN_SETS = {4: "banned4", 6: "banned6"}
MOST_BANS = 4096
"""In each set: an attacker with many addresses must not fill the kernel's memory."""
PINGS_PER_S = 20
PRIVATE: tuple[Network, ...] = tuple(
    ip_network(text)
    for text in (
        "10.0.0.0/8",  # RFC 1918
        "172.16.0.0/12",
        "192.168.0.0/16",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "::1/128",
        "fc00::/7",  # RFC 4193
        "fe80::/10",
    )
)
"""Nobody outside has such an address. RFC 6598 (100.64.0.0/10) is a provider's, and not among them."""
_VIRTUAL = ("docker*", "br-*", "veth*", "virbr*", "vnet*", "lxc*", "lxd*", "podman*", "cni*", "tun*", "tap*", "wg*", "tailscale*")
"""Interfaces of software: that one is there makes no second leg."""

Role = Literal["lan", "wan"]


@dataclass(frozen=True, slots=True)
class Leg:
    """An interface of the box, without loopback. `addresses`: with their prefix, `192.168.1.5/24`. `leads_out`: a default route goes over it."""

    name: str
    addresses: tuple[str, ...]
    leads_out: bool


@dataclass(frozen=True, slots=True)
class Guarded:
    """An interface behind which strangers are. `near`: networks open on it all the same, because the LAN is there, too; none: it leads outside only."""

    interface: str
    near: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """All that the rules are made of. Addresses are IP literals or networks, in canonical form and order. `rtp`: first and last port."""

    guarded: tuple[Guarded, ...]
    sip_port: int
    sip_tls_port: int
    rtp: tuple[int, int]
    safe: tuple[str, ...] = ()
    trunks: tuple[str, ...] = ()
    phones: tuple[str, ...] = ()
    sip_open: bool = False

    @property
    def digest(self) -> str:
        """Tells one plan from another, and from what a later version makes of the same."""
        return hashlib.sha256(json.dumps([asdict(self), commands(self, "")]).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Banned:
    """One entry of a ban set. `key`: an IPv4 address, or the first one of an IPv6 network of /64. `reason`: one of `bans.Reason`."""

    key: str
    reason: str
    seconds: int
    left_s: int


@dataclass(frozen=True, slots=True)
class Loaded:
    """What the kernel has now. `digest` "": the rules are not there. Counts are packets since the table was made."""

    digest: str = ""
    banned: tuple[Banned, ...] = ()
    turned_away: int = 0
    of_banned: int = 0


# ---- which way is outside ----------------------------------------------------------------------------------------


def guard(legs: Sequence[Leg], roles: Mapping[str, Role | None], outside: Sequence[str]) -> tuple[Guarded, ...]:
    """The interfaces to be guarded. `roles`: what the board says of each name; `outside`: patterns of names that the site says lead outside only.

    Where there is doubt the LAN's side is open: a site whose phones are cut off has no telephone. So the only leg is never taken for one that leads outside
    only, and one with a private address is only where board or site say so.
    """
    real = [leg for leg in legs if leg.addresses and not _fits(leg.name, _VIRTUAL)]

    def named(leg: Leg) -> bool:
        return _fits(leg.name, outside) or roles.get(leg.name) == "wan"

    def at_home(leg: Leg) -> bool:
        return any(is_private(each) for each in leg.addresses if not _plain(each).is_link_local)

    def away(leg: Leg) -> bool:
        second = any(other.name != leg.name and not named(other) and (not other.leads_out or at_home(other)) for other in real)
        return second and (named(leg) or not at_home(leg))

    found = (Guarded(leg.name, () if away(leg) else _near(leg)) for leg in legs if leg.leads_out or named(leg))
    return tuple(sorted(found, key=lambda each: each.interface))


def on_link(legs: Iterable[Leg], guarded: Iterable[Guarded]) -> tuple[str, ...]:
    """The networks on the box's own wires, without those of interfaces that lead outside only."""
    away = {each.interface for each in guarded if not each.near}
    return merged(_network(address) for leg in legs if leg.name not in away for address in leg.addresses)


def is_private(text: str) -> bool:
    """Of an address or network: nobody outside has it."""
    return inside(text, PRIVATE)


def inside(text: str, networks: Iterable[Network]) -> bool:
    """Whether an address or network (its first address) lies in one of `networks`."""
    address = _plain(text)
    return any(address in network for network in networks)


def merged(texts: Iterable[str]) -> tuple[str, ...]:
    """The same addresses and networks, each once and none within another; single addresses without a prefix. Raises ValueError."""
    networks = [ip_network(text, strict=False) for text in texts]
    found: list[Network] = [*collapse_addresses(n for n in networks if isinstance(n, IPv4Network))]
    found += collapse_addresses(n for n in networks if isinstance(n, IPv6Network))
    return tuple(str(n.network_address) if n.prefixlen == n.max_prefixlen else str(n) for n in found)


def distinct(texts: Iterable[str]) -> tuple[str, ...]:
    """The same addresses and networks as people wrote them, each once and in order; single addresses without a prefix. Raises ValueError."""
    found = sorted({ip_network(text, strict=False) for text in texts}, key=lambda n: (n.version, n.network_address.packed, n.prefixlen))
    return tuple(str(n.network_address) if n.prefixlen == n.max_prefixlen else str(n) for n in found)


def _near(leg: Leg) -> tuple[str, ...]:
    return merged((*(str(each) for each in PRIVATE if not each.is_loopback), *(_network(address) for address in leg.addresses)))


def _network(address: str) -> str:
    return str(ip_network(address, strict=False))


def _plain(text: str) -> Address:
    address = ip_address(text.partition("/")[0].partition("%")[0])
    return address.ipv4_mapped or address if isinstance(address, IPv6Address) else address


def _fits(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


# ---- the rules ---------------------------------------------------------------------------------------------------


def commands(plan: Plan, digest: str | None = None) -> list[dict[str, Any]]:
    """One transaction that puts `plan` into force: no packet sees half of it, connections and bans stay."""
    here = {"family": FAMILY, "table": TABLE}
    inner, outer = {**here, "name": "outside"}, {**here, "name": "input"}
    chain: list[dict[str, Any]] = [
        {"add": {"table": {"family": FAMILY, "name": TABLE}}},
        *({"add": {"set": {**here, "name": name, "type": f"ipv{family}_addr", "flags": ["timeout"], "size": MOST_BANS}}} for family, name in BAN_SETS.items()),
        *({"add": {"counter": {**here, "name": name}}} for name in ("banned", "closed")),
        {"add": {"chain": inner}},
        {"add": {"chain": {**outer, "type": "filter", "hook": "input", "prio": 0, "policy": "accept"}}},
        {"flush": {"chain": outer}},
        {"flush": {"chain": inner}},
    ]
    if not plan.guarded:
        return [*chain, _rule("input", [{"counter": "closed"}], _mark(plan, digest), accept=True)]
    names = [each.interface for each in plan.guarded]
    chain.append(_rule("input", [_match({"meta": {"key": "iifname"}}, {"set": names}), {"jump": {"target": "outside"}}]))
    return [*chain, *(_rule("outside", body, comment) for body, comment in _outside(plan, _mark(plan, digest)))]


def removal() -> list[dict[str, Any]]:
    """Take everything away, whether it is there or not."""
    table = {"table": {"family": FAMILY, "name": TABLE}}
    return [{"add": table}, {"delete": table}]


def _mark(plan: Plan, digest: str | None) -> str:
    return plan.digest if digest is None else digest


def _outside(plan: Plan, mark: str) -> Iterable[tuple[list[dict[str, Any]], str]]:
    accept: dict[str, Any] = {"accept": None}
    begun = _match({"ct": {"key": "direction"}}, "original")
    yield [_port("udp", "dport", {"range": list(plan.rtp)}), accept], ""
    for each in plan.guarded:
        for source in _sources(each.near):
            yield [_match({"meta": {"key": "iifname"}}, each.interface), source, accept], ""
    for source in _sources(merged(plan.safe)):
        yield [source, accept], ""
    for source in _sources(merged((*plan.trunks, *plan.phones))):
        yield [_sip(plan), source, accept], ""
    # What the box itself began is answered, whoever is banned: nobody can cut it off by sending nonsense under another's address.
    yield [begun, _match(_source(4), f"@{BAN_SETS[4]}"), {"counter": "banned"}, {"drop": None}], ""
    yield [begun, _match({"&": [_source(6), "ffff:ffff:ffff:ffff::"]}, f"@{BAN_SETS[6]}"), {"counter": "banned"}, {"drop": None}], ""
    yield [{"match": {"op": "in", "left": {"ct": {"key": "state"}}, "right": ["established", "related"]}}, accept], ""
    often = {"limit": {"rate": PINGS_PER_S, "burst": PINGS_PER_S, "per": "second"}}
    yield [_match({"payload": {"protocol": "icmp", "field": "type"}}, "echo-request"), often, accept], ""
    yield [_match({"payload": {"protocol": "icmpv6", "field": "type"}}, "echo-request"), often, accept], ""
    # RFC 4890 section 4.4: without these IPv6 does not work.
    needed = ["packet-too-big", "nd-router-advert", "nd-neighbor-solicit", "nd-neighbor-advert", "mld-listener-query"]
    yield [_match({"payload": {"protocol": "icmpv6", "field": "type"}}, {"set": needed}), accept], ""
    yield [_port("udp", "sport", 67), _port("udp", "dport", 68), accept], ""
    yield [_match(_source(6), {"prefix": {"addr": "fe80::", "len": 10}}), _port("udp", "sport", 547), _port("udp", "dport", 546), accept], ""
    if plan.sip_open:
        yield [_sip(plan), accept], ""
    yield [{"counter": "closed"}, {"drop": None}], mark


def _rule(chain: str, body: list[dict[str, Any]], comment: str = "", *, accept: bool = False) -> dict[str, Any]:
    rule: dict[str, Any] = {"family": FAMILY, "table": TABLE, "chain": chain, "expr": [*body, {"accept": None}] if accept else body}
    return {"add": {"rule": {**rule, "comment": comment} if comment else rule}}


def _match(left: dict[str, Any], right: Any) -> dict[str, Any]:
    return {"match": {"op": "==", "left": left, "right": right}}


def _port(protocol: str, field: str, ports: Any) -> dict[str, Any]:
    return _match({"payload": {"protocol": protocol, "field": field}}, ports)


def _sip(plan: Plan) -> dict[str, Any]:
    """UDP and TCP on one port, TLS on the other; nobody listens for UDP there."""
    return _port("th", "dport", {"set": sorted({plan.sip_port, plan.sip_tls_port})})


def _source(family: int) -> dict[str, Any]:
    return {"payload": {"protocol": "ip" if family == 4 else "ip6", "field": "saddr"}}


def _sources(networks: Iterable[str]) -> Iterable[dict[str, Any]]:
    for family in (4, 6):
        found = [ip_network(text) for text in networks]
        members = [_member(network) for network in found if network.version == family]
        if members:
            yield _match(_source(family), {"set": members})


def _member(network: Network) -> Any:
    if network.prefixlen == network.max_prefixlen:
        return str(network.network_address)
    return {"prefix": {"addr": str(network.network_address), "len": network.prefixlen}}


# ---- bans --------------------------------------------------------------------------------------------------------


def key_of(address: str) -> str:
    """What is banned of somebody with this address: it, or its IPv6 network of /64, from which one host can have any address. Raises ValueError."""
    found = _plain(address)
    return str(found) if found.version == 4 else str(ip_network((int(found), 64), strict=False).network_address)


def network_of_key(key: str) -> Network:
    """All addresses that a ban of `key` stands for."""
    found = ip_address(key)
    return ip_network(found) if found.version == 4 else ip_network((int(found), 64))


def ban(key: str, reason: str, seconds: int) -> list[dict[str, Any]]:
    """Put `key` into its set, anew where it is there already."""
    held = {"elem": {"val": key, "timeout": seconds, "comment": reason}}
    return [_element("add", key, key), _element("delete", key, key), _element("add", key, held)]


def unban(keys: Iterable[str]) -> list[dict[str, Any]]:
    """Take keys out of their sets, whether they are there or not."""
    return [command for key in keys for command in (_element("add", key, key), _element("delete", key, key))]


def _element(verb: str, key: str, held: Any) -> dict[str, Any]:
    return {verb: {"element": {"family": FAMILY, "table": TABLE, "name": BAN_SETS[ip_address(key).version], "elem": [held]}}}


def read(listed: Iterable[Mapping[str, Any]]) -> Loaded:
    """What `nft -j list table inet holdfast` says, its objects; none: there is no such table."""
    digest, banned, counts = "", [], {"banned": 0, "closed": 0}
    for item in listed:
        if (rule := item.get("rule")) is not None:
            digest = rule.get("comment") or digest
        elif (counter := item.get("counter")) is not None:
            counts[counter["name"]] = int(counter["packets"])
        elif (held := item.get("set")) is not None and held["name"] in BAN_SETS.values():
            banned += [_banned(each["elem"]) for each in held.get("elem", ()) if isinstance(each, dict) and "timeout" in each.get("elem", ())]
    return Loaded(digest, tuple(banned), counts["closed"], counts["banned"])


def _banned(elem: Mapping[str, Any]) -> Banned:
    return Banned(str(elem["val"]), str(elem.get("comment", "")), int(elem["timeout"]), int(elem.get("expires", elem["timeout"])))
