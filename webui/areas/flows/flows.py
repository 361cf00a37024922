"""Flows: the list with what leads to each, a new one from a starter or a copy, and an end (rows E5-E12)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask import g, redirect, render_template, url_for
from werkzeug.wrappers import Response

from appliance.errors import HoldfastError
from appliance.site.model.people import HOUSE_FLOW
from appliance.site.sentences import Names
from appliance.site.uses import uses
from webui.areas.flows import AREA
from webui.areas.flows.fields import word
from webui.areas.flows.known import fault, starters
from webui.forms import Form, Ref, Select, Text
from webui.forms.form import delete
from webui.i18n import gettext, lazy_gettext, sort_key
from webui.i18n import lazy_gettext as _l
from webui.listing import listed, marks
from webui.place import place
from webui.uses import Use, used_by, uses_of

AREA.tab("index", lazy_gettext("Editor"), 10, lambda: len(place().kind("flows")))


@dataclass(frozen=True, slots=True)
class Row:
    key: str
    name: str
    steps: int
    extensions: str
    uses: tuple[Use, ...]
    state: str
    words: str


class NewFlowForm(Form):
    kind = "flows"

    def asked(self) -> Any:
        options = [(each["id"], f"{word(each['title'])}: {word(each['help'])}") for each in starters()]
        return (
            Text(name="name", label=_l("Name"), help=_l("For example “Main number”."), attributes={"autocomplete": "off", "maxlength": "80"}),
            Select(name="starter", label=_l("Begin with"), options=options, initial=options[0][0], wide=True),
            Ref(name="copy", label=_l("Or copy a flow"), kind="flows", nothing=_l("No copy"), none=True, help=_l("Its extensions stay with the original.")),
        )

    def complete(self, value: dict[str, Any]) -> dict[str, Any]:
        copied = place().kind("flows").get(str(value.get("copy") or ""))
        begun = next((each["flow"] for each in starters() if each["id"] == value.get("starter")), starters()[0]["flow"])
        return {**(copied or begun), "name": value["name"], "extensions": []}


@AREA.get("/")
def index() -> str:
    return listed("flows/index.html", _rows())


@AREA.route("/flow/new", methods=["GET", "POST"])
def new_flow() -> Response | str:
    try:
        form = NewFlowForm.new()
        if form.save():
            return redirect(url_for("flows.flow", key=form.path.partition(".")[2]), 303)
    except HoldfastError as error:
        return render_template("flows/new.html", form=None, why=fault(error))
    return render_template("flows/new.html", form=form, why="")


@AREA.post("/flow/<key>/delete")
def delete_flow(key: str) -> Response:
    """Only what nobody uses goes; the page says who does."""
    held = place().kind("flows").get(key, {})
    if (users := users_of(key)) or key == HOUSE_FLOW:
        g.notice = gettext("It is still used, so it was not deleted.") if users else gettext("House dialling is always there.")
    elif delete(f"flows.{key}", gettext("%(name)s is deleted, not applied.", name=held.get("name") or key)):
        return redirect(url_for("flows.index"), 303)
    from webui.areas.flows.editor import show  # noqa: PLC0415  (it shows what this page ends)

    return Response(show(key), 409)


def users_of(key: str) -> list[Use]:
    """Who leads to a flow, but its own steps."""
    return [use for use in used_by("flows", key) if use.url != url_for("flows.flow", key=key)]


def callers_of(key: str) -> list[str]:
    """The names of what leads to a flow: numbers, users, other flows."""
    document = place().document()
    names = Names(document)
    return list(dict.fromkeys(names.of(str(loc[0]), str(loc[1])) for loc in uses(document, "flows", key) if loc[:2] != ("flows", key)))


def _rows() -> list[Row]:
    used, changes = uses_of("flows"), marks("flows")
    return sorted((_row(key, held, used.get(key, []), changes.get(key, "")) for key, held in place().kind("flows").items()), key=lambda row: sort_key(row.name))


def _row(key: str, held: Mapping[str, Any], used: list[Use], state: str) -> Row:
    steps, many, name = held.get("steps"), held.get("extensions"), str(held.get("name") or key)
    extensions = ", ".join(str(each) for each in many) if isinstance(many, list | tuple) else ""
    mine = url_for("flows.flow", key=key)
    others = tuple(use for use in used if use.url != mine)
    count = len(steps) if isinstance(steps, Mapping) else 0
    return Row(key, name, count, extensions, others, state, " ".join((key, name, extensions, *(use.words for use in others))))
