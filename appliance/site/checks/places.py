"""Cross references of places, and what emergency calls need of the rest."""

from __future__ import annotations

from collections.abc import Iterator

from appliance.errors import Problem
from appliance.site.checks.common import known, twice
from appliance.site.checks.extensions import known_extensions
from appliance.site.model.site import Site
from appliance.site.wording import path_of, quoted


def places(site: Site) -> Iterator[Problem]:
    """Locations, and what emergency calls need of the rest."""
    elins: dict[str, str] = {}
    networks: dict[str, str] = {}
    for key, location in site.locations.items():
        path = path_of(("locations", key))
        for index, elin in enumerate(location.elins):
            yield from twice(elins, elin, f"{path}.elins[{index}]", f"{elin} is a callback number already", "a callback number leads to one place")
        for index, network in enumerate(location.networks):
            yield from twice(
                networks, str(network), f"{path}.networks[{index}]", f"{network} is listed already", "a network is in one place; a part of it may be in another"
            )
    emergency = site.emergency
    if emergency.default_location:
        yield from known("emergency.default_location", "location", emergency.default_location, site.locations)
    elif emergency.default_location is None and site.locations:
        hint = f'name the location of phones nobody has placed: "{next(iter(site.locations))}"'
        yield Problem("emergency.default_location", "is missing although there are locations", hint)
    everywhere, ringing = known_extensions(site), known_extensions(site, ("users.", "devices.", "groups."))
    for index, extension in enumerate(emergency.security_extensions):
        path = path_of(("emergency", "security_extensions", index))
        if extension and everywhere is not None and ringing is not None:
            if extension in everywhere - ringing:
                yield Problem(path, f"{quoted(extension)} rings nobody", "name the extension of a user, a device or a group")
            else:
                yield from known(path, "extension", extension, ringing)
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
