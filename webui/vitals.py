"""What stands on top of every page: alarms, and the vital signs 911, internet, lines and phones, as the engine said last."""

from __future__ import annotations

from flask import Flask, render_template
from markupsafe import Markup

from webui.apply import ago
from webui.engine import State, engine
from webui.guard import EVERYBODY, STAFF
from webui.i18n import gettext
from webui.live import live, st
from webui.place import place

OLD_S = 30.0
"""From here on a value says how old it is."""


def set_up(app: Flask) -> None:
    app.jinja_env.globals["engine_state"] = lambda: engine().state
    app.jinja_env.filters["ago"] = ago


def emergency_number() -> str:
    """What people here dial: a value, not a word."""
    site = place().site()
    return "911" if site is None or site.country in {"US", "CA"} else "112"


def _sign(kind: str, title: str, word: str) -> Markup:
    return Markup("{}{} <b>{}</b>").format(st(kind, ""), title, word)


@live("vitals.emergency")
def emergency(state: State) -> Markup:
    number, known = emergency_number(), state.status.get("emergency")
    if not known:
        return _sign("off", number, gettext("unknown"))
    if any(not notice["test"] for notice in known["active"]):
        return _sign("bad", number, gettext("call now"))
    return _sign("ok", number, gettext("ready")) if known["armed"] else _sign("warn", number, gettext("not ready"))


@live("vitals.lines")
def lines(state: State) -> Markup:
    trunks = [trunk for trunk in state.status.get("trunks", ()) if trunk["state"] != "disabled"]
    up = sum(trunk["state"] == "up" for trunk in trunks)
    title = gettext("Lines")
    if not state.status:
        return _sign("off", title, gettext("unknown"))
    if not trunks:
        return _sign("off", title, gettext("none"))
    words = gettext("%(up)d of %(all)d", up=up, all=len(trunks))
    return _sign("ok" if up == len(trunks) else "warn" if up else "bad", title, words)


@live("vitals.internet")
def internet(state: State) -> Markup:
    title = gettext("Internet")
    match state.status.get("wan", {}).get("state", ""):
        case "up":
            return _sign("ok", title, gettext("up"))
        case "poor":
            return _sign("warn", title, gettext("poor"))
        case "down":
            return _sign("bad", title, gettext("down"))
        case _:
            return _sign("off", title, gettext("unknown"))


@live("vitals.phones")
def phones(state: State) -> Markup:
    title = gettext("Phones")
    if not state.status:
        return _sign("off", title, gettext("unknown"))
    here, known = state.status["devices_registered"], state.status["devices"]
    kind = "off" if not known else "ok" if here == known else "warn" if here else "bad"
    return _sign(kind, title, gettext("%(up)d of %(all)d", up=here, all=known))


@live("alarms", EVERYBODY)
def alarms(state: State) -> Markup:
    """Bars over the page: 911 first, then what keeps the box from working."""
    active = [notice for notice in (state.status.get("emergency") or {}).get("active", ()) if not notice["acknowledged_by"]]
    return Markup(render_template("alarms.html", state=state, active=active, old=OLD_S, staff=STAFF))  # noqa: S704  (a template's output)
