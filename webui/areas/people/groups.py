"""Groups: users and phones that are dialled like a user (rows K7, A12)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from flask import redirect, render_template, request, url_for
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response

from appliance.errors import Problem
from webui.areas.people import AREA
from webui.areas.people.whom import find_one, labels, offered
from webui.forms import Choices, Form, Number, Text
from webui.forms.form import delete
from webui.i18n import gettext, lazy_gettext, sort_key
from webui.i18n import lazy_gettext as _l
from webui.listing import listed, marks
from webui.place import place

AREA.tab("groups", lazy_gettext("Groups"), 20, lambda: len(place().kind("groups")))
MEMBERS = ("users", "devices")


@dataclass(frozen=True, slots=True, kw_only=True)
class Members(Choices):
    """Ids of the kind `name`; only those that are members are shown, others are found by typing."""

    def choices(self, value: object) -> list[tuple[str, str]]:
        known = labels(self.name)
        return [(key, known.get(key) or gettext("%(value)s (does not exist)", value=key)) for key in self.show(value)]


class GroupForm(Form):
    kind = "groups"
    fields = (
        Text(name="name", label=_l("Name"), attributes={"autocomplete": "off", "maxlength": "80"}),
        Text(name="extension", label=_l("Extension"), none=True, optional=True, help=_l("Dialled to ring all members."), attributes={"inputmode": "numeric"}),
        Number(name="ring_seconds", label=_l("Rings for"), unit=_l("seconds"), initial=30),
        Members(name="users", label=_l("People"), wide=True),
        Members(name="devices", label=_l("Phones"), wide=True),
    )
    missed = ""
    """What was typed as a member and is none."""

    @classmethod
    def _given(cls) -> tuple[MultiDict[str, str] | None, bool]:
        given, kept = super()._given()
        typed = given.get("add", "").strip() if given is not None else ""
        if given is None or not typed:
            return given, kept
        for kind in MEMBERS:
            key = find_one(typed, kind)
            if key is not None:
                more: MultiDict[str, str] = MultiDict(list(given.items(multi=True)))
                more.setlist("add", [""])
                more.add(kind, key)
                return more, kept
        return given, kept

    def save(self) -> bool:
        self.missed = self.given.get("add", "").strip()[:200] if self.given is not None else ""
        if self.missed:
            sentence = gettext("Nobody here is called %(who)s", who=self.missed)
            self.problems.append(Problem(gettext("Members"), sentence, gettext("Type the first letters and choose from the list.")))
            return False
        return not (request.form.get("act") == "add" and request.form.get("add", "").strip()) and super().save()


@dataclass(frozen=True, slots=True)
class Row:
    key: str
    number: str
    name: str
    members: tuple[str, ...]
    state: str
    words: str


@AREA.get("/groups", endpoint="groups")
def groups() -> str:
    return listed("people/groups.html", _rows())


@AREA.route("/groups/new", methods=["GET", "POST"])
def new_group() -> Response | str:
    form = GroupForm.new()
    if form.save():
        return redirect(url_for("people.group", key=form.path.partition(".")[2]), 303)
    return render_template("people/group.html", form=form, key="", offered=offered(*MEMBERS), changed=False, pageable=False)


@AREA.route("/groups/<key>", methods=["GET", "POST"])
def group(key: str) -> Response | str:
    form = GroupForm.at(f"groups.{key}")
    if form.save():
        return redirect(url_for("people.group", key=key), 303)
    return _page(key, form)


@AREA.post("/groups/<key>/delete")
def delete_group(key: str) -> Response | tuple[str, int]:
    name = str(place().kind("groups").get(key, {}).get("name") or key)
    if delete(f"groups.{key}", gettext("%(name)s is deleted, not applied.", name=name)):
        return redirect(url_for("people.groups"), 303)
    return _page(key, GroupForm.at(f"groups.{key}")), 409


def _page(key: str, form: GroupForm) -> str:
    site = place().site()
    pageable = site is not None and key in site.groups
    changed = place().pending().touches(f"groups.{key}")
    return render_template("people/group.html", form=form, key=key, offered=offered(*MEMBERS), changed=changed, pageable=pageable)


def _rows() -> list[Row]:
    known: Mapping[str, Mapping[str, str]] = {kind: labels(kind) for kind in MEMBERS}
    changes = marks("groups")
    rows = []
    for key, held in place().kind("groups").items():
        ids = [(kind, str(each)) for kind in MEMBERS for each in held.get(kind) or ()]
        members = tuple(known[kind].get(each, each) for kind, each in ids)
        state = changes.get(key, "")
        number, name = str(held.get("extension") or ""), str(held.get("name") or key)
        rows.append(Row(key, number, name, members, state, " ".join((key, number, name, *members))))
    return sorted(rows, key=lambda row: sort_key(row.name))
