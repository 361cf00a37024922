"""Who administers the box: the list, a new one, one of them, another password, an end. There is always somebody left who may."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flask import abort, g, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from appliance.errors import DocumentError, Problem
from appliance.site.administrators import check_somebody_stays
from appliance.site.paths import put, remove
from webui.areas.settings import AREA
from webui.forms import Field, Form, Secret, Section, Select, Switch, Text
from webui.forms.fields import Unfit
from webui.forms.form import delete
from webui.guard import allowed, current, guard
from webui.i18n import gettext, lazy_gettext, sort_key
from webui.listing import marks
from webui.place import place
from webui.problems import problem_text
from webui.saved import toast

log = logging.getLogger(__name__)
_l = lazy_gettext

ROLES = (("administrator", _l("Administrator: everything")), ("installer", _l("Installer: everything but administrators, tokens, backup and certificate")))

AREA.tab("administrators", _l("Administrators"), 20, lambda: len(place().kind("administrators")))


@dataclass(frozen=True, slots=True, kw_only=True)
class UserName(Text):
    """What somebody signs in with: the id of the object."""

    def read(self, raw: Any) -> Any:
        text = raw.strip().lower()
        if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,62}", text):
            raise Unfit(gettext("This is no user name."), gettext("Small letters, digits and hyphens, for example: %(example)s", example="dana"))
        if text in place().kind("administrators"):
            raise Unfit(gettext("%(name)s is somebody else's.", name=text), gettext("Choose another."))
        return text


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstPassword(Secret):
    """Must be given."""

    def read(self, raw: Any) -> Any:
        if not raw:
            raise Unfit(gettext("A password is missing."), gettext("At least 8 characters; who gets it can change it."))
        return raw


class AdministratorForm(Form):
    """Somebody who may change the site."""

    kind = "administrators"
    fields = (
        Text(name="name", label=_l("Name"), help=_l("Stands in the history next to each change."), attributes={"autocomplete": "off", "maxlength": "80"}),
        Select(name="role", label=_l("May"), options=ROLES, initial="administrator"),
        Text(name="email", label=_l("E-mail"), optional=True, input="email", help=_l("Signs in as well as the user name."), attributes={"autocomplete": "off"}),
        Switch(name="enabled", label=_l("Switched on"), help=_l("Off: signed out, and cannot sign in until it is on again."), on=True),
    )
    first: Sequence[Field | Section] = (
        Section(_l("Signing in")),
        UserName(name="user", label=_l("User name"), help=_l("Small letters, digits and hyphens. It stays."), attributes={"autocomplete": "off"}),
        FirstPassword(name="password", label=_l("First password"), help=_l("At least 8 characters.")),
    )

    def asked(self) -> Sequence[Field | Section]:
        return self.fields if self.path else (*self.fields, *self.first)

    def complete(self, value: dict[str, Any]) -> dict[str, Any]:
        self._user = str(value.pop("user", ""))
        return value

    def key_for(self, value: Mapping[str, Any]) -> str:
        return self._user

    def _refused(self, path: str, value: Mapping[str, Any]) -> bool:
        bad = super()._refused(path, value)
        if why := _lonely(put(place().document(), ("administrators", path.partition(".")[2]), value)):
            self["role" if value.get("role") != "administrator" else "enabled"].problems.append(why)
        return bad or bool(self.errors())


@AREA.get("/administrators")
@allowed("administrator")
def administrators() -> str:
    watch, changes = guard(), marks("administrators")
    rows = []
    for key, held in sorted(place().kind("administrators").items(), key=lambda each: sort_key(str(each[1].get("name") or each[0]))):
        here = len(watch.sessions.of(f"administrators.{key}", watch.config.idle_s))
        rows.append({"key": key, "held": held, "state": changes.get(key, ""), "here": here})
    return render_template("settings/administrators.html", rows=rows, roles=dict(ROLES))


@AREA.route("/administrators/new", methods=["GET", "POST"])
@allowed("administrator")
def new_administrator() -> Response | str:
    form = AdministratorForm.new()
    if form.save():
        return redirect(url_for("settings.administrators"), 303)
    return render_template("settings/administrator.html", form=form, key="", wrong="", changed=False, myself=False)


@AREA.route("/administrators/<key>", methods=["GET", "POST"])
@allowed("administrator")
def administrator(key: str) -> Response | str:
    form = AdministratorForm.at(f"administrators.{key}")
    if form.save():
        return redirect(url_for("settings.administrators"), 303)
    return _one(form, key)


@AREA.post("/administrators/<key>/password")
@allowed("administrator")
def reset_password(key: str) -> Response | tuple[str, int]:
    """At once, whatever is pending: somebody may know the old one. Every browser that was signed in with it is signed out."""
    held = place().kind("administrators").get(key)
    if held is None:
        abort(404, description=gettext("There is no administrator %(key)s.", key=key[:60]))
    path, site, password = f"administrators.{key}", place().site(), request.form.get("password", "")[:1000]
    if path == current().id:
        return redirect(url_for("access.account"), 303)  # where the old one is asked for
    try:
        if site is not None and key in site.administrators:
            guard().accounts.reset_password(path, password)
            guard().sessions.end_all(path)
            toast(gettext("%(name)s has a new password. Browsers signed in with the old one are signed out.", name=str(held.get("name") or key)))
        else:
            place().editor(current().author).set(f"{path}.password", password)
            toast(gettext("%(name)s has a new password; it counts with the next apply.", name=str(held.get("name") or key)))
    except DocumentError as error:
        return _one(AdministratorForm.at(path), key, problem_text(error.problems[0])), 422
    log.warning("%s gave %s another password", current().id, path)
    return redirect(url_for("settings.administrators"), 303)


@AREA.post("/administrators/<key>/delete")
@allowed("administrator")
def delete_administrator(key: str) -> Response | tuple[str, int]:
    path, held = f"administrators.{key}", place().kind("administrators").get(key)
    if held is not None and (why := _lonely(remove(place().document(), ("administrators", key)))):
        g.notice = problem_text(why)
        return _one(AdministratorForm.at(path), key), 409
    name = str(held.get("name") or key) if held else key
    if delete(path, gettext("%(name)s is deleted, not applied.", name=name)):
        return redirect(url_for("settings.administrators"), 303)
    return _one(AdministratorForm.at(path), key), 409


def _one(form: AdministratorForm, key: str, wrong: str = "") -> str:
    changed, myself = place().pending().touches(f"administrators.{key}"), f"administrators.{key}" == current().id
    return render_template("settings/administrator.html", form=form, key=key, wrong=wrong, changed=changed, myself=myself)


def _lonely(after: Mapping[str, Any]) -> Problem | None:
    """Why the candidate cannot become `after`: nobody would be left who administers."""
    try:
        check_somebody_stays(place().document(), after, place().secrets_to_come())
    except DocumentError:
        return Problem("", gettext("Nobody else administers the box."), gettext("Make another administrator first; then this one can go."))
    return None
