"""Step 6: which phone is in which room, who is told, and what an emergency centre would see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from flask import redirect, request, url_for
from werkzeug.wrappers import Response

from appliance.errors import HoldfastError
from webui.areas.emergency.forms import EmergencyForm
from webui.areas.emergency.places import Where, address, everywhere, phone_name
from webui.areas.welcome import AREA
from webui.areas.welcome.forms import AddressPart, Part, RoomForm
from webui.areas.welcome.shell import onward, page
from webui.engine import engine
from webui.forms import Field, Section
from webui.forms.fields import named
from webui.guard import current
from webui.i18n import gettext, ngettext, sort_key
from webui.i18n import lazy_gettext as _l
from webui.listing import page as listing
from webui.place import place
from webui.saved import toast
from webui.vitals import emergency_number

ROWS = 30


class ToldPart(Part):
    """Who is called when the emergency centre calls back and the phone stays silent."""

    def asked(self) -> Sequence[Field | Section]:
        known = {field.name: field for field in EmergencyForm.fields if isinstance(field, Field)}
        told = _l("Extensions, one a line. They ring when the emergency centre calls back and the phone that called does not answer.")
        return (replace(known["security_extensions"], label=_l("Called where the phone stays silent"), help=told),)


@dataclass(frozen=True, slots=True)
class Phone:
    """A phone, its own room ("" : none said), and where it is taken to be."""

    key: str
    name: str
    room: str
    where: Where


@AREA.route("/emergency", methods=["GET", "POST"], endpoint="emergency")
def step() -> Response | str:
    room, told = RoomForm.new(), ToldPart.at("emergency")
    if request.form.get("form") == RoomForm.__name__ and room.save():
        return redirect(url_for("welcome.emergency", _anchor="rooms"), 303)
    if request.form.get("form") == ToldPart.__name__ and told.save():
        return onward("emergency")
    devices, there = place().kind("devices"), everywhere(engine().state)
    phones = [Phone(key, phone_name(key, held), str(held.get("location") or ""), there[key]) for key, held in devices.items()]
    trunks = [(key, str(held.get("name") or key), held.get("emergency_armed") is True) for key, held in place().kind("trunks").items()]
    rooms = [(key, str(held.get("name") or key), address(held)) for key, held in place().kind("locations").items()]
    return page(
        "emergency", room=room, told=told, phones=listing(sorted(phones, key=_order), ROWS), rooms=rooms,
        offered=[("", gettext("Only the building")), *named("locations")], trunks=trunks, number=emergency_number(),
        example=AddressPart.of_site().example,
    )  # fmt: skip


def _order(phone: Phone) -> tuple[int, Any]:
    """By extension, the shorter ones first, as everywhere."""
    number = phone.name.partition(" ")[0]
    return len(number) if number.isdigit() else 99, sort_key(phone.name)


@AREA.post("/emergency/rooms")
def rooms() -> Response:
    """Put phones into rooms: those whose choice is another than the page had shown."""
    editor, devices, done = place().editor(current().author), place().kind("devices"), 0
    for name, wanted in list(request.form.items())[: 2 * ROWS + 10]:
        key = name.removeprefix("at:")
        if key == name or key not in devices or wanted == request.form.get(f"was:{key}", wanted):
            continue
        if wanted and wanted not in place().kind("locations"):
            continue
        try:
            editor.set(f"devices.{key}.location", wanted or None)
        except HoldfastError as error:
            toast(f"{error.sentence}. {error.hint}")
            break
        done += 1
    if done:
        toast(ngettext("One phone is placed.", "%(num)d phones are placed.", done))
    return redirect(url_for("welcome.emergency", _anchor="rooms"), 303)


@AREA.post("/emergency/armed")
def armed() -> Response:
    """What the providers hold of this site, as the installer says."""
    editor, ticked = place().editor(current().author), request.form.getlist("armed")
    for key, held in place().kind("trunks").items():
        if (key in ticked) is not (held.get("emergency_armed") is True):
            editor.set(f"trunks.{key}.emergency_armed", key in ticked)
    return redirect(url_for("welcome.emergency", _anchor="armed"), 303)
