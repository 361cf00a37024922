"""One call: who, when, how it ended, its way through the flows, and every message of it that the box still knows."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from flask import Response, abort, render_template, request

from appliance.errors import ControlError
from webui.areas.calls import AREA
from webui.areas.calls.ladder import ladder, talk_after
from webui.areas.calls.sound import pictures, score, stretch, told, ways
from webui.areas.calls.words import DIRECTIONS, length, outcome, party, people
from webui.engine import engine
from webui.i18n import gettext
from webui.later import ask, late, later
from webui.place import place

ANSWER_S = 5.0
MESSAGES = 80
"""On one page."""


@AREA.get("/log/<session>")
def call(session: str) -> str:
    state = engine().state
    up: Mapping[str, Any] | None = next((each for each in state.calls.get("calls", ()) if each["id"] == session), None)
    record, messages, left_out, lost = None, [], 0, None
    heard: Mapping[str, Any] = {"sound": None, "step_s": 0.0, "course": ()}
    try:
        found = ask("calls.history", limit=1, call=session[:200])["calls"]
        record = found[0] if found else None
        if record is None and up is None:
            abort(404, description=gettext("There is no call %(id)s in the log. The oldest calls go when there are 200,000.", id=session[:80]))
        heard = ask("calls.sound", call=session[:200])
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
        party=party, name=_name, sound=heard["sound"], ways=ways, told=told, score=score, stretch=stretch, talk_after=talk_after(messages),
        pictures=pictures(heard["sound"], heard["step_s"], heard["course"]), session=session,
        flow=_flow(record),
    )  # fmt: skip


@AREA.get("/log/<session>/messages")
def messages(session: str) -> Response:
    """Every message of the call that the box still knows, passwords masked, as a text file."""
    found = engine().ask("trace", ANSWER_S, selector=session[:200], limit=2000)["messages"]
    zone = ZoneInfo(place().time_zone())
    pieces = [f"{datetime.fromtimestamp(each['at_s'], zone).isoformat(timespec='milliseconds')} {each['remote']} {'<-' if each['sent'] else '->'} "
              f"{each['local']}\r\n{each['text'].rstrip()}\r\n\r\n" for each in found]  # fmt: skip
    answer = Response("".join(pieces), content_type="text/plain; charset=utf-8")
    answer.headers["Content-Disposition"] = 'attachment; filename="messages.txt"'
    return answer


def _flow(record: Mapping[str, Any] | None) -> str:
    """The last flow the call came to that is still there, "" for none."""
    path = record["path"] if record is not None else ()
    named = [match[1] for line in path if (match := re.search(r"(?:^|: )flow ([a-z0-9-]+)(?: as \S+)?$", line))]
    return next((flow for flow in reversed(named) if flow in place().kind("flows")), "")


def _number(name: str, most: int, otherwise: int = 0) -> int:
    sent = request.args.get(name, "")
    return min(most, int(sent)) if re.fullmatch(r"[0-9]{1,6}", sent) and sent.isascii() else otherwise


def _name(address: str) -> str:
    """`udp:192.168.20.57:5060` without its transport where that is UDP, as everywhere."""
    return address.removeprefix("udp:")
