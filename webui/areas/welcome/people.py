"""Step 5: who is here, and what to type into each phone; a phone that signs in shows it at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flask import redirect, request, url_for
from markupsafe import Markup
from werkzeug.wrappers import Response

from appliance.errors import HoldfastError
from appliance.site.secrets import DEVICE
from webui.areas.lines.destination import extensions, told
from webui.areas.phones.fleet import address, contacts_of, model
from webui.areas.phones.forms import DeviceForm
from webui.areas.phones.settings import waiting_shown
from webui.areas.phones.signin import sign_in
from webui.areas.welcome import AREA
from webui.areas.welcome.forms import PersonForm, sample
from webui.areas.welcome.shell import page, put_in_force
from webui.engine import State, engine
from webui.forms import slug
from webui.guard import current
from webui.i18n import gettext, ngettext, sort_key
from webui.listing import page as listing
from webui.live import live, st
from webui.place import place
from webui.saved import toast

ROWS = 20


@dataclass(frozen=True, slots=True)
class Row:
    """A phone, and whose it is. `ready`: it can be typed in; before, it waits to be applied."""

    key: str
    user: str
    name: str
    extension: str
    sip_user: str
    ready: bool


@AREA.route("/people", methods=["GET", "POST"], endpoint="people")
def step() -> Response | str:
    form = PersonForm.new()
    if form.save():
        _phone(form.path.partition(".")[2])
        return redirect(url_for("welcome.people", _anchor="add"), 303)
    return _page(form)


@AREA.post("/people/ready")
def people_ready() -> Response | tuple[str, int]:
    """Apply: passwords are made, and the phones may sign in."""
    refused = put_in_force(gettext("First hour: people and phones"))
    return (_page(PersonForm.new(), refused), 422) if refused else redirect(url_for("welcome.people"), 303)


@AREA.post("/people/answers")
def answers() -> Response:
    """Who is called when somebody calls the main number of the site."""
    extension, number = request.form.get("extension", ""), str(place().document().get("main_number") or "")
    if number and extension in dict(extensions()):
        key, held = _incoming(number)
        try:
            place().editor(current().author).set(f"numbers.{key}", {**held, "number": number, "destination": {"kind": "extension", "target": extension}})
        except HoldfastError as error:
            toast(f"{error.sentence}. {error.hint}")
    return redirect(url_for("welcome.people", _anchor="answers"), 303)


def _incoming(number: str) -> tuple[str, Mapping[str, Any]]:
    """The incoming number that is the main number: its id, and what is said of it so far."""
    there = place().kind("numbers")
    found = next((key for key, held in there.items() if held.get("number") == number), None)
    return (found, there[found]) if found else (slug(number, "numbers", there), {})


@AREA.post("/people/examples")
def no_examples() -> Response:
    """Take out what the box came with, as far as nobody has changed or used it."""
    editor, gone = place().editor(current().author), 0
    for path in _examples():
        try:
            editor.delete(path)
        except HoldfastError:
            continue  # somebody was faster
        gone += 1
    if gone:
        toast(gettext("The examples are taken out."))
    return redirect(url_for("welcome.people"), 303)


def _page(form: PersonForm, refused: list[str] | None = None) -> str:
    rows, main, pending = listing(_rows(), ROWS), str(place().document().get("main_number") or ""), place().pending()
    return page(
        "people", form=form, rows=rows, signs={row.key: sign_in(row.key) for row in rows.rows if row.ready}, server=_server(),
        main=main, leads=told(_incoming(main)[1].get("destination")) if main and _incoming(main)[1] else "", answering=extensions(),
        waits=sum(not row.ready or pending.touches(f"devices.{row.key}") for row in _rows()), examples=len(_examples()), refused=refused or [],
    )  # fmt: skip


def _phone(user: str) -> None:
    """A phone for somebody who was just added; it signs in with the extension."""
    held = {"owner": user, "sip_user": ""}
    form = DeviceForm("", None, 0)
    place().editor(current().author).set(f"devices.{form.key_for(held)}", form.complete(dict(held)), 0)


def _rows() -> list[Row]:
    users, site = place().kind("users"), place().site()
    known = place().secrets()
    rows = []
    for key, held in place().kind("devices").items():
        owner = str(held.get("owner") or "")
        user = users.get(owner, {})
        ready = site is not None and key in site.devices and DEVICE.name(key) in known
        name, extension = str(user.get("name") or held.get("name") or key), str(held.get("extension") or user.get("extension") or "")
        rows.append(Row(key, owner, name, extension, str(held.get("sip_user") or ""), ready))
    return sorted(rows, key=lambda row: (len(row.extension), row.extension, sort_key(row.name)))


def _server() -> tuple[str, str]:
    """(address, port) to type into phones: the one this browser has found the box at, where the box answers phones there; else one that others can reach."""
    heard = [text.split(":", 1)[1].rpartition(":") for text in engine().state.status.get("addresses", ()) if text.startswith("udp:")]
    offered = [(host.strip("[]"), port) for host, _, port in heard]
    here = request.host.rpartition(":")[0].strip("[]") or request.host
    ranked = sorted(offered, key=lambda each: (each[0] != here, each[0].startswith("127.")))
    return ranked[0] if ranked else ("", "")


def _examples() -> list[str]:
    """Paths of what a new box came with and nobody has touched, phones that signed in apart; phones first, so that nothing points at what is gone."""
    known = sample().model_dump(mode="json")
    used = contacts_of(engine().state)
    devices = [key for key, held in place().kind("devices").items() if key not in used and _same(held, known["devices"].get(key))]
    kept = {str(held.get("owner")) for key, held in place().kind("devices").items() if key not in devices}
    users = [key for key, held in place().kind("users").items() if key not in kept and _same(held, known["users"].get(key))]
    return [*(f"devices.{key}" for key in devices), *(f"users.{key}" for key in users)]


def _same(held: Mapping[str, Any], known: Mapping[str, Any] | None) -> bool:
    return known is not None and all(known.get(name) == value for name, value in held.items())


@live("welcome.phone")
def phone(state: State) -> Mapping[str, Markup]:
    """Whether each phone has signed in, and from where."""
    contacts, site, known = contacts_of(state), place().site(), place().secrets()
    return {key: _state(contacts.get(key, []), site is not None and key in site.devices and DEVICE.name(key) in known) for key in place().kind("devices")}


def _state(contacts: Sequence[Mapping[str, Any]], typed: bool) -> Markup:
    if contacts:
        return Markup('{} <span class="dim xs">{}</span>').format(st("ok", gettext("Ready")), model(str(contacts[0]["user_agent"])) or address(contacts[0]))
    return st("info", gettext("Waiting until it signs in"), "", "wait") if typed else st("off", gettext("Not ready yet"))


@live("welcome.waiting")
def waiting(state: State) -> Markup:
    """Phones that fetch their settings themselves and have no owner yet."""
    return waiting_shown(state, "welcome")


@live("welcome.phones")
def phones(state: State) -> Markup:
    """How many have signed in."""
    here, of = len(contacts_of(state).keys() & place().kind("devices").keys()), len(place().kind("devices"))
    return st("ok" if of and here == of else "info", ngettext("%(here)d of %(num)d phone ready", "%(here)d of %(num)d phones ready", of, here=here), "soft")
