"""Incoming numbers: the list, one number, a new one, and an end (row A2)."""

from __future__ import annotations

from dataclasses import dataclass

from flask import redirect, render_template, url_for
from werkzeug.wrappers import Response

from webui.areas.lines import AREA
from webui.areas.lines.destination import told
from webui.areas.lines.forms import NumberForm
from webui.forms.form import delete
from webui.i18n import gettext, lazy_gettext
from webui.listing import listed, marks
from webui.place import place

AREA.tab("numbers", lazy_gettext("Incoming numbers"), 30, lambda: len(place().kind("numbers")))


@dataclass(frozen=True, slots=True)
class Row:
    """An incoming number. `nowhere`: callers reach nobody."""

    key: str
    number: str
    name: str
    leads: str
    nowhere: bool
    trunk: str
    state: str
    words: str


@AREA.get("/numbers/")
def numbers() -> str:
    return listed("lines/numbers.html", _rows())


@AREA.route("/numbers/new", methods=["GET", "POST"])
def new_number() -> Response | str:
    form = NumberForm.new()
    if form.save():
        return redirect(url_for("lines.numbers"), 303)
    return render_template("lines/number.html", form=form, key="", changed=False)


@AREA.route("/numbers/<key>", methods=["GET", "POST"])
def number(key: str) -> Response | str:
    form = NumberForm.at(f"numbers.{key}")
    if form.save():
        return redirect(url_for("lines.number", key=key), 303)
    return render_template("lines/number.html", form=form, key=key, changed=place().pending().touches(f"numbers.{key}"))


@AREA.post("/numbers/<key>/delete")
def delete_number(key: str) -> Response | tuple[str, int]:
    held = place().kind("numbers").get(key)
    name = str(held.get("number")) if held else key
    if delete(f"numbers.{key}", gettext("%(name)s is deleted, not applied.", name=name)):
        return redirect(url_for("lines.numbers"), 303)
    return render_template("lines/number.html", form=NumberForm.at(f"numbers.{key}"), key=key, changed=True), 409


def _rows() -> list[Row]:
    trunks, changes = place().kind("trunks"), marks("numbers")
    rows = []
    for key, held in place().kind("numbers").items():
        to = held.get("destination")
        nowhere = not to or (isinstance(to, dict) and to.get("kind", "none") == "none")
        over = held.get("trunk")
        trunk = str(trunks.get(over, {}).get("name") or over) if over else ""
        texts = [str(held.get("number") or ""), str(held.get("name") or ""), told(to), trunk]
        rows.append(Row(key, texts[0], texts[1], texts[2], nowhere, trunk, changes.get(key, ""), " ".join([key, *texts])))
    return sorted(rows, key=lambda row: row.number)
