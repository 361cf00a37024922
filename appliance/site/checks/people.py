"""Cross references of users, their devices, groups and mailboxes."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from appliance.errors import Problem
from appliance.site.checks.common import dialled, email, known, twice
from appliance.site.checks.extensions import urgent_numbers
from appliance.site.model.people import ForwardStep, User
from appliance.site.model.site import Site
from appliance.site.wording import path_of, quoted


def users(site: Site) -> Iterator[Problem]:
    urgent = urgent_numbers(site)
    owned: dict[str, list[str]] = {}
    for name, device in site.devices.items():
        if device.owner:
            owned.setdefault(device.owner, []).append(name)
    for key, user in site.users.items():
        path = path_of(("users", key))
        yield from email(f"{path}.email", user.email)
        if not 1 <= user.ring_seconds <= 600:
            yield Problem(f"{path}.ring_seconds", f"{user.ring_seconds} is out of range", "use 1 to 600")
        if user.flow:
            yield from known(f"{path}.flow", "flow", user.flow, site.flows)
        elif user.mode == "flow":
            yield Problem(f"{path}.flow", "is empty: a user of mode flow is a name for a flow", 'name the flow: "house"')
        if user.main_device:
            yield from _main_device(f"{path}.main_device", user.main_device, owned.get(key, []), site)
        for name in ("no_answer", "busy", "follow_me"):
            for index, step in enumerate(getattr(user.forwarding, name)):
                yield from _forward_step(f"{path}.forwarding.{name}[{index}]", step, key, site, urgent)


def _main_device(path: str, name: str, owned: list[str], site: Site) -> Iterator[Problem]:
    if name in owned:
        return
    hint = f'name one of the user\'s own: "{owned[0]}"' if owned else "give the device this owner first"
    if name in site.devices:
        if site.devices[name].owner != "":
            yield Problem(path, f"{quoted(name)} is not a device of this user", hint)
    else:
        yield Problem(path, f"there is no device {quoted(name)}", hint)


def _forward_step(path: str, step: ForwardStep, key: str, site: Site, urgent: Collection[str]) -> Iterator[Problem]:
    other = next((name for name in site.users if name != key), "")
    example = f'user = "{other}"' if other else 'number = "+12125550123"'
    if step.user is None and step.number is None:
        yield Problem(path, "leads nowhere", f"write {example}")
    elif step.user is not None and step.number is not None:
        yield Problem(path, "names a user and a number", "keep one of them, and write another line for the other")
    elif step.user == key:
        yield Problem(f"{path}.user", "is the user whose calls are forwarded", f"name somebody else: {example}")
    elif step.user:
        yield from known(f"{path}.user", "user", step.user, site.users)
    elif step.number:
        yield from dialled(f"{path}.number", step.number, urgent)


def devices(site: Site) -> Iterator[Problem]:
    names: dict[str, str] = {}
    macs: dict[str, str] = {}
    for key, device in site.devices.items():
        path = path_of(("devices", key))
        if device.owner:
            yield from known(f"{path}.owner", "user", device.owner, site.users)
            yield from _nobody(f"{path}.owner", device.owner, site.users.get(device.owner))
        elif device.owner is None and device.extension is None:
            yield Problem(f"{path}.extension", "is missing: a device without owner needs its own extension", "give it an owner or an extension")
        if device.location:
            yield from known(f"{path}.location", "location", device.location, site.locations)
        yield from twice(
            names, device.sip_user.lower(), f"{path}.sip_user", f"{quoted(device.sip_user)} is the SIP user name of another device", "give each its own"
        )
        if device.mac:
            mac = re.sub(r"[:.\- ]", "", device.mac).lower()
            if not re.fullmatch(r"[0-9a-f]{12}", mac):
                yield Problem(f"{path}.mac", f"{quoted(device.mac)} is not a MAC address", '12 hexadecimal digits: "00:1a:2b:3c:4d:5e"')
            yield from twice(macs, mac, f"{path}.mac", f"{quoted(device.mac)} is the MAC address of another device", "a phone is one device")
        if not 1 <= device.max_contacts <= 20:
            yield Problem(f"{path}.max_contacts", f"{device.max_contacts} is out of range", "use 1 to 20")


def _nobody(path: str, owner: str, user: User | None) -> Iterator[Problem]:
    """Row E12."""
    if user is not None and user.mode == "flow":
        yield Problem(path, f"{quoted(owner)} is a user of mode flow, which has no devices", f'name another owner, or set users.{owner}.mode = "sip_phone"')


def groups(site: Site) -> Iterator[Problem]:
    for key, group in site.groups.items():
        for kind, members, there_are in (("user", group.users, site.users), ("device", group.devices, site.devices)):
            seen: dict[str, str] = {}
            for index, member in enumerate(members):
                path = path_of(("groups", key, f"{kind}s", index))
                if member:
                    yield from known(path, kind, member, there_are)
                yield from twice(seen, member, path, f"{quoted(member)} is listed already", "list each member once")


def mailboxes(site: Site) -> Iterator[Problem]:
    for key, mailbox in site.mailboxes.items():
        path = path_of(("mailboxes", key))
        if mailbox.owner:
            yield from known(f"{path}.owner", "user", mailbox.owner, site.users)
        if mailbox.greeting:
            yield from known(f"{path}.greeting", "recording", mailbox.greeting, site.audio)
        yield from email(f"{path}.email", mailbox.email)
