"""Devices as lists show them, and what the engine said last about each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from webui.engine import State, engine
from webui.i18n import gettext, ngettext, sort_key
from webui.listing import marks
from webui.live import live, st
from webui.place import place


@dataclass(frozen=True, slots=True)
class Device:
    """A device of the candidate. `extension`: its own, else its owner's. `change`: "new", "changed" or "" against what is in force."""

    key: str
    name: str
    sip_user: str
    extension: str
    own_extension: str
    owner: str
    owner_name: str
    location: str
    mac: str
    change: str
    registered: bool
    words: str
    """What the search looks at."""


def devices() -> list[Device]:
    """All of them, by extension."""
    state = engine().state
    contacts = contacts_of(state)
    changes = marks("devices")
    made = [_device(key, held, contacts.get(key, []), changes.get(key, "")) for key, held in place().kind("devices").items()]
    return sorted(made, key=lambda row: (len(row.extension), row.extension, sort_key(row.name)))


def contacts_of(state: State) -> dict[str, list[Mapping[str, Any]]]:
    """Device -> where it is registered, the latest first."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for entry in sorted(state.registrations.get("registrations", ()), key=lambda entry: -entry["registered_unix_s"]):
        found.setdefault(entry["device"], []).append(entry)
    return found


def name_of(held: Mapping[str, Any], key: str) -> str:
    """What people call a device."""
    return str(held.get("name") or "") or gettext("Phone %(user)s", user=held.get("sip_user") or key)


def model(user_agent: str) -> str:
    """`Yealink SIP-T54W 96.86.0.100` as it says itself; cut, for it is the phone's to choose."""
    return user_agent if len(user_agent) <= 60 else f"{user_agent[:59]}…"


def address(contact: Mapping[str, Any]) -> str:
    """`udp:192.168.20.57:5060` as `192.168.20.57`."""
    return str(contact["received"]).partition(":")[2].rpartition(":")[0].strip("[]")


def _device(key: str, held: Mapping[str, Any], contacts: list[Mapping[str, Any]], change: str) -> Device:
    owner = str(held.get("owner") or "")
    user = place().kind("users").get(owner, {})
    own = str(held.get("extension") or "")
    known = place().kind("locations").get(str(held.get("location") or ""), {})
    told = [str(held.get(name) or "") for name in ("name", "sip_user", "mac", "extension")]
    told += [key, owner, str(user.get("name", "")), str(user.get("extension", "")), str(known.get("name", "")), told[2].replace(":", "")]
    told += [text for contact in contacts for text in (str(contact["user_agent"]), address(contact))]
    return Device(
        key, name_of(held, key), told[1], own or str(user.get("extension") or ""), own, owner, str(user.get("name") or owner),
        str(known.get("name") or ""), told[2], change, bool(contacts), " ".join(told),
    )  # fmt: skip


@live("phones.state")
def states(state: State) -> Mapping[str, Markup]:
    """Whether each device can be rung, and where it is."""
    contacts, in_force = contacts_of(state), place().site()
    known = frozenset(in_force.devices) if in_force is not None else frozenset()
    return {key: _state(key, held, contacts.get(key, []), known, bool(state.registrations)) for key, held in place().kind("devices").items()}


@live("phones.model")
def models(state: State) -> Mapping[str, str]:
    """What each device says it is."""
    said = {key: dict.fromkeys(model(each["user_agent"]) for each in contacts if each["user_agent"]) for key, contacts in contacts_of(state).items()}
    return {key: ", ".join(said.get(key, ())) for key in place().kind("devices")}


def _state(key: str, held: Mapping[str, Any], contacts: list[Mapping[str, Any]], known: frozenset[str], heard: bool) -> Markup:
    if contacts:
        places = list(dict.fromkeys(address(contact) for contact in contacts))
        kind, word = "ok", gettext("Ready") if len(contacts) == 1 else ngettext("Ready at %(num)d place", "Ready at %(num)d places", len(contacts))
        return Markup('{} <span class="dim xs">{}</span>').format(st(kind, word), ", ".join(places[:3]))
    if held.get("enabled") is False:
        kind, word = "off", gettext("Switched off")
    elif key not in known:
        kind, word = "off", gettext("Not applied yet")
    else:
        kind, word = ("bad", gettext("Silent")) if heard else ("off", gettext("Unknown"))
    return st(kind, word)
