"""Cross references of the fields at the top and of the SIP settings."""

from __future__ import annotations

from collections.abc import Iterator
from zoneinfo import ZoneInfo, available_timezones

from appliance.errors import Problem
from appliance.site.checks.common import address, host, twice
from appliance.site.countries import COUNTRIES
from appliance.site.model.site import Site
from appliance.site.wording import close, path_of, quoted


def site_itself(site: Site) -> Iterator[Problem]:
    if site.country and site.country not in COUNTRIES:
        yield Problem("country", f"the dialling and emergency numbers of {quoted(site.country)} are not known", close(site.country, COUNTRIES))
    yield from host("domain", site.domain)
    if site.time_zone and not _zone_exists(site.time_zone):
        yield Problem("time_zone", f"{quoted(site.time_zone)} is not a time zone", _zone_hint(site.time_zone))
    seen: dict[str, str] = {}
    for index, interface in enumerate(site.interfaces):
        path = path_of(("interfaces", index))
        yield from address(f"{path}.address", interface.address)
        yield from address(f"{path}.advertised", interface.advertised)
        yield from twice(seen, interface.address, f"{path}.address", "is listed already", "list each address once")
    sip = site.sip
    if not sip.min_expires_seconds <= sip.default_expires_seconds <= sip.max_expires_seconds:
        yield Problem(
            "sip.default_expires_seconds",
            f"{sip.default_expires_seconds} is not between the least ({sip.min_expires_seconds}) and the most ({sip.max_expires_seconds})",
            "keep min_expires_seconds <= default_expires_seconds <= max_expires_seconds",
        )
    if sip.rtp_first_port + sip.rtp_ports > 65536:
        yield Problem("sip.rtp_ports", f"{sip.rtp_ports} ports from {sip.rtp_first_port} on go beyond port 65535", f"use at most {65536 - sip.rtp_first_port}")


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
