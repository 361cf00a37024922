"""Phones whose place nobody has said: they are taken to be in the default location. Several are placed at once."""

from __future__ import annotations

from flask import redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from appliance.errors import Conflict, NotFound
from webui.areas.emergency import AREA
from webui.areas.emergency.places import everywhere, phone_name
from webui.engine import engine
from webui.forms.fields import named
from webui.guard import current
from webui.i18n import gettext, lazy_gettext, ngettext, sort_key
from webui.listing import page
from webui.place import place
from webui.saved import remember, toast

AREA.tab("unplaced", lazy_gettext("Phones without a location"), 30, lambda: len(_unplaced()))


@AREA.get("/unplaced")
def unplaced() -> str:
    devices = place().kind("devices")
    rows = sorted(((key, phone_name(key, devices[key]), place().show(f"devices.{key}").version) for key in _unplaced()), key=lambda row: sort_key(row[1]))
    return render_template("emergency/unplaced.html", rows=page(rows), locations=named("locations"))


@AREA.post("/unplaced")
def put_there() -> Response:
    """Place the phones that were ticked, each in the version the page showed."""
    wanted, late, done = request.form.get("location", ""), 0, 0
    if wanted not in place().kind("locations"):
        toast(gettext("Choose a location first."))
        return redirect(url_for("emergency.unplaced"), 303)
    editor, ticked = place().editor(current().author), request.form.getlist("phone")[:50]
    for each in ticked:
        key, _, version = each.rpartition(":")
        held = place().kind("devices").get(key)
        if held is None or not (version.isascii() and version.isdigit() and len(version) < 18):
            late += 1
            continue
        try:
            written = editor.set(f"devices.{key}", {**held, "location": wanted}, int(version))
        except (Conflict, NotFound):
            late += 1
            continue
        done += 1
        if len(ticked) == 1:
            remember(f"devices.{key}", held, written.version)
    if done and len(ticked) > 1:
        toast(ngettext("One phone is placed, not applied.", "%(num)d phones are placed, not applied.", done))
    if late:
        toast(ngettext("One phone was changed meanwhile and is left as it is.", "%(num)d phones were changed meanwhile and are left as they are.", late))
    if not ticked:
        toast(gettext("Tick the phones first."))
    return redirect(url_for("emergency.unplaced"), 303)


def _unplaced() -> list[str]:
    return [key for key, where in everywhere(engine().state).items() if where.how in {"default", "none"}]
