"""Whom a call action is for: extensions of the site in force as people know them, and what somebody typed as a number."""

from __future__ import annotations

import re

from webui.i18n import sort_key
from webui.place import place

DIALLED = re.compile(r"[A-Za-z0-9*#+:_-]{1,64}")
"""As calls.originate takes it, without the points and spaces that people write."""


def phones() -> list[tuple[str, str]]:
    """(extension, `201 Priya Raman`) of whoever has a phone."""
    site = place().site()
    if site is None:
        return []
    owners = {device.owner for device in site.devices.values() if device.enabled}
    found = {user.extension: user.name for key, user in site.users.items() if key in owners and user.enabled}
    for device in site.devices.values():
        if device.extension and device.enabled and not device.owner:
            found.setdefault(device.extension, device.name or device.sip_user)
    return [(extension, f"{extension} {name}") for extension, name in sorted(found.items())]


def groups() -> list[tuple[str, str]]:
    """(id, name) of groups."""
    site = place().site()
    return sorted(((key, group.name) for key, group in site.groups.items()), key=lambda each: sort_key(each[1])) if site is not None else []


def recordings() -> list[tuple[str, str]]:
    """(id, name) of the site's recordings."""
    site = place().site()
    return sorted(((key, audio.name) for key, audio in site.audio.items()), key=lambda each: sort_key(each[1])) if site is not None else []


def offered() -> list[str]:
    """What the browser offers while somebody types: phones and groups with a number."""
    site = place().site()
    numbered = [f"{group.extension} {group.name}" for group in site.groups.values() if group.extension] if site is not None else []
    return [label for _, label in phones()] + numbered


def number(typed: str) -> str:
    """What to dial for a line of `offered`, an extension, or a number as people write it; "": it is none."""
    text = typed.strip()
    if text in offered():
        text = text.partition(" ")[0]
    if re.search(r"[A-Za-z]", text) and re.search(r"\s", text):
        return ""  # a name nobody has
    text = re.sub(r"[\s()./]|(?<=\d)-(?=\d)", "", text)
    return text if DIALLED.fullmatch(text) else ""
