"""Provisioning's networks: a slip must not serve settings to everybody."""

from __future__ import annotations

from collections.abc import Iterator

from appliance.errors import Problem
from appliance.site.checks.common import twice
from appliance.site.model.site import Site
from appliance.site.wording import path_of, quoted

_WIDEST = {4: 8, 6: 16}


def provisioning(site: Site) -> Iterator[Problem]:
    seen: dict[str, str] = {}
    for index, network in enumerate(site.provisioning.networks):
        if not network:
            continue
        path, text = path_of(("provisioning", "networks", index)), str(network)
        if network.prefixlen < _WIDEST[network.version] or network.is_multicast or network.is_loopback:
            yield Problem(path, f"{quoted(text)} is not a network of phones", 'for example "192.168.1.0/24"')
        yield from twice(seen, text, path, f"{quoted(text)} is listed already", "list each network once")
