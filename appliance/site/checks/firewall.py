"""The firewall's networks and interfaces: a slip must not open the box to everybody."""

from __future__ import annotations

import re
from collections.abc import Iterator

from appliance.errors import Problem
from appliance.site.checks.common import twice
from appliance.site.model.site import Site
from appliance.site.wording import path_of, quoted

_WIDEST = {4: 8, 6: 16}


def firewall(site: Site) -> Iterator[Problem]:
    seen: dict[str, str] = {}
    for index, network in enumerate(site.firewall.safe_networks):
        if not network:
            continue
        path, text = path_of(("firewall", "safe_networks", index)), str(network)
        if network.prefixlen < _WIDEST[network.version]:
            hint = 'name the network you come from: "203.0.113.0/24"; phones anywhere outside have a switch of their own'
            yield Problem(path, f"{quoted(text)} is a large part of the internet", hint)
        elif network.is_multicast or network.is_loopback:
            yield Problem(path, f"{quoted(text)} is not where anybody outside is", 'for example "203.0.113.0/24"')
        yield from twice(seen, text, path, f"{quoted(text)} is listed already", "list each network once")
    names: dict[str, str] = {}
    for index, name in enumerate(site.firewall.outside):
        path = path_of(("firewall", "outside", index))
        if name and not re.fullmatch(r"[A-Za-z0-9_.*?-]{1,15}", name):
            yield Problem(path, f"{quoted(name)} is not the name of a network interface", 'letters, digits, . _ - and the jokers * and ?: "eth1"')
        yield from twice(names, name, path, f"{quoted(name)} is listed already", "list each name once")
