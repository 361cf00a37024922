"""The compiled site: every look-up a call needs as one plain dictionary access, made once per revision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from appliance.site.countries import COUNTRIES, EVERYWHERE, Country
from appliance.site.model.lines import Trunk
from appliance.site.model.places import Emergency
from appliance.site.model.site import Site
from appliance.types import DeviceId, LocationId, TrunkId, UserId


@dataclass(frozen=True, slots=True)
class DeviceEntry:
    """A device as calls and registrations see it.

    `extension`: the one presented on internal calls (the owner's main extension, else its own). `enabled`: the device's and its owner's switch together.
    """

    id: DeviceId
    sip_user: str
    secret: str
    owner: UserId | None
    name: str
    extension: str
    display_name: str
    location: LocationId | None
    max_contacts: int
    enabled: bool


@dataclass(frozen=True, slots=True)
class ExtensionEntry:
    """What an extension rings: `devices` are the enabled ones, none when its user or device is switched off."""

    extension: str
    user: UserId | None
    devices: tuple[DeviceId, ...]
    name: str
    call_waiting: bool
    ring_seconds: int


@dataclass(frozen=True, slots=True)
class NumberEntry:
    """An incoming number and the extension it rings; `trunk` None: from any trunk."""

    number: str
    destination: str
    name: str
    trunk: TrunkId | None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One revision, ready for use; swapped as a whole, never changed.

    `by_sip_user` has user names as written. `trunks`: the enabled ones in the order written, which is the order of emergency paths;
    `outbound_trunks`: those that carry ordinary calls, in their order. `emergency_numbers` holds the country's minimum, the site's own and 112.
    """

    site: Site
    revision: int
    realm: str
    country: Country
    devices: dict[DeviceId, DeviceEntry]
    by_sip_user: dict[str, DeviceEntry]
    extensions: dict[str, ExtensionEntry]
    numbers: dict[str, NumberEntry]
    trunks: dict[TrunkId, Trunk]
    outbound_trunks: tuple[TrunkId, ...]
    emergency_numbers: frozenset[str]
    test_numbers: frozenset[str]


def compile(site: Site, revision: int) -> Snapshot:
    """Compile `site`, which has passed validation, into look-up tables. Raises KeyError on a country that is not in the table."""
    country = COUNTRIES[site.country]
    devices = _devices(site)
    trunks = {TrunkId(key): trunk for key, trunk in site.trunks.items() if trunk.enabled}
    ordered = tuple(TrunkId(key) for key in site.outbound.trunks if key in trunks) if site.outbound.trunks else tuple(trunks)
    return Snapshot(
        site=site,
        revision=revision,
        realm=site.domain,
        country=country,
        devices=devices,
        by_sip_user={entry.sip_user: entry for entry in devices.values()},
        extensions=_extensions(site, devices),
        numbers={n.number: NumberEntry(n.number, n.destination, n.name, TrunkId(n.trunk) if n.trunk else None) for n in site.numbers.values()},
        trunks=trunks,
        outbound_trunks=ordered,
        emergency_numbers=emergency_numbers(country, site.emergency),
        test_numbers=test_numbers(country, site.emergency),
    )


def emergency_numbers(country: Country | None, emergency: Emergency) -> frozenset[str]:
    """The numbers that reach emergency services: what the country demands and what the site adds; the first part cannot be taken away."""
    return frozenset({EVERYWHERE, *(country.emergency if country else ()), *emergency.extra_numbers})


def test_numbers(country: Country | None, emergency: Emergency) -> frozenset[str]:
    """The numbers that try the emergency route; one that is an emergency number as well stays an emergency number."""
    return frozenset({*(country.test if country else ()), *emergency.test_numbers}) - emergency_numbers(country, emergency)


def _devices(site: Site) -> dict[DeviceId, DeviceEntry]:
    entries: dict[DeviceId, DeviceEntry] = {}
    for key, device in site.devices.items():
        owner = site.users.get(device.owner) if device.owner else None
        name = device.name or (owner.name if owner else device.sip_user)
        entries[DeviceId(key)] = DeviceEntry(
            id=DeviceId(key),
            sip_user=device.sip_user,
            secret=device.secret,
            owner=UserId(device.owner) if device.owner else None,
            name=name,
            extension=owner.extension if owner else device.extension or "",
            display_name=owner.name if owner else name,
            location=LocationId(device.location) if device.location else None,
            max_contacts=device.max_contacts,
            enabled=device.enabled and (owner is None or owner.enabled),
        )
    return entries


def _extensions(site: Site, devices: Mapping[DeviceId, DeviceEntry]) -> dict[str, ExtensionEntry]:
    owned: dict[UserId, list[DeviceId]] = {}
    for entry in devices.values():
        if entry.owner is not None and entry.enabled:
            owned.setdefault(entry.owner, []).append(entry.id)
    extensions: dict[str, ExtensionEntry] = {}
    for key, device in site.devices.items():
        if device.extension is None:
            continue
        entry = devices[DeviceId(key)]
        owner = site.users.get(device.owner) if device.owner else None
        extensions[device.extension] = ExtensionEntry(
            extension=device.extension,
            user=entry.owner,
            devices=(entry.id,) if entry.enabled else (),
            name=entry.display_name,
            call_waiting=owner.call_waiting if owner else True,
            ring_seconds=owner.ring_seconds if owner else site.sip.ring_seconds,
        )
    # Users last: a device that carries its owner's main extension does not narrow that extension to itself (row T1).
    for name, user in site.users.items():
        extensions[user.extension] = ExtensionEntry(
            extension=user.extension,
            user=UserId(name),
            devices=tuple(owned.get(UserId(name), ())),
            name=user.name,
            call_waiting=user.call_waiting,
            ring_seconds=user.ring_seconds,
        )
    return extensions
