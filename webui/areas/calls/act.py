"""What can be done with calls: begin one from a phone of one's own, and send a party of one on to somebody else."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from flask import redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from appliance.errors import ControlError
from webui.areas.calls import AREA
from webui.areas.calls.now import up
from webui.areas.calls.whom import number, offered, phones
from webui.areas.calls.words import party, people
from webui.engine import engine
from webui.guard import current
from webui.i18n import gettext
from webui.saved import toast

log = logging.getLogger(__name__)

Page = Response | str | tuple[str, int]


@AREA.route("/dial", methods=["GET", "POST"])
def dial() -> Page:
    """One's own phone rings first; who takes it up has dialled the number."""
    given, wrong = request.values, ""
    extension, to = given.get("extension", "")[:64], given.get("to", "").strip()[:100]
    if request.method == "POST":
        wrong = _not_a_number(to) or _done("calls.originate", extension=extension or "-", to=number(to))
        if not wrong:
            log.info("%s had %s call %s", current().id, extension, number(to))
            toast(gettext("The phone of %(who)s rings. Whoever picks it up calls %(whom)s.", who=extension, whom=to))
            return redirect(url_for("calls.now"), 303)
    shown = render_template("calls/dial.html", phones=phones(), offered=offered(), extension=extension, to=to, wrong=wrong)
    return (shown, 422) if wrong else shown


@AREA.route("/now/<session>/transfer", methods=["GET", "POST"])
def transfer(session: str) -> Page:
    """One party goes on to somebody else, in the place of the other, who is out."""
    call = up(session)
    if call is None or call["emergency"]:
        toast(gettext("This call is over already.") if call is None else gettext("An emergency call is moved by the emergency centre alone."))
        return redirect(url_for("calls.now"), 303)
    who, to, wrong = request.form.get("who", "from"), request.form.get("to", "").strip()[:100], ""
    if request.method == "POST":
        by = call["from_number"] if who == "to" else call["to_number"]
        wrong = _not_a_number(to) or _done("calls.transfer", call=session, to=number(to), by=by[:64])
        if not wrong:
            log.info("%s transferred the call %s to %s", current().id, session, number(to))
            toast(gettext("The call goes on to %(whom)s. Where nobody answers there, it is as before.", whom=to))
            return redirect(url_for("calls.now"), 303)
    shown = render_template("calls/transfer.html", call=call, sides=_sides(call), offered=offered(), who=who, to=to, wrong=wrong)
    return (shown, 422) if wrong else shown


def _sides(call: Mapping[str, Any]) -> list[tuple[str, str]]:
    known = people()
    found = [(side, party(call[f"{side}_number"], call[f"{side}_name"], known)) for side in ("from", "to")]
    return [(side, name or gettext("unknown")) for side, name in found]


def _not_a_number(to: str) -> str:
    return "" if number(to) else gettext("Type an extension, or a number as it is dialled here.")


def _done(method: str, **params: Any) -> str:
    """Have the engine do it; why it does not, or ""."""
    try:
        engine().call(method, **params)
    except ControlError as error:
        return f"{error.sentence}. {error.hint}".strip()
    return ""
