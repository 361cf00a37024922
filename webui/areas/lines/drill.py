"""The outage drill: what it does is said before it is begun, how it goes is seen meanwhile, and its report is there until the next one."""

from __future__ import annotations

import logging

from flask import redirect, render_template, request, url_for
from markupsafe import Markup
from werkzeug.wrappers import Response

from appliance.errors import ControlError
from webui.areas.lines import AREA
from webui.engine import State, engine
from webui.guard import current
from webui.i18n import gettext
from webui.live import live
from webui.saved import toast

log = logging.getLogger(__name__)

SHAPES = {"ok": "ok", "bad": "bad", "unknown": "off"}


@AREA.route("/internet/drill", methods=["GET", "POST"])
def drill() -> Response | str:
    """Said first, with what is interrupted; begun and ended by a button."""
    if request.method == "GET":
        return render_template("lines/drill.html")
    asked = request.form.get("seconds", "")
    try:
        if request.form.get("what") == "end":
            engine().call("drill.end", by=current().name[:100])
            toast(gettext("The internet is given back."))
        else:
            engine().call("drill.start", timeout_s=30.0, seconds=int(asked) if asked.isascii() and asked.isdigit() else 30, by=current().name[:100])
            log.warning("%s begins an outage drill", current().id)
            toast(gettext("The internet is cut now."))
    except ControlError as error:
        toast(f"{error.sentence}. {error.hint[:1].upper()}{error.hint[1:]}.")
    return redirect(url_for("lines.drill"), 303)


@live("lines.drill")
def now(state: State) -> Markup:
    """How it goes, and the report."""
    last = state.drill.get("last")
    calls = sum(not call.get("emergency") for call in state.calls.get("calls", ()))
    emergency = any(call.get("emergency") for call in state.calls.get("calls", ()))
    return Markup(  # noqa: S704  (a template's output)
        render_template(
            "lines/drill-now.html", up=state.up and bool(state.drill), unable=state.drill.get("unable", ""), last=last, shapes=SHAPES, titles=_titles(),
            running=last is not None and last["state"] != "over", calls=calls, emergency=emergency, wan=state.wan.get("state", "unknown"),
        )
    )  # fmt: skip


@live("lines.drill-state")
def headline(state: State) -> Markup | str:
    """Beside the button on the page of the internet: when the last one was, and how it went."""
    last = state.drill.get("last")
    return Markup(render_template("lines/drill-last.html", last=last)) if last else gettext("There was none yet.")  # noqa: S704


def _titles() -> dict[str, str]:
    return {
        "cut": gettext("Cut"), "noticed": gettext("Noticed"), "emergency": gettext("Emergency call"), "phones": gettext("Phones"),
        "inside": gettext("Local calls"), "names": gettext("Names of lines"), "outbox": gettext("Messages"), "back": gettext("Back again"),
    }  # fmt: skip
