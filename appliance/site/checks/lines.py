"""Cross references of trunks, incoming numbers and outside dialling."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from appliance.errors import Problem
from appliance.site.checks.common import address, dialled, host, known, twice
from appliance.site.checks.extensions import known_extensions, urgent_numbers
from appliance.site.countries import COUNTRIES
from appliance.site.model.lines import Destination
from appliance.site.model.site import Site
from appliance.site.wording import path_of, quoted


def lines(site: Site) -> Iterator[Problem]:
    """Trunks, incoming numbers and outside dialling."""
    for key, trunk in site.trunks.items():
        path = path_of(("trunks", key))
        yield from host(f"{path}.host", trunk.host)
        yield from address(f"{path}.bind", trunk.bind)
        yield from address(f"{path}.advertised", trunk.advertised)
    extensions = known_extensions(site)
    urgent = urgent_numbers(site)
    seen: dict[str, str] = {}
    for key, number in site.numbers.items():
        path = path_of(("numbers", key))
        yield from twice(seen, number.number, f"{path}.number", f"{number.number} is listed already", "list each number once")
        yield from _destination(f"{path}.destination", number.destination, site, extensions, urgent)
        if number.trunk:
            yield from known(f"{path}.trunk", "trunk", number.trunk, site.trunks)
    yield from _destination(path_of(("modem", "destination")), site.modem.destination, site, extensions, urgent)
    for index, name in enumerate(site.outbound.trunks):
        if name:
            yield from known(path_of(("outbound", "trunks", index)), "trunk", name, site.trunks)
    for index, entry in enumerate(site.outbound.allowed_countries):
        if entry and entry != "*" and not re.fullmatch(r"\+[1-9][0-9]{0,6}", entry):
            yield Problem(path_of(("outbound", "allowed_countries", index)), f"{quoted(entry)} is not a country code", _code_hint(entry))
    for index, entry in enumerate(site.outbound.blocked_prefixes):
        if entry and not re.fullmatch(r"\+[1-9][0-9]{0,14}", entry):
            yield Problem(
                path_of(("outbound", "blocked_prefixes", index)), f"{quoted(entry)} is not the beginning of a full number", 'write + and digits: "+1900"'
            )


def _destination(path: str, to: Destination, site: Site, extensions: Collection[str] | None, urgent: Collection[str]) -> Iterator[Problem]:
    if to.kind in {"none", "hang-up"}:
        if to.target:
            yield Problem(path, f"{quoted(to.kind)} leads nowhere, so {quoted(to.target)} means nothing", 'leave it out, or write kind = "extension"')
        return
    if not to.target or not to.kind:
        if to.kind and "target" in to.model_fields_set:
            yield Problem(path, f"names no {to.kind}", _EXAMPLES[to.kind])
        return
    match to.kind:
        case "extension" if extensions is not None:
            yield from known(path, "extension", to.target, extensions)
        case "voicemail":
            yield from known(path, "mailbox", to.target, site.mailboxes)
        case "group":
            yield from known(path, "group", to.target, site.groups)
        case "flow":
            yield from known(path, "flow", to.target, site.flows)
        case "number":
            yield from dialled(path, to.target, urgent)


_EXAMPLES = {
    "extension": 'write target = "201"',
    "number": 'write target = "+12125550123"',
    "voicemail": "write the id of a mailbox as target",
    "group": "write the id of a group as target",
    "flow": 'write the id of a flow as target: "house"',
}


def secrets(site: Site, names: Collection[str]) -> Iterator[Problem]:
    """What must be in the vault when `site` is put into force; `names`: what is. Devices are given a secret where they have none (site/secrets.py)."""
    for key, trunk in site.trunks.items():
        path = path_of(("trunks", key, "secret"))
        if trunk.username and path not in names:
            yield Problem(
                path, "is missing: a trunk that registers needs the carrier's password", "write it, or leave out username for a trunk known by its address"
            )


def _code_hint(entry: str) -> str:
    country = COUNTRIES.get(entry.upper())
    if country is not None:
        return f'{country.name} is "+{country.calling_code}"'
    digits = re.sub(r"[^0-9]", "", entry).lstrip("0")
    return f'write "+{digits}"' if digits else 'write + and digits: "+44", or "*" for all'
