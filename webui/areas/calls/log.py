"""The log of calls: searched, narrowed, in pages of 50, and as a file for a spreadsheet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from flask import Response, redirect, render_template, request, stream_with_context, url_for
from werkzeug.wrappers import Response as AnyResponse

from appliance.errors import ControlError
from webui.areas.calls import AREA
from webui.areas.calls.export import lines
from webui.areas.calls.words import DIRECTIONS, length, outcome, outcomes, party, people
from webui.engine import engine
from webui.i18n import gettext, lazy_gettext
from webui.later import ask, late, later
from webui.listing import ROWS, search
from webui.place import place
from webui.saved import toast

ANSWER_S = 5.0
CHUNK, MOST = 1000, 200_000
"""Records asked for at once, and in one file: all that the box keeps."""
Row = Mapping[str, Any]

AREA.tab("index", lazy_gettext("Log"), 10)


@AREA.get("/")
def index() -> str:
    wanted, asked = _wanted(request.args), request.args.get("before", "")
    before = int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 18 else 0
    rows: list[Row] = []
    try:
        rows = ask("calls.history", limit=ROWS + 1, before=before, **wanted)["calls"]
        lost = None
    except ControlError as error:
        if late(error):
            return later(gettext("Calls"), "calls")
        lost = error
    older = url_for("calls.index", **_kept(wanted), before=rows[ROWS - 1]["serial"]) if len(rows) > ROWS else ""
    return render_template(
        "calls/log.html", rows=rows[:ROWS], older=older, newest=url_for("calls.index", **_kept(wanted)) if before else "", wanted=wanted, lost=lost,
        directions=DIRECTIONS, outcomes=outcomes(), known=people(), outcome=outcome, length=length, party=party,
    )  # fmt: skip


@AREA.post("/export")
def export() -> AnyResponse:
    """Every call that the search finds, the newest first."""
    wanted = _wanted(request.form)
    try:
        first = _ask(wanted, 0, CHUNK)
    except ControlError as error:
        toast(f"{error.sentence}. {error.hint}")
        return redirect(url_for("calls.index", **_kept(wanted)), 303)
    answer = Response(stream_with_context(lines(_chunks(first, wanted), place().time_zone())), content_type="text/csv; charset=utf-8; header=present")
    answer.headers["Content-Disposition"] = 'attachment; filename="calls.csv"'
    return answer


def _chunks(first: list[Row], wanted: Mapping[str, str]) -> Iterator[list[Row]]:
    rows, sent = first, 0
    while rows:
        yield rows
        sent += len(rows)
        rows = _ask(wanted, rows[-1]["serial"], CHUNK) if len(rows) == CHUNK and sent < MOST else []


def _ask(wanted: Mapping[str, str], before: int, limit: int) -> list[Row]:
    """Raises ControlError."""
    found: list[Row] = engine().ask("calls.history", ANSWER_S, limit=limit, before=before, **wanted)["calls"]
    return found


def _wanted(given: Mapping[str, str]) -> dict[str, str]:
    direction, end = given.get("direction", ""), given.get("outcome", "")
    return {
        "search": given.get("q", "").strip()[:100] if given is not request.args else search(),
        "direction": direction if direction in DIRECTIONS else "",
        "outcome": end if any(end == name for name, _ in outcomes()) else "",
    }


def _kept(wanted: Mapping[str, str]) -> dict[str, Any]:
    """The parameters of the page's address."""
    return {"q": wanted["search"] or None, "direction": wanted["direction"] or None, "outcome": wanted["outcome"] or None}
