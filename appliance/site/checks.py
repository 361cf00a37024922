"""Cross references within a site: what each part promises about the others, one generator per kind of thing.

Every check passes over "" : in a salvaged site it stands for a field that did not parse and was reported already.
"""

from __future__ import annotations

import ipaddress
import itertools
import re
from collections.abc import Collection, Iterator
from zoneinfo import ZoneInfo, available_timezones

from appliance.errors import Problem
from appliance.site.countries import COUNTRIES, EVERYWHERE
from appliance.site.model.site import Site
from appliance.site.snapshot import emergency_numbers, test_numbers
from appliance.site.wording import close, path_of, quoted

UNIVERSAL = frozenset({"911", EVERYWHERE, "933"})
"""Never extensions, wherever the site stands: people and phones bring these habits with them."""


def site_itself(site: Site) -> Iterator[Problem]:
    if site.country and site.country not in COUNTRIES:
        yield Problem("country", f"the dialling and emergency numbers of {quoted(site.country)} are not known", close(site.country, COUNTRIES))
    yield from _host("domain", site.domain)
    if site.time_zone and not _zone_exists(site.time_zone):
        yield Problem("time_zone", f"{quoted(site.time_zone)} is not a time zone", _zone_hint(site.time_zone))
    seen: dict[str, str] = {}
    for index, interface in enumerate(site.interfaces):
        path = path_of(("interfaces", index))
        yield from _address(f"{path}.address", interface.address)
        yield from _address(f"{path}.advertised", interface.advertised)
        yield from _twice(seen, interface.address, f"{path}.address", "is listed already", "list each address once")
    sip = site.sip
    if not sip.min_expires_seconds <= sip.default_expires_seconds <= sip.max_expires_seconds:
        yield Problem(
            "sip.default_expires_seconds",
            f"{sip.default_expires_seconds} is not between the least ({sip.min_expires_seconds}) and the most ({sip.max_expires_seconds})",
            "keep min_expires_seconds <= default_expires_seconds <= max_expires_seconds",
        )
    if sip.rtp_first_port + sip.rtp_ports > 65536:
        yield Problem("sip.rtp_ports", f"{sip.rtp_ports} ports from {sip.rtp_first_port} on go beyond port 65535", f"use at most {65536 - sip.rtp_first_port}")


def extensions(site: Site) -> Iterator[Problem]:
    """Extensions are unique, and none may stand in the way of an emergency number."""
    listed = list(_extensions(site))
    used = {extension for _, extension, _ in listed}
    country = COUNTRIES.get(site.country)
    urgent = emergency_numbers(country, site.emergency)
    reserved = _Reserved(urgent, test_numbers(country, site.emergency), site.outbound.outside_prefix)
    holders: dict[str, tuple[str, str]] = {}
    for path, extension, owner in listed:
        why = reserved.why(extension)
        if why:
            yield Problem(path, why, _free(extension, used, reserved))
        holder = holders.setdefault(extension, (path, owner))
        # A device may carry its owner's main extension: it names the same person.
        if holder[0] != path and not (owner and owner == holder[1] and holder[0].startswith("users.")):
            yield Problem(path, f"{extension} is taken by {holder[0].rpartition('.')[0]}", _free(extension, used, reserved))
    if site.outbound.outside_prefix in urgent:
        yield Problem("outbound.outside_prefix", f"{site.outbound.outside_prefix} is an emergency number", 'use another digit: "9"')


def people(site: Site) -> Iterator[Problem]:
    for key, user in site.users.items():
        if user.email and not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", user.email):
            yield Problem(path_of(("users", key, "email")), f"{quoted(user.email)} is not an e-mail address", 'for example "dana@example.org"')
        if not 1 <= user.ring_seconds <= 600:
            yield Problem(path_of(("users", key, "ring_seconds")), f"{user.ring_seconds} is out of range", "use 1 to 600")


def devices(site: Site) -> Iterator[Problem]:
    names: dict[str, str] = {}
    macs: dict[str, str] = {}
    for key, device in site.devices.items():
        path = path_of(("devices", key))
        if device.owner:
            yield from _known(f"{path}.owner", "user", device.owner, site.users)
        elif device.owner is None and device.extension is None:
            yield Problem(f"{path}.extension", "is missing: a device without owner needs its own extension", "give it an owner or an extension")
        if device.location:
            yield from _known(f"{path}.location", "location", device.location, site.locations)
        yield from _twice(
            names, device.sip_user.lower(), f"{path}.sip_user", f"{quoted(device.sip_user)} is the SIP user name of another device", "give each its own"
        )
        if device.mac:
            mac = re.sub(r"[:.\- ]", "", device.mac).lower()
            if not re.fullmatch(r"[0-9a-f]{12}", mac):
                yield Problem(f"{path}.mac", f"{quoted(device.mac)} is not a MAC address", '12 hexadecimal digits: "00:1a:2b:3c:4d:5e"')
            yield from _twice(macs, mac, f"{path}.mac", f"{quoted(device.mac)} is the MAC address of another device", "a phone is one device")
        if not 1 <= device.max_contacts <= 20:
            yield Problem(f"{path}.max_contacts", f"{device.max_contacts} is out of range", "use 1 to 20")


