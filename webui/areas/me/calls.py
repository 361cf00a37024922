"""Tab Calls: the calls one made and got, with search, in pages of 50."""

from __future__ import annotations

from flask import render_template, request, url_for

from appliance.errors import ControlError
from webui.areas.calls.words import length, outcome, party, people
from webui.areas.me import AREA, mine
from webui.i18n import gettext, lazy_gettext
from webui.later import ask, late, later
from webui.listing import ROWS, search

AREA.tab("calls", lazy_gettext("Calls"), 30)


@AREA.get("/calls", endpoint="calls")
def calls() -> str:
    asked, wanted = request.args.get("before", ""), search()
    before = int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 18 else 0
    rows, lost = [], None
    try:
        rows = ask("calls.history", limit=ROWS + 1, before=before, search=wanted, user=mine.key())["calls"]
    except ControlError as error:
        if late(error):
            return later(gettext("Calls"), "me")
        lost = error
    older = url_for("me.calls", q=wanted or None, before=rows[ROWS - 1]["serial"]) if len(rows) > ROWS else ""
    numbers = {mine.user().extension, *(device.extension for device in mine.devices().values() if device.extension)}
    return render_template(
        "me/calls.html", user=mine.user(), rows=rows[:ROWS], older=older, newest=url_for("me.calls", q=wanted or None) if before else "", q=wanted, lost=lost,
        known=people(), outcome=outcome, length=length, party=party, key=mine.key(), numbers=numbers,
    )  # fmt: skip
