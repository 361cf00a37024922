"""Extensions: each leads to one thing, and none stands in the way of an emergency number."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from appliance.errors import Problem
from appliance.site.countries import COUNTRIES, EVERYWHERE
from appliance.site.model.site import Site
from appliance.site.snapshot import emergency_numbers, test_numbers
from appliance.site.wording import path_of

UNIVERSAL = frozenset({"911", EVERYWHERE, "933"})
"""Never extensions, wherever the site stands: people and phones bring these habits with them."""


def extensions(site: Site) -> Iterator[Problem]:
    """Extensions are unique, and none may stand in the way of an emergency number."""
    listed = [entry for entry in listed_extensions(site) if entry[1]]
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
            yield Problem(path, f"{extension} is taken by {_holder(holder[0])}", _free(extension, used, reserved))
    if site.outbound.outside_prefix in urgent:
        yield Problem("outbound.outside_prefix", f"{site.outbound.outside_prefix} is an emergency number", 'use another digit: "9"')


def _holder(path: str) -> str:
    """The object whose extension stands at `path`."""
    return ".".join(path.split(".")[:2])


def listed_extensions(site: Site) -> Iterator[tuple[str, str, str]]:
    """Every extension written in the site as (path, extension, user it belongs to); "" stands for one that could not be read."""
    for key, user in site.users.items():
        yield path_of(("users", key, "extension")), user.extension, key
    for key, device in site.devices.items():
        if device.extension is not None:
            yield path_of(("devices", key, "extension")), device.extension, device.owner or ""
    for kind, holders in (("groups", site.groups), ("mailboxes", site.mailboxes)):
        for key, holder in holders.items():
            if holder.extension is not None:
                yield path_of((kind, key, "extension")), holder.extension, ""
    for key, flow in site.flows.items():
        for index, extension in enumerate(flow.extensions):
            yield path_of(("flows", key, "extensions", index)), extension, ""


def known_extensions(site: Site, kinds: tuple[str, ...] = ()) -> frozenset[str] | None:
    """The extensions of the site (of those kinds); None where one could not be read: whatever is looked for may well be it."""
    found = {extension for path, extension, _ in listed_extensions(site) if not kinds or path.startswith(kinds)}
    return None if "" in found else frozenset(found)


def urgent_numbers(site: Site) -> frozenset[str]:
    """Every way to dial an emergency number of the site."""
    numbers = emergency_numbers(COUNTRIES.get(site.country), site.emergency)
    return frozenset(lead + number for number in numbers for lead in ("", site.outbound.outside_prefix))


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


def free_extensions(site: Site, near: str, count: int) -> list[str]:
    """At most `count` extensions that nothing has, of as many digits as `near`, the next ones first."""
    reserved = _Reserved(emergency_numbers(COUNTRIES.get(site.country), site.emergency), test_numbers(COUNTRIES.get(site.country), site.emergency),
                         site.outbound.outside_prefix)  # fmt: skip
    return list(itertools.islice(_near(near, {extension for _, extension, _ in listed_extensions(site)}, reserved), count))


def _near(extension: str, used: set[str], reserved: _Reserved) -> Iterator[str]:
    size, start = 10 ** len(extension), int(extension)
    near = (str((start + step) % size).zfill(len(extension)) for step in range(1, min(size, 5000)))
    return (word for word in near if word not in used and not reserved.why(word))


def _free(extension: str, used: set[str], reserved: _Reserved) -> str:
    """A hint with the next free extensions of the same length."""
    free = list(itertools.islice(_near(extension, used, reserved), 2))
    return f"free nearby: {', '.join(free)}" if free else f"no extension of {len(extension)} digits is free nearby; use a longer one"
