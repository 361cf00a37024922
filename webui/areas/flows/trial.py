"""What happens if: a call tried on the candidate, and a call that was, both as a way through the picture."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask import request

from appliance.errors import ControlError, HoldfastError
from webui.areas.flows.fields import word
from webui.areas.flows.known import fault, kinds, simulated
from webui.engine import engine
from webui.forms.fields import named
from webui.i18n import gettext
from webui.i18n import lazy_gettext as _l
from webui.place import place

ASKED = ("number", "user", "caller", "at", "keys", "others", "internet")
DOINGS = (("answers", _l("answer")), ("no-answer", _l("do not answer")), ("busy", _l("are busy")), ("unreachable", _l("cannot be reached")))
RECENT = 300
_LINE = re.compile(r"(?P<step>[a-z0-9][a-z0-9-]{0,62})(?:: (?:flow (?P<flow>[a-z0-9][a-z0-9-]*)(?: as \S+)?|(?P<exit>\S+) -> (?P<to>\S+)))?")


@dataclass(frozen=True, slots=True)
class Taken:
    """A step on the way: `number` from 1, of which flow, by which exit; `told`: what was heard and who rang. `known`: it stands in the picture."""

    number: int
    flow: str
    step: str
    title: str
    exit: str
    told: tuple[str, ...]
    known: bool


@dataclass(frozen=True, slots=True)
class Trial:
    """`kind`, `sentence`: how it ended. `call`: it is a real call's way."""

    kind: str
    sentence: str
    way: tuple[Taken, ...]
    call: str = ""

    def marks(self, key: str) -> list[list[str]]:
        """For the picture: number, step and exit of those in this flow."""
        return [[str(taken.number), taken.step, taken.exit] for taken in self.way if taken.flow == key and taken.known]


_KINDS = {"answered": "ok", "voicemail": "ok", "ended": "info", "refused": "warn", "emergency": "test"}


def asked() -> dict[str, str]:
    """What was filled in, kept while one looks at the steps."""
    if request.args.get("call"):
        return {"call": request.args["call"][:200]}
    if "try" not in request.args:
        return {}
    return {"try": "1", **{name: request.args.get(name, "")[:100] for name in ASKED if request.args.get(name)}}


def trial(key: str) -> Trial | None:
    """What is asked for, answered; None: nothing."""
    if session := request.args.get("call", "")[:200]:
        return replayed(session)
    if "try" not in request.args:
        return None
    number = request.args.get("number", "").strip()[:40]
    situation = {
        "number": number,
        "flow": key,
        "user": request.args.get("user") or None,
        "caller": re.sub(r"[\s().\-/]", "", request.args.get("caller", ""))[:40],
        "at": request.args.get("at", "").strip()[:40] or None,
        "keys": re.sub(r"[\s,]", "", request.args.get("keys", ""))[:200],
        "others": request.args.get("others") or "answers",
        "internet": request.args.get("internet") != "cut",
    }
    try:
        found = simulated(situation)
        way = tuple(_visit(n, visit) for n, visit in enumerate(found["visits"], 1))
    except HoldfastError as error:
        return Trial("bad", fault(error), ())
    return Trial(_KINDS.get(found["how"], "info"), found["end"], way)


def _visit(number: int, visit: Mapping[str, Any]) -> Taken:
    said = [gettext("hears “%(words)s”", words=words) for words in visit["said"]]
    rang = [gettext("rings %(who)s", who=who) for who in visit["rang"]]
    title = word(kinds().get(visit["kind"], {}).get("title", visit["kind"]))
    return Taken(number, visit["flow"], visit["step"], title, visit["exit"], (*said, *rang), _there(visit["flow"], visit["step"]))


def replayed(session: str) -> Trial:
    """The way that a call took, by its record, through the flows as they are now."""
    try:
        calls = engine().ask("calls.history", limit=1, call=session)["calls"]
    except ControlError as error:
        return Trial("bad", _silent(error), (), session)
    if not calls:
        return Trial("bad", gettext("This call is not in the log any more."), (), session)
    way = path_of(calls[0]["path"])
    gone = sum(not taken.known for taken in way)
    caller, called = calls[0]["from_name"] or calls[0]["from_number"], calls[0]["dialled"] or calls[0]["to_number"]
    sentence = gettext("%(caller)s called %(called)s: %(steps)d steps.", caller=caller, called=called, steps=len(way))
    if gone:
        sentence += " " + gettext("Steps that were changed or deleted since are not in the picture.")
    return Trial("info", sentence, way, session)


def path_of(lines: list[str]) -> tuple[Taken, ...]:
    """The steps among the notes of a call record, and the one it was in when the caller hung up."""
    flow, to, way = "", "", list[Taken]()
    for line in lines:
        if line.startswith("flow ") and " " not in line[5:]:
            flow = line[5:]
            continue
        match = _LINE.fullmatch(line)
        if match is None or not flow or (match["flow"] is None and match["exit"] is None and not _there(flow, match["step"])):
            continue
        way.append(_taken(len(way) + 1, flow, match["step"], match["exit"] or ""))
        flow, to = match["flow"] or flow, match["to"] or ""
    if to and _there(flow, to):
        way.append(_taken(len(way) + 1, flow, to, ""))
    return tuple(way)


def _taken(number: int, flow: str, step: str, exit: str) -> Taken:
    there = _there(flow, step)
    title = word(kinds().get(str(_steps(flow)[step].get("type")), {}).get("title", step)) if there else step
    return Taken(number, flow, step, title, exit, (), there)


def recent(key: str) -> tuple[list[Mapping[str, Any]], str]:
    """The last calls that came through a flow, newest first, and why they are not known."""
    try:
        calls = engine().ask("calls.history", limit=RECENT)["calls"]
    except ControlError as error:
        return [], _silent(error)
    return [call for call in calls if any(line == f"flow {key}" or re.search(rf": flow {re.escape(key)}( as |$)", line) for line in call["path"])][:50], ""


def _silent(error: ControlError) -> str:
    return gettext("The phone engine does not run now, so its log cannot be read.") if error.code == "not-running" else fault(error)


def people() -> list[tuple[str, Any]]:
    """As whom a call can be tried."""
    return [("", gettext("Somebody outside")), *named("users")]


def _steps(flow: str) -> Mapping[str, Any]:
    held = place().kind("flows").get(flow, {}).get("steps")
    return held if isinstance(held, Mapping) else {}


def _there(flow: str, step: str) -> bool:
    return isinstance(_steps(flow).get(step), Mapping)
