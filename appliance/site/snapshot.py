"""The compiled site: every look-up a call needs as one plain dictionary access, made once per revision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from appliance.site.countries import COUNTRIES, EVERYWHERE, Country
from appliance.site.model.lines import Destination, Trunk
from appliance.site.model.places import Emergency
from appliance.site.model.site import Site
from appliance.types import MODEM, DeviceId, FlowId, GroupId, LocationId, MailboxId, TrunkId, UserId


@dataclass(frozen=True, slots=True)
class DeviceEntry:
    """A device as calls and registrations see it.

    `extension`: the one presented on internal calls (the owner's main extension, else its own). `enabled`: the device's and its owner's switch together.
    `secret` None: the vault has none, so nobody can sign in as it.
    """

    id: DeviceId
    sip_user: str
    secret: str | None = field(repr=False)
    owner: UserId | None
    name: str
    extension: str
    display_name: str
    location: LocationId | None
    max_contacts: int
    enabled: bool


@dataclass(frozen=True, slots=True)
class ExtensionEntry:
    """What an extension rings: `devices` are the enabled ones, none when its user or device is switched off.

    `flow`: it rings nobody, that flow runs, for a user of mode `flow` with `user`'s settings (row E12). `mailbox`: its messages are heard.
    """

    extension: str
    user: UserId | None
    devices: tuple[DeviceId, ...]
    name: str
    call_waiting: bool
    ring_seconds: int
    group: GroupId | None = None
    flow: FlowId | None = None
    mailbox: MailboxId | None = None


@dataclass(frozen=True, slots=True)
class NumberEntry:
    """An incoming number and where it leads; `trunk` None: from any trunk."""

    number: str
    destination: Destination
    name: str
    trunk: TrunkId | None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One revision, ready for use; swapped as a whole, never changed.

    `by_sip_user` has user names as written. `trunks`: the enabled ones in the order written, which is the order of emergency paths;
    `trunk_secrets`: of all that have one, switched off or not; `outbound_trunks`: those that carry ordinary calls, in their order.
    `emergency_numbers` holds the country's minimum, the site's own and 112.
    `users` and `groups` are entries of `extensions` by id, those without an extension too; `mailboxes` has each user's first one.
    """

    site: Site
    revision: int
    realm: str
    country: Country
    devices: dict[DeviceId, DeviceEntry]
    by_sip_user: dict[str, DeviceEntry]
    extensions: dict[str, ExtensionEntry]
    users: dict[UserId, ExtensionEntry]
    groups: dict[GroupId, ExtensionEntry]
    mailboxes: dict[UserId, MailboxId]
    numbers: dict[str, NumberEntry]
    trunks: dict[TrunkId, Trunk]
    trunk_secrets: dict[TrunkId, str] = field(repr=False)
    outbound_trunks: tuple[TrunkId, ...]
    emergency_numbers: frozenset[str]
    test_numbers: frozenset[str]


def compile(site: Site, revision: int, secrets: Mapping[str, str]) -> Snapshot:
    """Compile `site`, which has passed validation, into look-up tables. Raises KeyError on a country that is not in the table.

    `secrets`: the vault's values for this revision, by name (`devices.dana-desk.secret`). What is missing there is missing here; nothing else changes.
    """
    country = COUNTRIES[site.country]
    devices = _devices(site, secrets)
    owned = _owned(devices)
    users, groups = _users(site, owned), _groups(site, devices, owned)
    trunks = {TrunkId(key): trunk for key, trunk in site.trunks.items() if trunk.enabled}
    ordered = tuple(TrunkId(key) for key in site.outbound.trunks if key in trunks) if site.outbound.trunks else tuple(trunks)
    return Snapshot(
        site=site,
        revision=revision,
        realm=site.domain,
        country=country,
        devices=devices,
        by_sip_user={entry.sip_user: entry for entry in devices.values()},
        extensions=_extensions(site, devices, users, groups),
        users=users,
        groups=groups,
        mailboxes=_mailboxes(site),
        numbers=_numbers(site),
        trunks=trunks,
        trunk_secrets={TrunkId(key): value for key in site.trunks if (value := secrets.get(f"trunks.{key}.secret"))},
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


def _numbers(site: Site) -> dict[str, NumberEntry]:
    """The modem's own destination stands under its SIM card's number, or where that is not known under its name."""
    numbers = {n.number: NumberEntry(n.number, n.destination, n.name, TrunkId(n.trunk) if n.trunk else None) for n in site.numbers.values()}
    modem = site.modem
    if modem.destination.kind != "none":
        own = modem.sim.number or MODEM
        numbers[own] = NumberEntry(own, modem.destination, "Mobile modem", MODEM)
    return numbers


def _devices(site: Site, secrets: Mapping[str, str]) -> dict[DeviceId, DeviceEntry]:
    entries: dict[DeviceId, DeviceEntry] = {}
    for key, device in site.devices.items():
        owner = site.users.get(device.owner) if device.owner else None
        name = device.name or (owner.name if owner else device.sip_user)
        entries[DeviceId(key)] = DeviceEntry(
            id=DeviceId(key),
            sip_user=device.sip_user,
            secret=secrets.get(f"devices.{key}.secret") or None,
            owner=UserId(device.owner) if device.owner else None,
            name=name,
            extension=owner.extension if owner else device.extension or "",
            display_name=owner.name if owner else name,
            location=LocationId(device.location) if device.location else None,
            max_contacts=device.max_contacts,
            enabled=device.enabled and (owner is None or owner.enabled),
        )
    return entries


def _owned(devices: Mapping[DeviceId, DeviceEntry]) -> dict[UserId, tuple[DeviceId, ...]]:
    """Each user's enabled devices."""
    owned: dict[UserId, tuple[DeviceId, ...]] = {}
    for entry in devices.values():
        if entry.owner is not None and entry.enabled:
            owned[entry.owner] = (*owned.get(entry.owner, ()), entry.id)
    return owned


def _users(site: Site, owned: Mapping[UserId, tuple[DeviceId, ...]]) -> dict[UserId, ExtensionEntry]:
    return {
        UserId(key): ExtensionEntry(
            extension=user.extension,
            user=UserId(key),
            devices=owned.get(UserId(key), ()),
            name=user.name,
            call_waiting=user.call_waiting,
            ring_seconds=user.ring_seconds,
            flow=FlowId(user.flow) if user.mode == "flow" and user.flow and user.enabled else None,
        )
        for key, user in site.users.items()
    }


def _groups(site: Site, devices: Mapping[DeviceId, DeviceEntry], owned: Mapping[UserId, tuple[DeviceId, ...]]) -> dict[GroupId, ExtensionEntry]:
    groups: dict[GroupId, ExtensionEntry] = {}
    for key, group in site.groups.items():
        alone = (DeviceId(name) for name in group.devices if name in devices and devices[DeviceId(name)].enabled)
        members = (*(device for user in group.users for device in owned.get(UserId(user), ())), *alone)
        groups[GroupId(key)] = ExtensionEntry(
            group.extension or "", None, tuple(dict.fromkeys(members)), group.name, call_waiting=True, ring_seconds=group.ring_seconds, group=GroupId(key)
        )
    return groups


def _mailboxes(site: Site) -> dict[UserId, MailboxId]:
    found: dict[UserId, MailboxId] = {}
    for key, mailbox in site.mailboxes.items():
        if mailbox.owner:
            found.setdefault(UserId(mailbox.owner), MailboxId(key))
    return found


def _extensions(
    site: Site, devices: Mapping[DeviceId, DeviceEntry], users: Mapping[UserId, ExtensionEntry], groups: Mapping[GroupId, ExtensionEntry]
) -> dict[str, ExtensionEntry]:
    extensions: dict[str, ExtensionEntry] = {}
    for flow_id, flow in site.flows.items():
        for extension in flow.extensions:
            extensions[extension] = ExtensionEntry(extension, None, (), flow.name, True, 0, flow=FlowId(flow_id))
    for key, mailbox in site.mailboxes.items():
        if mailbox.extension:
            extensions[mailbox.extension] = ExtensionEntry(mailbox.extension, None, (), mailbox.name, True, 0, mailbox=MailboxId(key))
    extensions.update({entry.extension: entry for entry in groups.values() if entry.extension})
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
    extensions.update({entry.extension: entry for entry in users.values()})
    return extensions
