"""System: what the box runs on, its processes, a fresh start with what it ends, and the licences."""

from __future__ import annotations

import logging

from flask import redirect, render_template, request, url_for
from markupsafe import Markup
from werkzeug.wrappers import Response

from appliance.errors import ControlError
from webui.areas.diag import AREA
from webui.engine import State, engine
from webui.guard import current
from webui.i18n import gettext, lazy_gettext, ngettext
from webui.later import ask, late, later
from webui.live import live
from webui.saved import toast

log = logging.getLogger(__name__)
_l = lazy_gettext
AREA.tab("system", _l("System"), 80)
NAMES = {"engine": _l("Phone engine"), "web": _l("Web pages"), "web worker": _l("Web pages, worker"), "supervisor": _l("Supervisor")}


@AREA.get("/system")
def system() -> str:
    found, lost = None, None
    try:
        found = ask("system")
    except ControlError as error:
        if late(error):
            return later(gettext("Diagnose"), "diag")
        lost = error
    return render_template("diag/system.html", found=found, lost=lost)


@AREA.get("/system/licence")
def licence() -> str:
    """One text, of Holdfast unless another is named."""
    name = request.args.get("of", "holdfast")[:100] or "holdfast"
    text, lost = "", None
    try:
        text = ask("system.licence", name=name)["text"]
    except ControlError as error:
        if late(error):
            return later(gettext("Licence"), "diag")
        lost = error
    return render_template("diag/licence.html", name=name, text=text, lost=lost)


@AREA.route("/system/restart", methods=["GET", "POST"])
def restart() -> Response | str:
    """Asked first, with what it ends; never while an emergency call is up."""
    whole = request.values.get("what") == "everything"
    if request.method == "GET":
        state = engine().state
        return render_template("diag/restart.html", whole=whole, calls=len(state.calls.get("calls", ())), emergency=_emergency(state), up=state.up)
    try:
        said = engine().call("box.restart", reason=f"web, {current().name}"[:300], force=False, whole=whole)
    except ControlError as error:
        toast(f"{error.sentence}. {gettext('Nothing was restarted.')}")
        return redirect(url_for("diag.system"), 303)
    log.warning("%s restarts %s", current().id, "everything" if whole else "the engine")
    ended = ngettext("One call ends.", "%(num)d calls end.", said["calls"]) if said["calls"] else gettext("No call was up.")
    if whole:  # these pages end with it: there is nothing to be sent on to yet
        return render_template("diag/restarting.html", ended=ended)
    toast(f"{gettext('The phone engine restarts now.')} {ended}")
    return redirect(url_for("diag.system"), 303)


@live("diag.processes")
def processes(state: State) -> Markup:
    """The box's own, the largest first."""
    return Markup(render_template("diag/processes.html", rows=state.health.get("processes", ()), names=NAMES))  # noqa: S704  (a template's output)


def _emergency(state: State) -> bool:
    return any(call["emergency"] for call in state.calls.get("calls", ())) or bool(state.status.get("emergency", {}).get("active"))
