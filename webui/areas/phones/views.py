"""The fleet, one device, a new one, and an end."""

from __future__ import annotations

from flask import redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from webui.areas.phones import AREA
from webui.areas.phones.fleet import contacts_of, devices, name_of
from webui.areas.phones.forms import DeviceForm
from webui.areas.phones.settings import plain
from webui.areas.phones.signin import sign_in
from webui.engine import engine
from webui.forms.form import delete
from webui.i18n import gettext, lazy_gettext
from webui.listing import found, page
from webui.place import place

AREA.tab("index", lazy_gettext("Fleet"), 10, lambda: len(place().kind("devices")))


@AREA.get("/")
def index() -> str:
    rows = found(devices(), lambda row: row.words)
    shown = {
        "": rows,
        "ready": [row for row in rows if row.registered],
        "silent": [row for row in rows if not row.registered],
        "alone": [row for row in rows if not row.owner],
    }
    counts = {name: len(each) for name, each in shown.items()}
    rows = shown.get(request.args.get("show", ""), rows)
    return render_template("phones/fleet.html", rows=page(rows), counts=counts)


@AREA.route("/new", methods=["GET", "POST"])
def new_device() -> Response | str:
    form = DeviceForm.new()
    if form.save():
        return redirect(url_for("phones.device", key=form.path.partition(".")[2]), 303)
    if form.given is None:
        for name in ("owner", "extension", "name", "mac"):
            form[name].value = request.args.get(name, "")[:80]
    return render_template("phones/new.html", form=form)


@AREA.route("/devices/<key>", methods=["GET", "POST"])
def device(key: str) -> Response | str:
    form = DeviceForm.at(f"devices.{key}")
    if form.save():
        return redirect(url_for("phones.device", key=key), 303)
    return _page(key, form)


@AREA.post("/devices/<key>/delete")
def delete_device(key: str) -> Response | tuple[str, int]:
    name = name_of(place().kind("devices").get(key, {}), key)
    if delete(f"devices.{key}", gettext("%(name)s is deleted, not applied.", name=name)):
        return redirect(url_for("phones.index"), 303)
    return _page(key, DeviceForm.at(f"devices.{key}")), 409


def _page(key: str, form: DeviceForm) -> str:
    held = place().kind("devices").get(key, {})
    owner = place().kind("users").get(str(held.get("owner") or ""), {})
    return render_template(
        "phones/device.html", form=form, key=key, name=name_of(held, key), number=held.get("extension") or owner.get("extension") or "",
        changed=place().pending().touches(f"devices.{key}"), contacts=contacts_of(engine().state).get(key, []), signs=sign_in(key) if form.exists else None,
        mac=plain(str(held.get("mac") or "")),
    )  # fmt: skip
