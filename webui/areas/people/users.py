"""Users: the list, one user, a new one, and an end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from flask import redirect, render_template, url_for
from markupsafe import Markup
from werkzeug.wrappers import Response

from appliance.site.paths import object_of
from appliance.site.sentences import Names
from appliance.site.uses import uses
from appliance.site.wording import path_of
from webui.areas.people import AREA
from webui.areas.people.forms import MODES, UserForm
from webui.engine import State
from webui.forms.form import delete
from webui.i18n import gettext, lazy_gettext, ngettext, sort_key
from webui.listing import listed, marks
from webui.live import live, st
from webui.place import place
from webui.removal import followers

AREA.tab("index", lazy_gettext("Users"), 10, lambda: len(place().kind("users")))


@dataclass(frozen=True, slots=True)
class Row:
    """A user in the list. `number`, `name` as they stand in the candidate, where anything may stand."""

    key: str
    number: str
    name: str
    mode: str
    outgoing: str
    mailbox: bool
    state: str
    """"new", "changed" or "" against what is in force."""
    words: str
    """What the search looks at."""


@AREA.get("/")
def index() -> str:
    return listed("people/users.html", _rows(), modes=dict(MODES))


@AREA.route("/new", methods=["GET", "POST"])
def new_user() -> Response | str:
    form = UserForm.new()
    if form.save():
        return redirect(url_for("people.user", key=form.path.partition(".")[2]), 303)
    return render_template("people/new.html", form=form)


@AREA.route("/users/<key>", methods=["GET", "POST"])
def user(key: str) -> Response | str:
    form = UserForm.at(f"users.{key}")
    if form.save():
        return redirect(url_for("people.user", key=key), 303)
    return _page(key, form)


@AREA.post("/users/<key>/delete")
def delete_user(key: str) -> Response | tuple[str, int]:
    held = place().kind("users").get(key)
    name = str(held.get("name")) if held else key
    if delete(f"users.{key}", gettext("%(name)s is deleted, not applied.", name=name)):
        return redirect(url_for("people.index"), 303)
    return _page(key, UserForm.at(f"users.{key}")), 409


def _page(key: str, form: UserForm) -> str:
    boxes = [str(box.get("name") or id) for id, box in place().kind("mailboxes").items() if box.get("owner") == key]
    return render_template(
        "people/user.html", form=form, key=key, devices=_devices(key), changed=place().pending().touches(f"users.{key}"), boxes=boxes, uses=_led(key),
    )  # fmt: skip


def _led(key: str) -> list[str]:
    """What somebody must lead elsewhere when the user goes: flows that ring him, numbers that lead to his extension."""
    document = place().document()
    names = Names(document)
    followed = followers(document, "users", key)
    places = [loc for loc in uses(document, "users", key) if path_of(object_of(loc)) not in followed]
    extension = place().kind("users").get(key, {}).get("extension")
    for number, held in place().kind("numbers").items():
        to = held.get("destination")
        if isinstance(to, Mapping) and to.get("kind") == "extension" and to.get("target") == extension:
            places.append(("numbers", number))
    return list(dict.fromkeys(names.of(str(loc[0]), str(loc[1])) for loc in places if loc[:2] != ("users", key)))


@live("people.phones")
def phones(state: State) -> Mapping[str, Markup]:
    """How many phones of each user are ready."""
    ready = {entry["device"] for entry in state.registrations.get("registrations", ())}
    known, made = bool(state.registrations), cache(_phones)  # many have the same word
    owned: dict[str, list[str]] = {key: [] for key in place().kind("users")}
    for key, device in place().kind("devices").items():
        if (owner := device.get("owner")) in owned:
            owned[owner].append(key)
    return {key: made(len(devices), sum(device in ready for device in devices) if known else None) for key, devices in owned.items()}


def _phones(count: int, ready: int | None) -> Markup:
    """`ready` None: nothing is known."""
    if not count:
        return st("off", gettext("No phones"))
    if ready is None:
        return st("off", ngettext("%(num)d phone", "%(num)d phones", count))
    words = gettext("%(here)d of %(all)d ready", here=ready, all=count)
    return st("ok" if ready == count else "warn" if ready else "bad", words)


def _rows() -> list[Row]:
    users, mailboxes, devices = place().kind("users"), place().kind("mailboxes"), place().kind("devices")
    boxed = {box.get("owner") for box in mailboxes.values()}
    told: dict[str, list[str]] = {}
    for device in devices.values():
        told.setdefault(str(device.get("owner")), []).extend(str(device.get(name) or "") for name in ("sip_user", "mac", "name", "extension"))
    changes = marks("users")
    rows = []
    for key, held in users.items():
        state = changes.get(key, "")
        texts = [str(held.get(name) or "") for name in ("extension", "name", "email", "mobile", "outbound_number", "customer")]
        rows.append(Row(key, texts[0], texts[1], str(held.get("mode", "")), texts[4], key in boxed, state, " ".join([key, *texts, *told.get(key, ())])))
    return sorted(rows, key=lambda row: (len(row.number), row.number, sort_key(row.name)))


def _devices(user: str) -> list[tuple[str, Mapping[str, Any]]]:
    return [(key, device) for key, device in place().kind("devices").items() if device.get("owner") == user]