def lines(site: Site) -> Iterator[Problem]:
    """Trunks, incoming numbers and outside dialling."""
    for key, trunk in site.trunks.items():
        path = path_of(("trunks", key))
        yield from _host(f"{path}.host", trunk.host)
        yield from _address(f"{path}.bind", trunk.bind)
        yield from _address(f"{path}.advertised", trunk.advertised)
    known = {extension for _, extension, _ in _extensions(site)}
    complete = _extensions_complete(site)
    seen: dict[str, str] = {}
    for key, number in site.numbers.items():
        path = path_of(("numbers", key))
        yield from _twice(seen, number.number, f"{path}.number", f"{number.number} is listed already", "list each number once")
        if number.destination and complete:
            yield from _known(f"{path}.destination", "extension", number.destination, known)
        if number.trunk:
            yield from _known(f"{path}.trunk", "trunk", number.trunk, site.trunks)
    for index, name in enumerate(site.outbound.trunks):
        if name:
            yield from _known(path_of(("outbound", "trunks", index)), "trunk", name, site.trunks)
    for index, entry in enumerate(site.outbound.allowed_countries):
        if entry and entry != "*" and not re.fullmatch(r"\+[1-9][0-9]{0,6}", entry):
            yield Problem(path_of(("outbound", "allowed_countries", index)), f"{quoted(entry)} is not a country code", _code_hint(entry))
    for index, entry in enumerate(site.outbound.blocked_prefixes):
        if entry and not re.fullmatch(r"\+[1-9][0-9]{0,14}", entry):
            yield Problem(
                path_of(("outbound", "blocked_prefixes", index)), f"{quoted(entry)} is not the beginning of a full number", 'write + and digits: "+1900"'
            )


def secrets(site: Site, names: Collection[str]) -> Iterator[Problem]:
    """What must be in the vault when `site` is put into force; `names`: what is. Devices are given a secret where they have none (site/secrets.py)."""
    for key, trunk in site.trunks.items():
        path = path_of(("trunks", key, "secret"))
        if trunk.username and path not in names:
            yield Problem(
                path, "is missing: a trunk that registers needs the carrier's password", "write it, or leave out username for a trunk known by its address"
            )


def places(site: Site) -> Iterator[Problem]:
    """Locations, and what emergency calls need of the rest."""
    elins: dict[str, str] = {}
    networks: dict[str, str] = {}
    for key, location in site.locations.items():
        path = path_of(("locations", key))
        for index, elin in enumerate(location.elins):
            yield from _twice(elins, elin, f"{path}.elins[{index}]", f"{elin} is a callback number already", "a callback number leads to one place")
        for index, network in enumerate(location.networks):
            yield from _twice(
                networks, str(network), f"{path}.networks[{index}]", f"{network} is listed already", "a network is in one place; a part of it may be in another"
            )
    emergency = site.emergency
    if emergency.default_location:
        yield from _known("emergency.default_location", "location", emergency.default_location, site.locations)
    elif emergency.default_location is None and site.locations:
        hint = f'name the location of phones nobody has placed: "{next(iter(site.locations))}"'
        yield Problem("emergency.default_location", "is missing although there are locations", hint)
    known = {extension for _, extension, _ in _extensions(site)}
    complete = _extensions_complete(site)
    for index, extension in enumerate(emergency.security_extensions):
        if extension and complete:
            yield from _known(path_of(("emergency", "security_extensions", index)), "extension", extension, known)
    for index, number in enumerate(emergency.extra_numbers):
        if len(number) == 1:
            yield Problem(
                path_of(("emergency", "extra_numbers", index)), f"{quoted(number)} alone would stand in the way of every number", "use 2 digits or more"
            )
    default = site.locations.get(emergency.default_location or "")
    if site.main_number is None and any(trunk.enabled for trunk in site.trunks.values()) and not (default and default.elins):
        yield Problem(
            "main_number", "is missing: an emergency call over a trunk must carry a number that calls back", 'write the site\'s number: "+12125550123"'
        )


