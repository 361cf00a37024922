"""Proof: does every emergency number get out of every phone, as the candidate stands; and what one phone's call would send."""

from __future__ import annotations

from typing import Any

from flask import render_template, request

from appliance.errors import ControlError, DocumentError, HoldfastError
from appliance.site.working import run_job
from webui.areas.emergency import AREA
from webui.areas.emergency.places import phone_name
from webui.guard import by_script
from webui.i18n import gettext, lazy_gettext
from webui.later import ask, late, later
from webui.place import place
from webui.vitals import emergency_number

AREA.tab("proof", lazy_gettext("Proof"), 40)
AREA.tab("one", lazy_gettext("One phone's call"), 50)
SOURCES = {
    "pin": lazy_gettext("set on the phone"), "subnet": lazy_gettext("by its network"), "default": lazy_gettext("only the site's default"),
    "none": lazy_gettext("not known"),
}  # fmt: skip


@AREA.get("/proof")
def proof() -> str:
    """At once; the cases follow (the same address, asked by the script), for they take a second or two."""
    if by_script():
        return render_template("emergency/cases.html", **_proved())
    shown = _proved() if request.args.get("run") else None
    return render_template("emergency/proof.html", shown=shown, number=emergency_number())


def _proved() -> dict[str, Any]:
    """{"proof": the worker's answer, or None, "fault": why there is none, "problems"}."""
    site = place().site()
    try:
        found = run_job("proof", {"document": place().document(), "before": site.model_dump(mode="json") if site is not None else None})
    except DocumentError as error:
        return {"proof": None, "fault": error.sentence, "problems": error.problems}
    except HoldfastError as error:
        return {"proof": None, "fault": f"{error.sentence}. {error.hint}", "problems": ()}
    return {"proof": found, "fault": "", "problems": ()}


@AREA.get("/one")
def one() -> str:
    """What the call of one phone would send now, as what is in force says. No call is placed."""
    chosen, found, fault = request.args.get("extension", "")[:64], None, ""
    if chosen:
        try:
            found = ask("emergency.test", extension=chosen)
        except ControlError as error:
            if late(error):
                return later(gettext("Emergency"), "emergency", "emergency/message.css")
            fault = f"{error.sentence}. {error.hint}"
    return render_template("emergency/one.html", chosen=chosen, found=found, fault=fault, phones=_phones(), sources=SOURCES, number=emergency_number())


def _phones() -> list[tuple[str, str]]:
    users = place().kind("users")
    found: dict[str, str] = {}
    for key, device in place().kind("devices").items():
        extension = device.get("extension") or users.get(str(device.get("owner")), {}).get("extension")
        if extension:
            found.setdefault(str(extension), phone_name(key, device))
    return [("", gettext("Choose…")), *sorted(found.items(), key=lambda entry: (len(entry[0]), entry[0]))]
