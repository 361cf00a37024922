"""Where a phone is: administrator's pin, then the subnet it calls from, then the site's default; compiled per revision."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Literal

from appliance.site.model.places import Civic, Location
from appliance.site.model.site import Site
from appliance.types import LocationId

Method = Literal["pin", "subnet", "default", "none"]


@dataclass(frozen=True, slots=True)
class Resolved:
    """The place of one device at one moment. `note` is a sentence for the alarm where sources disagree or the place is a guess, else ""."""

    location_id: LocationId | None
    location: Location | None
    method: Method
    note: str = ""


class LocationTable:
    """Locations of one revision, ready for look-up. The place follows the device, never the user who happens to use it."""

    __slots__ = ("_default", "_locations", "_subnets")

    def __init__(self, site: Site) -> None:
        self._locations = {LocationId(key): location for key, location in site.locations.items()}
        self._default = LocationId(site.emergency.default_location) if site.emergency.default_location else None
        by_mask: dict[tuple[int, int], dict[int, LocationId]] = {}
        for key, location in self._locations.items():
            for network in location.networks:
                shift = network.max_prefixlen - network.prefixlen
                # The first one written keeps a network that two places claim.
                by_mask.setdefault((network.version, shift), {}).setdefault(int(network.network_address) >> shift, key)
        self._subnets = {
            version: tuple((shift, by_mask[(of, shift)]) for of, shift in sorted(by_mask) if of == version) for version in {of for of, _ in by_mask}
        }
        """By IP version: masks from the longest prefix (smallest shift) to the shortest, each with its networks."""

    def resolve(self, device_location: LocationId | None, source_ip: str) -> Resolved:
        """Where the device is that calls from `source_ip` (IP literal) and is pinned to `device_location` (None: not pinned, or a device nobody knows)."""
        near = self.subnet(source_ip)
        if device_location is not None and device_location in self._locations:
            note = ""
            if near is not None and near != device_location:
                note = f"the device is assigned to {self._name(device_location)}, but {source_ip} belongs to {self._name(near)}"
            return Resolved(device_location, self._locations[device_location], "pin", note)
        note = f"the device is assigned to {device_location}, which does not exist" if device_location is not None else ""
        if near is not None:
            return Resolved(near, self._locations[near], "subnet", note)
        if self._default is not None and self._default in self._locations:
            note = note or f"nothing says where the device at {source_ip} is; the site's default location is used"
            return Resolved(self._default, self._locations[self._default], "default", note)
        return Resolved(None, None, "none", note or f"nothing says where the device at {source_ip} is, and the site has no default location")

    def subnet(self, source_ip: str) -> LocationId | None:
        """The location with the longest network that holds `source_ip`; None for none, and for what is no address."""
        try:
            address: IPv4Address | IPv6Address = ip_address(source_ip.partition("%")[0].strip("[]"))
        except ValueError:
            return None
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        number = int(address)
        for shift, networks in self._subnets.get(address.version, ()):
            found = networks.get(number >> shift)
            if found is not None:
                return found
        return None

    def _name(self, key: LocationId) -> str:
        return self._locations[key].name


def resolve(device_location: LocationId | None, source_ip: str, table: LocationTable) -> Resolved:
    """Same as `table.resolve`; the shape calls and proofs use."""
    return table.resolve(device_location, source_ip)


def describe(location: Location | None) -> str:
    """The place in one line, as a person would say it to a dispatcher: name, street, inside the building, town. "" for no location."""
    if location is None:
        return ""
    civic = location.civic
    parts = (
        location.name,
        _words(civic.HNO + civic.HNS, civic.PRD, civic.RD, civic.STS, civic.POD),
        civic.NAM,
        _labelled("Building", civic.BLD),
        _labelled("Unit", civic.UNIT),
        _labelled("Floor", civic.FLR),
        _labelled("Room", civic.ROOM),
        civic.LOC,
        _labelled("near", civic.LMK),
        civic.A4,
        _town(civic),
    )
    return ", ".join(dict.fromkeys(part for part in parts if part))


def _town(civic: Civic) -> str:
    return ", ".join(part for part in (civic.A3, _words(civic.A1, civic.PC), civic.country) if part)


def _words(*words: str) -> str:
    return " ".join(word for word in words if word)


def _labelled(label: str, value: str) -> str:
    return f"{label} {value}" if value else ""
