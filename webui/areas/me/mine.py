"""What belongs to who is signed in. Every page of this area takes its objects from here, never from its address."""

from __future__ import annotations

from collections.abc import Mapping

from flask import abort

from appliance.site.model.people import Device, Mailbox, User
from appliance.site.model.site import Site
from webui.guard import current
from webui.place import place


def site() -> Site:
    """The site in force: what is only pending is nobody's yet."""
    found = place().site()
    if found is None:
        abort(404)
    return found


def key() -> str:
    return current().key


def user() -> User:
    """404 where he was deleted a moment ago."""
    found = site().users.get(key())
    if found is None:
        abort(404)
    return found


def mailboxes() -> Mapping[str, Mailbox]:
    return {id: box for id, box in site().mailboxes.items() if box.owner == key()}


def devices() -> Mapping[str, Device]:
    return {id: device for id, device in site().devices.items() if device.owner == key()}
