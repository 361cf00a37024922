"""Locations: the list with its phones, one location, a new one, and an end; and whether emergency calling is armed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from flask import g, redirect, render_template, url_for
from markupsafe import Markup
from werkzeug.wrappers import Response

from webui.areas.emergency import AREA
from webui.areas.emergency.forms import LocationForm
from webui.areas.emergency.places import address, everywhere, phone_name
from webui.engine import State, engine
from webui.forms.form import delete
from webui.i18n import gettext, lazy_gettext, ngettext, sort_key
from webui.listing import listed, marks
from webui.live import live, st
from webui.place import place
from webui.vitals import emergency_number

AREA.tab("index", lazy_gettext("Locations"), 10, lambda: len(place().kind("locations")))
PHONES = 100
"""Phones of a location that are listed on its page; the rest is counted."""


@dataclass(frozen=True, slots=True)
class Row:
    """A location in the list."""

    key: str
    name: str
    address: str
    elins: int
    default: bool
    state: str
    words: str


@AREA.get("/")
def index() -> str:
    return listed("emergency/locations.html", _rows())


@AREA.route("/locations/new", methods=["GET", "POST"])
def new_location() -> Response | str:
    form = LocationForm.new()
    if form.save():
        return redirect(url_for("emergency.location", key=form.path.partition(".")[2]), 303)
    return render_template("emergency/location.html", form=form, key="", changed=False, phones=[], more=0, held_back="")


@AREA.route("/locations/<key>", methods=["GET", "POST"])
def location(key: str) -> Response | str:
    form = LocationForm.at(f"locations.{key}")
    if form.save():
        return redirect(url_for("emergency.location", key=key), 303)
    return _location(form, key)


@AREA.post("/locations/<key>/delete")
def delete_location(key: str) -> Response | tuple[str, int]:
    name = str(place().kind("locations").get(key, {}).get("name") or key)
    g.notice = _held_back(key)
    if not g.notice and delete(f"locations.{key}", gettext("%(name)s is deleted, not applied.", name=name)):
        return redirect(url_for("emergency.index"), 303)
    return _location(LocationForm.at(f"locations.{key}"), key), 409


def _location(form: LocationForm, key: str) -> str:
    devices = place().kind("devices")
    here = sorted(
        ((phone_name(device, devices[device]), where.how) for device, where in everywhere(engine().state).items() if where.location == key),
        key=lambda entry: sort_key(entry[0]),
    )
    return render_template(
        "emergency/location.html", form=form, key=key, changed=place().pending().touches(f"locations.{key}"), phones=here[:PHONES],
        more=max(0, len(here) - PHONES), held_back=_held_back(key),
    )  # fmt: skip


def _default() -> str:
    held = place().document().get("emergency")
    return str(held.get("default_location") or "") if isinstance(held, Mapping) else ""


def _held_back(key: str) -> str:
    """Why the location cannot be deleted now, "" when it can."""
    name = str(place().kind("locations").get(key, {}).get("name") or key)
    if _default() == key:
        return gettext("%(name)s is the default location, where phones are that nobody has placed. Choose another default under Settings first.", name=name)
    placed = sum(device.get("location") == key for device in place().kind("devices").values())
    if placed:
        return ngettext(
            "One phone is placed in %(name)s. Place it elsewhere first.",
            "%(num)d phones are placed in %(name)s. Place them elsewhere first.",
            placed,
            name=name,
        )
    return ""


def _rows() -> list[Row]:
    changes, default = marks("locations"), _default()
    rows = []
    for key, held in place().kind("locations").items():
        state = changes.get(key, "")
        name, where, elins = str(held.get("name") or key), address(held), held.get("elins")
        rows.append(Row(key, name, where, len(elins) if isinstance(elins, list | tuple) else 0, key == default, state, f"{key} {name} {where}"))
    return sorted(rows, key=lambda row: sort_key(row.name))


# ---- live --------------------------------------------------------------------------------------------------------


@live("emergency.armed")
def armed(state: State) -> Markup:
    """Whether an emergency call reaches the dispatcher whole."""
    known = state.status.get("emergency")
    if not known:
        return st("off", gettext("Nothing is known yet"))
    return st("ok", gettext("Armed")) if known["armed"] else st("warn", gettext("Not armed"), "soft")


@live("emergency.reasons")
def reasons(state: State) -> Markup:
    """Why it is not armed, each reason with its cure."""
    known = state.status.get("emergency")
    return Markup(render_template("emergency/reasons.html", reasons=known["reasons"] if known else (), number=emergency_number()))  # noqa: S704  (a template's output)


@live("emergency.phones")
def phones(state: State) -> Mapping[str, str]:
    """How many phones are in each location."""
    count = Counter(where.location for where in everywhere(state).values())
    return {key: ngettext("%(num)d phone", "%(num)d phones", count[key]) for key in place().kind("locations")}
