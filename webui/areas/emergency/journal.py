"""The journal: recent emergency calls as they go, and who has seen to them."""

from __future__ import annotations

from flask import redirect, render_template, request, url_for
from markupsafe import Markup
from werkzeug.wrappers import Response

from appliance.errors import ControlError
from webui.areas import Badge
from webui.areas.emergency import AREA
from webui.engine import State, engine
from webui.guard import current
from webui.i18n import gettext, lazy_gettext
from webui.live import live
from webui.saved import toast

AREA.tab("journal", lazy_gettext("Journal"), 20)
OUTCOMES = {
    "calling": lazy_gettext("Being put through"), "connected": lazy_gettext("Connected"), "ended": lazy_gettext("Ended"),
    "abandoned": lazy_gettext("Given up before an answer"), "failed": lazy_gettext("Did not get through"),
}  # fmt: skip


@AREA.get("/journal")
def journal() -> str:
    return render_template("emergency/journal.html")


@AREA.post("/journal/acknowledge")
def acknowledge() -> Response:
    """Somebody sees to it: his name stands beside the call, and the red bar goes."""
    try:
        notice = engine().call("emergency.acknowledge", notice=request.form.get("notice", "")[:200] or "-", by=current().name[:80])["notice"]
        toast(gettext("%(name)s has acknowledged it.", name=notice["acknowledged_by"]))
    except ControlError as error:
        toast(f"{error.sentence}. {error.hint}")
    return redirect(url_for("emergency.journal"), 303)


@live("emergency.journal")
def calls(state: State) -> Markup:
    """Every call known, the latest first."""
    known = state.notices.get("notices")
    return Markup(render_template("emergency/notices.html", notices=known, outcomes=OUTCOMES))  # noqa: S704  (a template's output)


@AREA.badged
def open_calls() -> Badge | None:
    """Calls nobody has acknowledged."""
    waiting = sum(not notice["test"] and not notice["acknowledged_by"] for notice in engine().state.notices.get("notices", ()))
    return Badge(waiting, bad=True) if waiting else None
