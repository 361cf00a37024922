"""What Home says and draws of the engine's last word: the sentence, the ways out, the numbers, and what works when not all does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flask import url_for

from appliance.errors import HoldfastError
from webui.engine import State
from webui.guard import may_see
from webui.i18n import gettext, ngettext
from webui.modem import modem_state
from webui.place import place
from webui.vitals import emergency_number

MOST_WAYS = 8
"""Ways out that are drawn; the page of lines has them all."""


@dataclass(frozen=True, slots=True)
class Way:
    """A line in the order in which calls try it. `kind`, `word`: its state in shape and word; `look`: "live" carries calls, "cut" does not work."""

    href: str
    name: str
    via: str
    kind: str
    word: str
    look: str


@dataclass(frozen=True, slots=True)
class Number:
    """A number with what it counts, and the list that makes it."""

    value: str
    of: str
    label: str
    href: str


@dataclass(frozen=True, slots=True)
class Service:
    """What people can do now. `kind`, `word`: its state; `notice`: what they notice."""

    name: str
    kind: str
    word: str
    notice: str


def headline(state: State) -> tuple[str, str]:
    """(shape, sentence): how the box is, the worst first."""
    status, number = state.status, emergency_number()
    if not status:
        return "bad", gettext("The phone engine does not answer.")
    if not state.up:
        return "bad", gettext("The phone engine is away; it is started again by itself.")
    if any(not notice["test"] for notice in status["emergency"]["active"]):
        return "bad", gettext("Somebody is calling %(number)s now.", number=number)
    if status["mode"] == "rescue":
        return "bad", gettext("Emergency and local calls only.")
    lines = _used(status["trunks"])
    down = [trunk for trunk in lines if trunk["state"] == "down"]
    if lines and len(down) == len(lines):
        if _modem_calls(state):
            return "bad", gettext("Every line is down. Calls inside work, and %(number)s goes over the modem.", number=number)
        return "bad", gettext("Calls inside work. Calls outside do not.")
    if not status["emergency"]["armed"]:
        return "warn", gettext("Calls inside work. %(number)s is not ready.", number=number)
    if down:
        return "warn", ngettext("Calls and %(number)s work. One line is down.", "Calls and %(number)s work. %(num)d lines are down.", len(down), number=number)
    if status["health"]["level"] == "bad":
        return "warn", gettext("Calls and %(number)s work. The machine needs somebody.", number=number)
    return "ok", gettext("Calls and %(number)s work.", number=number)


def clock(state: State) -> str:
    """Whether the times on these pages can be trusted."""
    match state.health.get("clock"):
        case "set" | "was-set":
            return gettext("The clock is set by a time server.")
        case "never" | "unknown":
            return gettext("The clock is a guess: no time server has set it.")
        case _:
            return ""


def ways_out(state: State) -> list[Way]:
    """Every line: those that outside calls try in their order, then those that an emergency call tries, too."""
    trunks = {trunk["id"]: trunk for trunk in state.status.get("trunks", ())}
    try:
        site = place().site()
    except HoldfastError:
        site = None
    chosen = [key for key in (site.outbound.trunks if site is not None else ()) if key in trunks] or [t["id"] for t in _used(list(trunks.values()))]
    modem = state.status.get("cellular", {})
    ways = [_way(trunks[key]) for key in (*chosen, *(key for key in trunks if key not in chosen))]
    return [*ways, _modem(modem)] if modem.get("state", "none") != "none" else ways


def _modem(modem: Mapping[str, Any]) -> Way:
    kind, word = modem_state(modem)
    via = f"{modem['operator']} {modem['network']}".strip() or gettext("mobile network")
    return Way(url_for("lines.modem"), gettext("Mobile modem"), via, kind, word, "cut" if kind == "bad" else "")


def _way(trunk: Mapping[str, Any]) -> Way:
    kind, word, look = "off", gettext("Unknown"), ""
    match trunk["state"]:
        case "up" if trunk["calls"]:
            kind, word, look = "ok", ngettext("In use, %(num)d call", "In use, %(num)d calls", trunk["calls"]), "live"
        case "up":
            kind, word = "ok", gettext("Ready")
        case "down":
            kind, word, look = "bad", gettext("Down"), "cut"
        case "registering":
            kind, word = "wait", gettext("Signing in")
        case "disabled":
            word = gettext("Switched off")
    via = trunk["reason"] if trunk["state"] == "down" and trunk["reason"] else trunk["host"]
    return Way(url_for("lines.trunk", key=trunk["id"]), trunk["name"], via, kind, word, look)


def numbers(state: State) -> list[Number]:
    status = state.status
    lines = _used(status["trunks"])
    boxes = state.messages.get("mailboxes", ())
    found = [
        (str(status["calls"]), "", gettext("calls now"), "calls.now"),
        (str(status["devices_registered"]), str(status["devices"]), gettext("phones registered"), "phones.index"),
        (str(sum(trunk["state"] == "up" for trunk in lines)), str(len(lines)), gettext("lines up"), "lines.index"),
        (str(sum(box["new"] for box in boxes)), "", gettext("new voicemails"), "flows.mailboxes"),
        (_health(status["health"]), "", gettext("the machine"), "diag.health"),
        (str(status["revision"]), "", gettext("revision in force"), "settings.index"),
    ]
    return [Number(value, of, label, url_for(where)) for value, of, label, where in found if may_see(where)]


def works(state: State) -> list[Service]:
    """Empty while every line works: then there is nothing to explain."""
    lines = _used(state.status.get("trunks", ()))
    down = [trunk for trunk in lines if trunk["state"] == "down"]
    if not state.up or not down:
        return []
    up = [trunk["name"] for trunk in lines if trunk["state"] != "down"]
    modem = _modem_calls(state)
    left = ", ".join([*up, gettext("the mobile modem")] if modem and _for_outside() else up)
    number, armed = emergency_number(), state.status["emergency"]["armed"]
    rescue = state.status["mode"] == "rescue"
    return [
        Service(gettext("Calls inside"), "ok", gettext("Work"), gettext("Nothing.")),
        Service(
            gettext("Outside calls"), *(("bad", gettext("Cut off")) if not left or rescue else ("warn", _lines(len(up)) if up else gettext("One at a time"))),
            gettext("They leave over %(lines)s.", lines=left) if left and not rescue else gettext("Callers inside hear that there is no line."),
        ),
        Service(
            gettext("Calls from outside"), *(("bad", gettext("Cut off")) if not up else ("warn", gettext("In part"))),
            gettext("Nothing comes in over %(lines)s.", lines=", ".join(trunk["name"] for trunk in down)),
        ),
        Service(
            gettext("Calls to %(number)s", number=number),
            *(
                ("warn", gettext("Try every line")) if up and armed
                else ("warn", gettext("Go over the modem")) if modem
                else ("bad", gettext("In danger"))
            ),
            gettext("The modem does not tell where the caller is: whoever calls has to say it.") if modem and not up
            else gettext("Each line is tried in turn, also those that seem down. Have a mobile phone at hand."),
        ),
    ]  # fmt: skip


def _modem_calls(state: State) -> bool:
    return bool(state.status.get("cellular", {}).get("calls"))


def _for_outside() -> bool:
    """Whether ordinary calls may take the modem, by what is in force."""
    try:
        site = place().site()
    except HoldfastError:
        return False
    return site is not None and site.modem.enabled and site.modem.use == "emergency-and-outside"


def address(state: State) -> str:
    """Where phones on the network find the box, "" where it listens to itself alone."""
    hosts = [each.partition(":")[2].rpartition(":")[0] for each in state.status.get("addresses", ())]
    return next((host for host in hosts if not host.startswith("127.") and host != "[::1]"), "")


def _lines(count: int) -> str:
    return ngettext("One line", "%(num)d lines", count)


def _used(trunks: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [trunk for trunk in trunks if trunk["state"] != "disabled"]


def _health(health: Mapping[str, Any]) -> str:
    if not health["at_unix_s"]:
        return gettext("unknown")
    match health["level"]:
        case "ok":
            return gettext("well")
        case "look":
            return gettext("look")
        case _:
            return gettext("broken")
