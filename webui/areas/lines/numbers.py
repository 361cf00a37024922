"""Incoming numbers: the list, one number, a new one, and an end (row A2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask import redirect, render_template, url_for
from werkzeug.wrappers import Response

from webui.areas.lines import AREA
from webui.areas.lines.chain import chains
from webui.areas.lines.destination import told
from webui.areas.lines.forms import NumberForm
from webui.forms.form import delete
from webui.i18n import gettext, lazy_gettext
from webui.listing import listed, marks
from webui.place import place

AREA.tab("numbers", lazy_gettext("Incoming numbers"), 30, lambda: len(place().kind("numbers")))


@dataclass(frozen=True, slots=True)
class Row:
    """An incoming number. `to`: where it leads, as the document has it; `leads` in words."""

    key: str
    number: str
    name: str
    to: Any
    leads: str
    trunk: str
    state: str
    words: str


@AREA.get("/numbers/")
def numbers() -> str:
    return listed("lines/numbers.html", _rows(), chain=chains())


@AREA.route("/numbers/new", methods=["GET", "POST"])
def new_number() -> Response | str:
    form = NumberForm.new()
    if form.save():
        return redirect(url_for("lines.numbers"), 303)
    return render_template("lines/number.html", form=form, key="", changed=False, hops=[])


@AREA.route("/numbers/<key>", methods=["GET", "POST"])
def number(key: str) -> Response | str:
    form = NumberForm.at(f"numbers.{key}")
    if form.save():
        return redirect(url_for("lines.number", key=key), 303)
    return _page(key, form)


@AREA.post("/numbers/<key>/delete")
def delete_number(key: str) -> Response | tuple[str, int]:
    held = place().kind("numbers").get(key)
    name = str(held.get("number")) if held else key
    if delete(f"numbers.{key}", gettext("%(name)s is deleted, not applied.", name=name)):
        return redirect(url_for("lines.numbers"), 303)
    return _page(key, NumberForm.at(f"numbers.{key}")), 409


def _page(key: str, form: NumberForm) -> str:
    to = form.held.get("destination")
    return render_template(
        "lines/number.html", form=form, key=key, changed=place().pending().touches(f"numbers.{key}"), hops=chains()(to) if form.exists else []
    )


def _rows() -> list[Row]:
    trunks, changes = place().kind("trunks"), marks("numbers")
    rows = []
    for key, held in place().kind("numbers").items():
        to = held.get("destination")
        over = held.get("trunk")
        trunk = str(trunks.get(over, {}).get("name") or over) if over else ""
        texts = [str(held.get("number") or ""), str(held.get("name") or ""), told(to), trunk]
        rows.append(Row(key, texts[0], texts[1], to, texts[2], trunk, changes.get(key, ""), " ".join([key, *texts])))
    return sorted(rows, key=lambda row: row.number)
