"""One call: who, when, how it ended, its way through the flows, and every message of it that the box still knows."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from flask import abort, render_template, request

from appliance.errors import ControlError
from webui.areas.calls import AREA
from webui.areas.calls.ladder import ladder
from webui.areas.calls.words import DIRECTIONS, length, outcome, party, people
from webui.engine import engine
from webui.i18n import gettext
from webui.later import ask, late, later

MESSAGES = 80
"""On one page."""


@AREA.get("/log/<session>")
def call(session: str) -> str:
    state = engine().state
    up: Mapping[str, Any] | None = next((each for each in state.calls.get("calls", ()) if each["id"] == session), None)
    record, messages, left_out, lost = None, [], 0, None
    try:
        found = ask("calls.history", limit=1, call=session[:200])["calls"]
        record = found[0] if found else None
        if record is None and up is None:
            abort(404, description=gettext("There is no call %(id)s in the log. The oldest calls go when there are 200,000.", id=session[:80]))
        traced = ask("trace", selector=session[:200], limit=400)
        messages, left_out = traced["messages"], traced["left_out"]
    except ControlError as error:
        if late(error):
            return later(gettext("Call"), "calls", "areas.css")
        if error.code != "not-found":
            lost = error
    whole = ladder(messages)
    first = _number("first", max(0, len(messages) - 1)) // MESSAGES * MESSAGES
    shown = _number("m", max(0, len(messages) - 1), first)
    return render_template(
        "calls/call.html", record=record, up=up, lost=lost, whole=whole, rungs=whole.rungs[first : first + MESSAGES], first=first, shown=shown,
        left_out=left_out, message=messages[shown] if messages else None, step=MESSAGES, directions=DIRECTIONS, known=people(), outcome=outcome, length=length,
        party=party, name=_name,
    )  # fmt: skip


def _number(name: str, most: int, otherwise: int = 0) -> int:
    sent = request.args.get(name, "")
    return min(most, int(sent)) if re.fullmatch(r"[0-9]{1,6}", sent) and sent.isascii() else otherwise


def _name(address: str) -> str:
    """`udp:192.168.20.57:5060` without its transport where that is UDP, as everywhere."""
    return address.removeprefix("udp:")