CHECKS = (site_itself, extensions, people, devices, lines, places)


class _Reserved:
    """The numbers an extension must keep away from: emergency numbers and all that begins like them; test numbers and others' habits as they are."""

    def __init__(self, urgent: frozenset[str], tests: frozenset[str], prefix: str) -> None:
        self._prefix = prefix
        self._urgent = sorted({lead + number for number in urgent for lead in ("", prefix)})
        self._exact: dict[str, tuple[str, str]] = {}
        for numbers, what in ((urgent, "emergency number"), (tests, "emergency test number"), (UNIVERSAL, "emergency number elsewhere")):
            for dialled, number in ((lead + number, number) for number in sorted(numbers) for lead in ("", prefix)):
                self._exact.setdefault(dialled, (number, what))

    def why(self, extension: str) -> str:
        """Why `extension` cannot be one, or ""."""
        if extension in self._exact:
            number, what = self._exact[extension]
            return f"{extension} is an {what}" if number == extension else f"{extension} is the {what} {number} after the outside prefix"
        for dialled in self._urgent:
            if extension.startswith(dialled):
                return f"{extension} begins with {dialled}, which calls emergency services"
            if dialled.startswith(extension):
                return f"{extension} is how {dialled} begins, which calls emergency services"
        return f"{extension} is the outside prefix" if extension == self._prefix else ""


def _extensions(site: Site) -> Iterator[tuple[str, str, str]]:
    """Every extension written in the site as (path, extension, user it belongs to)."""
    for key, user in site.users.items():
        if user.extension:
            yield path_of(("users", key, "extension")), user.extension, key
    for key, device in site.devices.items():
        if device.extension:
            yield path_of(("devices", key, "extension")), device.extension, device.owner or ""


def _extensions_complete(site: Site) -> bool:
    """Whether every extension of the site could be read; if not, an unknown one may well be it."""
    return all(user.extension != "" for user in site.users.values()) and all(device.extension != "" for device in site.devices.values())


def _free(extension: str, used: set[str], reserved: _Reserved) -> str:
    """A hint with the next free extensions of the same length."""
    size, start = 10 ** len(extension), int(extension)
    near = (str((start + step) % size).zfill(len(extension)) for step in range(1, min(size, 5000)))
    free = list(itertools.islice((word for word in near if word not in used and not reserved.why(word)), 2))
    return f"free nearby: {', '.join(free)}" if free else f"no extension of {len(extension)} digits is free nearby; use a longer one"


def _known(path: str, what: str, value: str, known: Collection[str]) -> Iterator[Problem]:
    if value not in known:
        yield Problem(path, f"there is no {what} {quoted(value)}", close(value, known) or f"add the {what} first")


def _twice(seen: dict[str, str], value: str, path: str, sentence: str, hint: str) -> Iterator[Problem]:
    """Reports the second and later of equal values; `seen` maps each to where it was first."""
    if value and seen.setdefault(value, path) != path:
        yield Problem(path, sentence, f"{hint}; the first is {seen[value]}")


def _address(path: str, value: str) -> Iterator[Problem]:
    if not value:
        return
    try:
        address = ipaddress.ip_address(value)
    except ValueError:
        yield Problem(path, f"{quoted(value)} is not an IP address", 'write digits, not a name: "192.168.10.2"')
        return
    if address.is_unspecified or address.is_multicast:
        yield Problem(path, f"{quoted(value)} is not the address of one machine", 'write one address: "192.168.10.2"')


def _host(path: str, value: str) -> Iterator[Problem]:
    """A colon belongs into an IPv6 literal only; elsewhere it is a port or a scheme in the wrong place."""
    if ":" not in value:
        return
    try:
        ipaddress.IPv6Address(value)
    except ValueError:
        yield Problem(path, f"{quoted(value)} is not a host name or address", 'leave out sip: and the port: "sip.example.net"')


def _zone_exists(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # unknown; a path outside the database; a folder of it such as "Europe"
        return name == "UTC"
    return True


def _zone_hint(name: str) -> str:
    zones = available_timezones()
    matches = close(name, zones)
    return matches if matches.startswith("did") else 'for example "America/New_York" or "Europe/Berlin"'


def _code_hint(entry: str) -> str:
    country = COUNTRIES.get(entry.upper())
    if country is not None:
        return f'{country.name} is "+{country.calling_code}"'
    digits = re.sub(r"[^0-9]", "", entry).lstrip("0")
    return f'write "+{digits}"' if digits else 'write + and digits: "+44", or "*" for all'
