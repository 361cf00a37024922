"""Tab Phones and SIP: the phones of one user, which there are in mode sip_phone alone (rows E2, T3, T4, A9)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from flask import abort, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from appliance.errors import Conflict, NotFound
from webui.areas.people import AREA
from webui.areas.people.whom import find_one, labels
from webui.areas.phones.fleet import devices, name_of
from webui.areas.phones.signin import sign_in
from webui.guard import current
from webui.i18n import gettext
from webui.place import place
from webui.saved import remember, toast


@AREA.get("/users/<key>/phones", endpoint="user_phones")
def user_phones(key: str) -> str:
    held = _user(key)
    own = [device for device in devices() if device.owner == key]
    offered = [label for device, label in labels("devices").items() if place().kind("devices")[device].get("owner") != key]
    signs = [sign_in(device.key) for device in own]
    version = place().show(f"users.{key}").version
    return render_template("people/phones.html", key=key, held=held, own=own, signs=signs, offered=offered, version=version)


@AREA.post("/users/<key>/phones/link")
def link_phone(key: str) -> Response:
    """Row T3: what is there already becomes this user's; anything else typed begins a new phone."""
    held, typed = _user(key), request.form.get("phone", "").strip()[:80]
    device = find_one(typed, "devices")
    if device is None:
        extension = typed if re.fullmatch(r"[0-9]{2,8}", typed, re.ASCII) else None
        return redirect(url_for("phones.new_device", owner=key, extension=extension, name=None if extension else typed or None), 303)
    path = f"devices.{device}"
    before = place().show(path)
    giver, editor = before.value.get("owner"), place().editor(current().author)
    try:
        written = editor.set(path, {**before.value, "owner": key}, before.version)
        if giver and giver != key and place().kind("users").get(giver, {}).get("main_device") == device:
            editor.delete(f"users.{giver}.main_device")
    except (Conflict, NotFound):
        toast(gettext("Somebody changed this phone meanwhile. Link it again."))
    else:
        names = {"phone": name_of(before.value, device), "user": held.get("name") or key}
        remember(path, before.value, written.version, gettext("%(phone)s belongs to %(user)s now, not applied.", **names))
    return redirect(url_for("people.user_phones", key=key), 303)


@AREA.post("/users/<key>/phones/main")
def main_phone(key: str) -> Response:
    """Row T4: the main extension becomes that of the main phone when it is applied."""
    held, path, device = _user(key), f"users.{key}", request.form.get("device", "")
    sent = request.form.get("version", "")
    if place().kind("devices").get(device, {}).get("owner") != key:
        toast(gettext("This phone belongs to somebody else now."))
        return redirect(url_for("people.user_phones", key=key), 303)
    try:
        written = place().editor(current().author).set(path, {**held, "main_device": device}, int(sent) if re.fullmatch(r"[0-9]{1,17}", sent) else -1)
    except Conflict:
        toast(gettext("Somebody changed this user meanwhile. Choose the main phone again."))
    else:
        remember(path, held, written.version)
    return redirect(url_for("people.user_phones", key=key), 303)


def _user(key: str) -> Mapping[str, Any]:
    """The user as he stands in the candidate. 404 where he has no such page."""
    held: Mapping[str, Any] | None = place().kind("users").get(key)
    if held is None or held.get("mode", "sip_phone") != "sip_phone":
        abort(404)
    return held
