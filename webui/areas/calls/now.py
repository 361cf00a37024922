"""Calls that are up now, and hanging one up, which is asked about before."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import Any

from flask import redirect, render_template, url_for
from markupsafe import Markup
from werkzeug.wrappers import Response

from appliance.errors import ControlError
from webui.areas.calls import AREA
from webui.areas.calls.sound import score
from webui.areas.calls.words import party, people
from webui.engine import State, engine
from webui.guard import current
from webui.i18n import gettext, lazy_gettext
from webui.live import live, st
from webui.saved import toast

log = logging.getLogger(__name__)
_l = lazy_gettext

STATES = {"new": _l("Begins"), "dialling": _l("Dialling"), "ringing": _l("Ringing"), "up": _l("Talking"), "transferring": _l("Being transferred")}

AREA.tab("now", _l("Now"), 20)


@AREA.get("/now")
def now() -> str:
    return render_template("calls/now.html")


@live("calls.now")
def rows(state: State) -> Markup:
    """The whole list: it is all live. A call says since when, not for how long, so that nothing changes by itself."""
    heard = time.time() - (state.age_s("calls") or 0.0)
    # To five seconds: the engine says how long ago, and its answers and ours do not fall together.
    found = [(call, round((heard - call["since_s"]) / 5) * 5) for call in state.calls.get("calls", ())]
    shown = render_template("calls/rows.html", calls=found, state=state, states=STATES, known=people(), party=party, score=score)
    return Markup(shown)  # noqa: S704  (a template's output)


@live("calls.score")
def scores(state: State) -> Mapping[str, Markup]:
    """Of each call, as of the last look; for its own page."""
    return {call["id"]: st(*made) if (made := score(call["score"], call["bad_sound"]))[0] else Markup("") for call in state.calls.get("calls", ())}


@AREA.get("/now/<session>")
def ask_hang_up(session: str) -> Response | str:
    call = up(session)
    if call is None:
        toast(gettext("This call is over already."))
        return redirect(url_for("calls.now"), 303)
    known = people()
    who, whom = party(call["from_number"], call["from_name"], known), party(call["to_number"], call["to_name"], known)
    return render_template("calls/hang-up.html", call=call, who=who, whom=whom)


@AREA.post("/now/<session>")
def hang_up(session: str) -> Response:
    """An emergency call ends at its phone, never here."""
    call = up(session)
    if call is None or call["emergency"]:
        toast(gettext("This call is over already.") if call is None else gettext("An emergency call is ended by who made it."))
        return redirect(url_for("calls.now"), 303)
    try:
        engine().call("calls.hangup", call=session)
    except ControlError as error:
        toast(gettext("This call is over already.") if error.code == "not-found" else f"{error.sentence}. {error.hint}")
    else:
        log.warning("%s hung up the call %s", current().id, session)
        toast(gettext("The call is hung up."))
    return redirect(url_for("calls.now"), 303)


def up(session: str) -> Mapping[str, Any] | None:
    return next((call for call in engine().state.calls.get("calls", ()) if call["id"] == session), None)
