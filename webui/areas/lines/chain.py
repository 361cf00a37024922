"""Where calls to a number go, as a picture of stops with the pages that change them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from flask import url_for

from appliance.site.leads import Leads, Stop
from webui.guard import may_see
from webui.i18n import gettext
from webui.place import place
from webui.uses import PAGES

MOST = 6
"""Stops shown side by side."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A stop in words. `note`: what it does there. `icon`: of icons.svg. `lost`: callers reach nobody."""

    words: str
    note: str
    icon: str
    url: str
    lost: bool


@dataclass(frozen=True, slots=True)
class Hop:
    """Stops equally far from the caller, and how many more there are."""

    stops: tuple[Shown, ...]
    more: int


def chains() -> Callable[[Any], list[Hop]]:
    """What makes the picture of a destination; one serves all numbers of a page."""
    known = Leads(place().document())
    return lambda destination: [Hop(tuple(_shown(stop) for stop in level[:MOST]), max(0, len(level) - MOST)) for level in known.behind(destination)]


def _shown(stop: Stop) -> Shown:
    held: Mapping[str, Any] = place().kind(stop.kind).get(stop.id, {})
    name = str(held.get("name") or stop.id)
    missing = stop.kind in PAGES and not held
    words, icon = name, "people"
    match stop.kind:
        case "users":
            words = f"{held.get('extension', '')} {name}".strip()
        case "devices":
            words, icon = str(held.get("name") or held.get("sip_user") or stop.id), "phone"
        case "groups":
            words, icon = gettext("Group %(name)s", name=name), "people"
        case "flows":
            words, icon = gettext("Flow %(name)s", name=name), "flow"
        case "mailboxes":
            words, icon = gettext("Voicemail box %(name)s", name=name), "vm"
        case "number":
            words, icon = gettext("Outside number %(number)s", number=stop.id), "lines"
        case "extension":
            words, icon = gettext("Extension %(number)s, which nobody has", number=stop.id), "phone"
        case "hang-up":
            words, icon = gettext("Hang up"), "x"
        case _:
            words, icon = gettext("Nowhere yet"), "x"
    if missing:
        words = gettext("%(value)s (does not exist)", value=words)
    return Shown(words, _note(stop, held), icon, _page(stop) if held else "", stop.lost or missing)


def _note(stop: Stop, held: Mapping[str, Any]) -> str:
    match stop.kind:
        case "flows" if stop.schedules:
            names = [str(place().kind("schedules").get(each, {}).get("name") or each) for each in stop.schedules]
            return gettext("by the hours of %(names)s", names=", ".join(names))
        case "users" if held.get("enabled", True) is False:
            return gettext("switched off")
        case "groups":
            return gettext("all ring together")
        case _:
            return ""


def _page(stop: Stop) -> str:
    endpoint = PAGES.get(stop.kind, "")
    return url_for(endpoint, key=stop.id) if endpoint and may_see(endpoint) else ""
