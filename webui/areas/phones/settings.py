"""Phones that fetch their settings from the box: those that wait for an owner, what each has, letting them in and making them fetch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask import redirect, render_template, request, url_for
from markupsafe import Markup
from werkzeug.wrappers import Response

from appliance.errors import ControlError, HoldfastError
from webui.areas.phones import AREA
from webui.areas.phones.fleet import name_of
from webui.engine import State, engine
from webui.guard import current
from webui.i18n import gettext, ngettext, sort_key
from webui.live import live, st
from webui.place import place
from webui.saved import remember, toast

MINUTES = 15
"""Enough to apply, walk to the phone and plug it in again."""
MAKERS = {"yealink": "Yealink", "poly": "Poly", "grandstream": "Grandstream", "snom": "Snom"}


@dataclass(frozen=True, slots=True)
class Waiting:
    """A phone that asked and got nothing. `device`: whose MAC address it is, "" nobody's. `open_s`: how long it may still take its settings. `holder`: the
    address of the phone that has the settings, where two say they are the same. `elsewhere`: it is in a network where phones get none.
    """

    mac: str
    address: str
    what: str
    device: str
    device_name: str
    reason: str
    ago_s: float
    open_s: float
    holder: str
    elsewhere: bool


def waiting(state: State) -> list[Waiting]:
    """The latest first."""
    devices = place().kind("devices")
    owners = {plain(str(held.get("mac") or "")): key for key, held in devices.items() if held.get("mac")}
    found = []
    for row in state.phones.get("phones", ()):
        device = owners.get(row["mac"], "")
        if device and (not row["reason"] or (row["enrolled"] and row["verdict"] not in {"twice", "elsewhere"})):
            continue
        what = f"{MAKERS.get(row['family'], row['family'])} {str(row['model']).removeprefix(row['family'] + '-').upper()}".strip()
        found.append(
            Waiting(
                pretty(row["mac"]), row["refused_ip"] or row["ip"], what[:60] or gettext("Unknown phone"),
                device, _whose(devices.get(device, {}), device) if device else "",
                _reason(row, device), row["seen_s"], row["open_s"],
                row["ip"] if row["verdict"] == "twice" else "", row["verdict"] == "elsewhere",
            )
        )  # fmt: skip
    return found


def _reason(row: Mapping[str, Any], device: str) -> str:
    if not device:
        return gettext("Nobody's yet.")
    if row["open_s"] and row["verdict"] != "elsewhere":
        return gettext("May take its settings now: apply your changes, then plug it in again.")
    said = {
        "unknown": gettext("Its owner is not applied yet."),
        "closed": gettext("Not let in yet."),
        "off": gettext("Switched off in the site."),
        "disagrees": gettext("Somebody asked in its name from another MAC address."),
        "token": gettext("It asked at the address of another phone's settings."),
        "elsewhere": gettext("It asks from a network where phones get no settings."),
        "twice": gettext("Two phones say they have its MAC address. Unplug the one that is not yours, then let it in."),
    }
    return said.get(row["verdict"], "")


def ownerless() -> list[tuple[str, str]]:
    """(key, name) of devices without a MAC address: what a waiting phone can become."""
    found = [(key, _whose(held, key)) for key, held in place().kind("devices").items() if not held.get("mac")]
    return sorted(found, key=lambda each: (len(each[1].split()[0]) if each[1] else 0, sort_key(each[1])))


def _whose(held: Mapping[str, Any], key: str) -> str:
    """`201 Ada Berg`."""
    owner = place().kind("users").get(str(held.get("owner") or ""), {})
    number = str(held.get("extension") or owner.get("extension") or "")
    return f"{number} {owner.get('name') or name_of(held, key)}".strip()


def plain(mac: str) -> str:
    return "".join(char for char in mac.lower() if char in "0123456789abcdef")


def pretty(mac: str) -> str:
    return ":".join(mac[at : at + 2] for at in range(0, len(mac), 2))


@live("phones.waiting")
def how_many(state: State) -> str:
    """Changes when another phone asks."""
    count = len(waiting(state))
    return ngettext("%(num)d phone waits", "%(num)d phones wait", count) if count else gettext("None waits")


@live("phones.waiting-list")
def waiting_list(state: State) -> Markup:
    """Those that wait, and what can be done with each."""
    return waiting_shown(state, "")


def waiting_shown(state: State, back: str) -> Markup:
    """The same for a page that `back` names (`_back`)."""
    return Markup(render_template("phones/waiting.html", waiting=waiting(state), ownerless=ownerless(), back=back))  # noqa: S704  (a template's output)


@live("phones.settings")
def settings(state: State) -> Mapping[str, Markup]:
    """Whether each device has its settings from the box."""
    by_mac = {row["mac"]: row for row in state.phones.get("phones", ())}
    return {key: _settings(by_mac.get(plain(str(held.get("mac") or "")))) for key, held in place().kind("devices").items()}


def _settings(row: Mapping[str, Any] | None) -> Markup:
    if row is None:
        return st("off", gettext("Typed in"))
    if row["current"]:
        return st("ok", gettext("As set"))
    if row["fetched_unix_s"]:
        return st("wait", gettext("Has older ones"))
    return st("warn", gettext("Waits"))


# ---- what can be done --------------------------------------------------------------------------------------------


@AREA.post("/waiting/<mac>/assign")
def assign(mac: str) -> Response:
    """Make a waiting phone that of a device, and let it in."""
    key = request.form.get("device", "")[:80]
    editor = place().editor(current().author)
    path = f"devices.{key}"
    held = place().kind("devices").get(key)
    if held is None or len(plain(mac)) != 12:
        toast(gettext("Choose whose phone it is."))
        return _back()
    try:
        shown = editor.show(path)
        written = editor.set(path, {**shown.value, "mac": pretty(plain(mac))}, shown.version)
        remember(path, shown.value, written.version, gettext("%(mac)s is the phone of %(name)s, not applied.", mac=mac[:20], name=name_of(held, key)))
    except HoldfastError as error:
        toast(f"{error.sentence}. {error.hint}")
        return _back()
    _enrol(plain(mac), quiet=True)
    return _back()


@AREA.post("/waiting/enrol")
def let_in() -> Response:
    """Let one phone (`mac`) in, or every phone of the site."""
    _enrol(plain(request.form.get("mac", "")[:20]))
    return _back()


def _back() -> Response:
    """To the page the button was on: a phone's, that of the first hour, or the fleet."""
    key = request.form.get("key", "")[:80]
    if key in place().kind("devices"):
        return redirect(url_for("phones.device", key=key), 303)
    return redirect(url_for("welcome.people", _anchor="waiting") if request.form.get("back") == "welcome" else url_for("phones.index"), 303)


@AREA.post("/devices/<key>/fetch")
def fetch(key: str) -> Response:
    """Tell a phone to fetch its settings now."""
    mac = plain(str(place().kind("devices").get(key, {}).get("mac") or ""))
    try:
        taken = bool(mac) and bool(engine().call("phones.sync", macs=[mac])["taken"])
        toast(gettext("It fetches its settings.") if taken else gettext("It did not answer. It fetches its settings when it starts."))
    except ControlError as error:
        toast(f"{error.sentence}. {error.hint}")
    return redirect(url_for("phones.device", key=key), 303)


def _enrol(mac: str, quiet: bool = False) -> None:
    try:
        engine().call("phones.enrol", mac=mac, minutes=MINUTES)
    except ControlError as error:
        toast(f"{error.sentence}. {error.hint}")
        return
    if not quiet:
        toast(gettext("Open for %(minutes)d minutes. Plug the phones in again.", minutes=MINUTES))
