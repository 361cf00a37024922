"""Mobile modem: how it is and what is wrong with it, a call and a text to try it, and what it is used for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import redirect, render_template, request, url_for
from markupsafe import Markup
from werkzeug.wrappers import Response

from appliance.errors import ControlError
from appliance.site import sim_pin
from appliance.types import MODEM
from webui.areas.lines import AREA
from webui.areas.lines.destination import DestinationField
from webui.engine import State, engine
from webui.forms import Form, Phone, Secret, Section, Select, Switch
from webui.i18n import gettext, lazy_gettext
from webui.live import live, st
from webui.modem import modem_state
from webui.place import place
from webui.saved import toast
from webui.vitals import emergency_number

_l = lazy_gettext
AREA.tab("modem", _l("Mobile modem"), 50)
LONGEST = 1600
PIN = "sim.pin"
SHAPES = {"queued": "wait", "sending": "busy", "sent": "ok", "failed": "bad"}
REACHED = frozenset({480, 486, 487})
"""The call came to a telephone, which was not taken up: nothing is wrong with the modem."""
GOOD_DBM, FAIR_DBM = -85, -100


class ModemForm(Form):
    """What the modem is for."""

    fields = (
        Switch(name="enabled", label=_l("Switched on"), on=True, help=_l("Off: only emergency calls still try it, last of all.")),
        Select(name="use", label=_l("Used for"), initial="emergency", options=(
            ("emergency", _l("Emergency calls")), ("emergency-and-outside", _l("Emergency calls, and outside calls when no line works")),
        ), help=_l("It carries one call. An emergency call takes it from an ordinary one.")),
        Section(_l("SIM card")),
        Phone(name="sim.number", label=_l("Its number"), optional=True, help=_l("An emergency centre sees it and calls it back.")),
        Secret(name=PIN, label=_l("New PIN"), optional=True, help=_l("Kept sealed, and never tried twice when it is wrong. Empty: as it is.")),
        Section(_l("Incoming calls"), _l("An emergency centre that calls back reaches whoever called it, whatever stands here.")),
        DestinationField(name="destination", label=_l("Lead to"), help=_l("Nowhere yet: as the incoming number that the SIM card has.")),
    )  # fmt: skip


@AREA.route("/modem", methods=["GET", "POST"])
def modem() -> Response | str:
    form = ModemForm.at("modem")
    if form.save():
        if pin := _typed(PIN):
            sim_pin.set_again(place().data, pin, place().secrets())
        return redirect(url_for("lines.modem"), 303)
    return _page(form)


@AREA.post("/modem/call")
def modem_call() -> Response | tuple[str, int]:
    """Call a number over the modem, as what is in force says."""
    to = _typed("call-to")
    if not to:
        return _again("call-to", gettext("Write the number that shall ring: your mobile, for example."))
    try:
        engine().call("trunks.test", trunk=MODEM, to=to)
    except ControlError as error:
        return _again("call-to", _said(error))
    return redirect(url_for("lines.modem"), 303)


@AREA.post("/modem/text")
def modem_text() -> Response | tuple[str, int]:
    to, words = _typed("text-to"), _typed("words")
    if not to or not words:
        return _again("words" if to else "text-to", gettext("Write what it says.") if to else gettext("Write the number of a mobile phone."))
    try:
        engine().call("modem.sms", to=to, text=words)
    except ControlError as error:
        return _again("text-to", _said(error))
    toast(gettext("The text is on its way to %(to)s.", to=to))
    return redirect(url_for("lines.modem"), 303)


def _typed(name: str) -> str:
    return request.form.get(name, "").strip()[:LONGEST]


def _said(error: ControlError) -> str:
    return f"{error.sentence}. {error.hint[:1].upper()}{error.hint[1:]}" if error.hint else error.sentence


def _page(form: ModemForm, faults: Mapping[str, str] | None = None) -> str:
    typed = {name: _typed(name) for name in ("call-to", "text-to", "words") if name in request.form}
    return render_template("lines/modem.html", form=form, faults=faults or {}, tried=typed, changed=place().pending().touches("modem"))


def _again(name: str, fault: str) -> tuple[str, int]:
    return _page(ModemForm.at("modem"), {name: fault}), 422


@live("lines.modem")
def now(state: State) -> Markup:
    """The upper part of the page."""
    found, test = state.modem, state.status.get("line_test")
    test = test if test and test["trunk"] == MODEM else None
    shape, word = modem_state(found)
    about = gettext("A call to %(to)s", to=test["to"]) if test else ""
    return Markup(  # noqa: S704  (a template's output)
        render_template(
            "lines/modem-now.html", found=found, test=test, about=about, shape=shape, word=word, number=emergency_number(),
            bars=_signal(found.get("signal_dbm")), call=_call(found.get("call")), reached=REACHED, shapes=SHAPES, words=_words(), steps=_steps(),
        )
    )  # fmt: skip


@live("lines.modem-state")
def headline(state: State) -> Markup:
    shape, word = modem_state(state.modem or state.status.get("cellular", {}))
    return st("off" if shape == "wait" else shape, gettext("Mobile modem: %(state)s", state=word), "soft" if shape == "bad" else "")


def _signal(dbm: int | None) -> str:
    if dbm is None:
        return ""
    return gettext("good") if dbm >= GOOD_DBM else gettext("fair") if dbm >= FAIR_DBM else gettext("poor")


def _call(call: Mapping[str, Any] | None) -> str:
    if call is None:
        return ""
    who = call["number"] or gettext("a hidden number")
    words = {
        "dialling": gettext("is being dialled"), "alerting": gettext("rings"), "incoming": gettext("rings"), "active": gettext("is talking"),
        "ended": {"hung-up": gettext("hung up here"), "far-end": gettext("hung up there"), "busy": gettext("was busy"), "no-answer": gettext("nobody answered"),
                  "refused": gettext("the network refused it"), "modem-lost": gettext("the modem was gone")}.get(call["end"], call["end"]),
    }  # fmt: skip
    said = {"who": who, "what": words.get(call["state"], call["state"])}
    return gettext("To %(who)s: %(what)s", **said) if call["outgoing"] else gettext("From %(who)s: %(what)s", **said)


def _words() -> dict[str, str]:
    return {"queued": gettext("waits"), "sending": gettext("is being sent"), "sent": gettext("was taken by the network"), "failed": gettext("was not sent")}


def _steps() -> dict[str, str]:
    return {
        "signing-in": gettext("The modem begins to call."), "dialling": gettext("The modem calls."), "ringing": gettext("It rings there."),
        "answered": gettext("It was answered: a sentence is said there."),
    }  # fmt: skip
