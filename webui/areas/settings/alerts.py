"""Alerts: who is told outside when something is wrong, and a test message to all of them."""

from __future__ import annotations

from typing import Any

from flask import redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from appliance.errors import ControlError, HoldfastError
from webui.areas.settings import AREA
from webui.engine import engine
from webui.forms import Choices, Form, Lines, Number, Secret, Section, Select, Text
from webui.i18n import lazy_gettext as _l
from webui.later import ask
from webui.place import place

AREA.tab("alerts", _l("Alerts"), 18)
TEST_S = 50.0
_PLAIN = {"autocomplete": "off"}


class AlertsForm(Form):
    fields = (
        Choices(name="kinds", label=_l("Tell of"), wide=True, options=(
            ("emergency", _l("Emergency calls")), ("trunk", _l("Lines that are down")), ("phone", _l("Phones that are away")),
            ("certificate", _l("Certificates that end")), ("machine", _l("The machine: disk, memory, temperature, clock")), ("box", _l("Everything else")))),
        Select(name="least", label=_l("Tell when something"), initial="look", options=(("look", _l("needs a look, or is broken")), ("bad", _l("is broken")))),
        Number(name="phone_gone_minutes", label=_l("A phone is missed after"), unit=_l("minutes"), initial=15),
        Number(name="repeat_minutes", label=_l("Of one kind at most once in"), unit=_l("minutes"), initial=15,
               help=_l("What comes and goes meanwhile is told together, or not at all. Emergency calls are told at once, always.")),
        Section(_l("E-mail")),
        Lines(name="mail.to", label=_l("Addresses"), optional=True, help=_l("One a line. They get every alert.")),
        Lines(name="mail.emergency_to", label=_l("Only for emergency calls"), optional=True,
              help=_l("One a line. They are told of emergency calls and nothing else.")),
        Text(name="mail.host", label=_l("Mail server"), none=True, optional=True, help=_l("The one that sends mail for you: smtp.example.org."),
             attributes=_PLAIN),
        Select(name="mail.security", label=_l("Encryption"), initial="starttls", options=(
            ("starttls", _l("STARTTLS, usually port 587")), ("tls", _l("TLS, usually port 465")), ("none", _l("None: a server on this network")))),
        Number(name="mail.port", label=_l("Port"), initial=587),
        Text(name="mail.sender", label=_l("Sender"), input="email", optional=True, help=_l("The address that alerts come from."), attributes=_PLAIN),
        Text(name="mail.username", label=_l("User name"), optional=True, attributes=_PLAIN),
        Secret(name="mail.password", label=_l("Password"), optional=True, help=_l("Empty: as it is.")),
        Section(_l("Webhook"), _l("Each alert is sent to a web address as JSON, for a chat or a monitoring system.")),
        Text(name="webhook.url", label=_l("Web address"), input="url", optional=True, attributes=_PLAIN),
        Secret(name="webhook.secret", label=_l("Secret"), optional=True,
               help=_l("At least 16 characters. With it the header X-Holdfast-Signature proves that an alert comes from this box. Empty: as it is.")),
    )  # fmt: skip


@AREA.route("/alerts", methods=["GET", "POST"])
def alerts() -> Response | str:
    form = AlertsForm.at("alerts")
    if request.method == "POST" and request.form.get("form") == "test":
        return _tested(form)
    if form.save():
        return redirect(url_for("settings.alerts"), 303)
    return _page(form, None, "")


@AREA.get("/alerts/state")
def alerts_state() -> str:
    """What the engine says of it; asked by the page's script after the page itself."""
    try:
        return render_template("settings/alerts-state.html", found=ask("alerts"))
    except ControlError:
        return ""  # the page's top says already that the engine does not answer


def _tested(form: AlertsForm) -> str:
    """By what is in force. The answer is the page: the test changes nothing."""
    try:
        tried, fault = engine().call("alerts.test", timeout_s=TEST_S)["tried"], ""
    except HoldfastError as error:
        tried, fault = None, f"{error.sentence}. {error.hint}"
    return _page(form, tried, fault)


def _page(form: AlertsForm, tried: Any, fault: str) -> str:
    return render_template("settings/alerts.html", form=form, tried=tried, fault=fault, changed=place().pending().touches("alerts"))
