"""Ways out: the trunks with their live state, their order, one trunk, a new one, and an end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask import g, redirect, render_template, request, url_for
from markupsafe import Markup
from werkzeug.wrappers import Response

from appliance.errors import Conflict
from appliance.site.wording import path_of
from webui.areas.lines import AREA
from webui.areas.lines.forms import TrunkForm
from webui.areas.lines.order import moved, outbound, used
from webui.engine import State
from webui.forms.form import delete
from webui.guard import current
from webui.i18n import gettext, lazy_gettext, ngettext
from webui.listing import marks
from webui.live import live, st
from webui.place import place
from webui.saved import remember, toast
from webui.vitals import emergency_number

AREA.tab("index", lazy_gettext("Ways out"), 10, lambda: len(place().kind("trunks")))


@dataclass(frozen=True, slots=True)
class Row:
    """A line in the list. `order`: its place for outside calls from 1, 0: they do not try it."""

    key: str
    name: str
    order: int
    way: str
    transport: str
    state: str
    """"new", "changed" or "" against what is in force."""


@AREA.get("/")
def index() -> str:
    rows = _rows()
    return render_template("lines/trunks.html", rows=rows, used=used(), version=place().show("outbound").version, emergency=emergency_number())


@AREA.route("/trunks/new", methods=["GET", "POST"])
def new_trunk() -> Response | str:
    form = TrunkForm.new()
    if form.save():
        return redirect(url_for("lines.trunk", key=form.path.partition(".")[2]), 303)
    return render_template("lines/new-trunk.html", form=form)


@AREA.route("/trunks/<key>", methods=["GET", "POST"])
def trunk(key: str) -> Response | str:
    form = TrunkForm.at(f"trunks.{key}")
    if form.save():
        return redirect(url_for("lines.trunk", key=key), 303)
    return _trunk(form, key)


@AREA.post("/trunks/<key>/delete")
def delete_trunk(key: str) -> Response | tuple[str, int]:
    name = _name(key)
    g.notice = _held_back(key)
    if g.notice:
        return _trunk(TrunkForm.at(f"trunks.{key}"), key), 409
    if delete(f"trunks.{key}", gettext("%(name)s is deleted, not applied.", name=name)):
        return redirect(url_for("lines.index"), 303)
    return _trunk(TrunkForm.at(f"trunks.{key}"), key), 409


@AREA.post("/trunks/<key>/move")
def move(key: str) -> Response:
    """Up, down, or into the order of outside calls."""
    order = moved(used(), key, request.form.get("where", ""))
    sent = request.form.get("version", "")
    if key in place().kind("trunks"):
        try:
            version = int(sent) if sent.isascii() and sent.isdigit() and len(sent) < 18 else 0
            before = dict(outbound())
            written = place().editor(current().author).set("outbound", {**before, "trunks": order}, version)
            remember("outbound", before, written.version, gettext("The order is changed, not applied."))
        except Conflict:
            toast(gettext("Somebody changed outside dialling meanwhile. This is the order as it is now."))
    return redirect(url_for("lines.index"), 303)


def _trunk(form: TrunkForm, key: str) -> str:
    named = path_of(("trunks", key, "secret"))
    return render_template(
        "lines/trunk.html", form=form, key=key, changed=place().pending().touches(f"trunks.{key}"), secret=named if named in place().secrets() else "",
        held_back=_held_back(key), numbers=_numbers(key),
    )  # fmt: skip


def _name(key: str) -> str:
    return str(place().kind("trunks").get(key, {}).get("name") or key)


def _held_back(key: str) -> str:
    """Why the trunk cannot be deleted now, "" when it can."""
    there = place().kind("trunks")
    if key in there and len(there) == 1:
        return gettext("%(name)s is the last way out: without it no emergency call leaves. Add the new line first, then delete this one.", name=_name(key))
    on = [other for other, held in there.items() if other != key and held.get("enabled", True)]
    if key in there and there[key].get("enabled", True) and not on:
        return gettext("%(name)s is the last way out that is switched on. Switch another line on first, then delete this one.", name=_name(key))
    if numbers := _numbers(key):
        listed = ", ".join(numbers[:5])
        return ngettext(
            "%(list)s comes in over %(name)s. Let it come in over any line first.",
            "%(num)d numbers come in over %(name)s: %(list)s. Let them come in over any line first.",
            len(numbers), list=listed, name=_name(key),
        )  # fmt: skip
    return ""


def _numbers(key: str) -> list[str]:
    return [str(held.get("number")) for held in place().kind("numbers").values() if held.get("trunk") == key]


def _rows() -> list[Row]:
    order, changes = used(), marks("trunks")
    rows = []
    for key, held in place().kind("trunks").items():
        at = order.index(key) + 1 if key in order else 0
        way = f"{held.get('host', '')}:{held.get('port', 5060)}"
        rows.append(Row(key, str(held.get("name") or key), at, way, str(held.get("transport", "udp")).upper(), changes.get(key, "")))
    return sorted(rows, key=lambda row: row.order or 1000)


# ---- live --------------------------------------------------------------------------------------------------------


@live("lines.all")
def headline(state: State) -> Markup | str:
    """How many of the ways out work."""
    known = [trunk for trunk in state.status.get("trunks", ()) if trunk["state"] != "disabled"]
    if not known:
        return ""
    up = sum(trunk["state"] == "up" for trunk in known)
    if up == len(known):
        return st("ok", ngettext("The one way out works", "All %(num)d ways out work", up))
    return st("warn" if up else "bad", gettext("%(up)d of %(all)d ways out work", up=up, all=len(known)), "soft")


@live("lines.state")
def states(state: State) -> Mapping[str, Markup]:
    """Each line's state, and why it is not up."""
    known = {trunk["id"]: trunk for trunk in state.status.get("trunks", ())}
    return {key: _state(known.get(key), state) for key in place().kind("trunks")}


def _state(trunk: Mapping[str, Any] | None, state: State) -> Markup:
    if trunk is None:
        return st("off", gettext("Not applied yet") if state.status else gettext("Unknown"))
    match trunk["state"]:
        case "up":
            return st("ok", gettext("Up"))
        case "registering":
            shown = st("warn", gettext("Signing in"), "", "wait")
        case "down":
            shown = st("bad", gettext("Down"), "soft")
        case "disabled":
            return st("off", gettext("Switched off"))
        case _:
            shown = st("off", gettext("Unknown"))
    return Markup('{} <span class="sub xs">{}</span>').format(shown, trunk["reason"]) if trunk["reason"] else shown


@live("lines.calls")
def calls(state: State) -> Mapping[str, str]:
    """How many calls each line carries, of how many."""
    return {
        trunk["id"]: gettext("%(now)d of %(most)d", now=trunk["calls"], most=trunk["max_calls"]) if trunk["max_calls"] else str(trunk["calls"])
        for trunk in state.status.get("trunks", ())
    }


@live("lines.armed")
def armed(state: State) -> Mapping[str, Markup]:
    """Whether the carrier knows this site's places and callback numbers, as what is in force says."""
    return {
        trunk["id"]: st("ok", gettext("Armed")) if trunk["emergency_armed"] else st("warn", gettext("Not armed")) for trunk in state.status.get("trunks", ())
    }
