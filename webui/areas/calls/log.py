"""The log of calls: searched, narrowed, in pages of 50, and as a file for a spreadsheet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from flask import Response, redirect, render_template, request, stream_with_context, url_for
from werkzeug.wrappers import Response as AnyResponse

from appliance.errors import ControlError
from webui.areas.calls import AREA
from webui.areas.calls.export import lines
from webui.areas.calls.sound import score
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
        rows = ask("calls.history", limit=ROWS + 1, before=before, **_asked(wanted))["calls"]
        lost = None
    except ControlError as error:
        if late(error):
            return later(gettext("Calls"), "calls", "areas.css")
        lost = error
    older = url_for("calls.index", **_kept(wanted), before=rows[ROWS - 1]["serial"]) if len(rows) > ROWS else ""
    return render_template(
        "calls/log.html", rows=rows[:ROWS], older=older, newest=url_for("calls.index", **_kept(wanted)) if before else "", wanted=wanted, lost=lost,
        directions=DIRECTIONS, outcomes=outcomes(), known=people(), outcome=outcome, length=length, party=party, score=score,
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
    found: list[Row] = engine().ask("calls.history", ANSWER_S, limit=limit, before=before, **_asked(wanted))["calls"]
    return found


def _asked(wanted: Mapping[str, str]) -> dict[str, Any]:
    """The parameters of calls.history; days are those of the site."""
    asked: dict[str, Any] = {name: wanted[name] for name in ("search", "direction", "outcome")}
    if wanted["sound"]:
        asked["bad_sound"] = True
    zone = ZoneInfo(place().time_zone())
    for name, day, param in (("since", 0, "since_unix_s"), ("until", 1, "until_unix_s")):
        if wanted[name]:
            asked[param] = max(0.0, datetime.combine(date.fromisoformat(wanted[name]) + timedelta(days=day), time(), zone).timestamp())
    return asked


def _wanted(given: Mapping[str, str]) -> dict[str, str]:
    direction, end = given.get("direction", ""), given.get("outcome", "")
    return {
        "search": given.get("q", "").strip()[:100] if given is not request.args else search(),
        "direction": direction if direction in DIRECTIONS else "",
        "outcome": end if any(end == name for name, _ in outcomes()) else "",
        "sound": "bad" if given.get("sound") == "bad" else "",
        "since": _day(given.get("since", "")),
        "until": _day(given.get("until", "")),
    }


def _day(text: str) -> str:
    """A day as the field sends it, else ""."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return ""
    return day.isoformat() if 2000 <= day.year <= 2999 else ""


def _kept(wanted: Mapping[str, str]) -> dict[str, Any]:
    """The parameters of the page's address."""
    return {"q": wanted["search"] or None, **{name: wanted[name] or None for name in ("direction", "outcome", "sound", "since", "until")}}
