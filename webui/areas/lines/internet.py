"""Internet: whether it is there, how the box knows, what became of it today, and the times by which it is judged."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from flask import redirect, render_template, url_for
from markupsafe import Markup
from werkzeug.wrappers import Response

from webui.areas.lines import AREA
from webui.engine import State
from webui.forms import Form, Lines, Number
from webui.i18n import gettext, lazy_gettext
from webui.live import live, st
from webui.place import place

_l = lazy_gettext
AREA.tab("internet", _l("Internet"), 40)
DAY_S = 86400.0
SHAPES = {"up": "ok", "poor": "warn", "down": "bad", "unknown": "off"}
LANES = {"poor": "p", "down": "d", "unknown": "x"}
EVIDENCE = {"ok": "ok", "bad": "bad", "unknown": "off"}
STANDINGS = {"works": "ok", "unknown": "off", "failing": "bad", "cut": "bad"}


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of today's lane in one state; both numbers in percent of the day."""

    kind: str
    at: float
    wide: float


class WanForm(Form):
    """The times, and who else is asked."""

    fields = (
        Number(name="link_milliseconds", label=_l("Down when a cable is out for"), unit=_l("milliseconds"), initial=500,
               help=_l("Emergency calls try every way out, whatever is thought of it.")),
        Number(name="silence_seconds", label=_l("Down when nobody outside answers for"), unit=_l("seconds"), initial=4),
        Number(name="trust_seconds", label=_l("Trusted again after"), unit=_l("seconds"), initial=30,
               help=_l("It has to be well for so long without a break.")),
        Lines(name="probes", label=_l("Ask these as well"), optional=True, rows=3,
              help=_l("One a line, with a TCP port: 192.0.2.7:443. Without any, only your carriers, gateway and name servers are asked.")),
    )  # fmt: skip


@AREA.route("/internet", methods=["GET", "POST"])
def internet() -> Response | str:
    form = WanForm.at("wan")
    if form.save():
        return redirect(url_for("lines.internet"), 303)
    return render_template("lines/internet.html", form=form, changed=place().pending().touches("wan"))


@live("lines.internet")
def now(state: State) -> Markup:
    """The upper part of the page."""
    found, at = state.wan, time.time()
    zone = ZoneInfo(place().time_zone())
    begin = datetime.now(zone).replace(hour=0, minute=0, second=0, microsecond=0).timestamp()
    changes = [change for change in found.get("changes", ()) if change["at_unix_s"] >= begin]
    return Markup(  # noqa: S704  (a template's output)
        render_template(
            "lines/internet-now.html", found=found, changes=changes, shapes=SHAPES, evidence=EVIDENCE, words=_words(),
            pieces=_pieces(found.get("changes", ()), begin, at), ways=_ways(found.get("ways", {})), standings=STANDINGS, kinds=_kinds(), nth=_nth,
            without=_without, uplinks=_uplinks(),
        )
    )  # fmt: skip


@live("lines.internet-state")
def headline(state: State) -> Markup:
    known = state.wan.get("state", "unknown")
    return st(SHAPES.get(known, "off"), _sentences().get(known, known), "soft" if known in {"poor", "down"} else "")


def _words() -> dict[str, str]:
    return {"up": gettext("up"), "poor": gettext("poor"), "down": gettext("down"), "unknown": gettext("unknown")}


def _sentences() -> dict[str, str]:
    return {
        "up": gettext("The internet is up"), "poor": gettext("The internet is poor"), "down": gettext("The internet is down. Calls inside work."),
        "unknown": gettext("Whether the internet is there is not known yet"),
    }  # fmt: skip


def _ways(ways: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Each way once, as an emergency call takes them, with its place in both orders (0: it is left out)."""
    outside = {way["id"]: place for place, way in enumerate(ways.get("outside", ()), 1)}
    return [{**way, "emergency": place, "outside": outside.get(way["id"], 0)} for place, way in enumerate(ways.get("emergency", ()), 1)]


def _uplinks() -> dict[str, tuple[str, str]]:
    return {
        "outside": ("ok", gettext("leads to the internet")), "gateway": ("warn", gettext("leads to its gateway alone")),
        "silent": ("bad", gettext("is silent")), "cut": ("bad", gettext("has no link")), "unknown": ("off", gettext("not known yet")),
    }  # fmt: skip


def _kinds() -> dict[str, str]:
    return {"trunk": gettext("line"), "gateway": gettext("gateway in the house"), "modem": gettext("mobile network")}


def _nth(place: int) -> str:
    return gettext("no") if not place else gettext("first") if place == 1 else gettext("as number %(place)d", place=place)


def _without(ways: Sequence[Mapping[str, Any]], number: str) -> str:
    """What is left of the ways out on a day without internet. `number` "": for ordinary calls."""
    names = ", ".join(way["name"] for way in ways)
    if number and not names:
        return gettext("With the internet down nothing is left for %(number)s: a gateway in the house or a modem would be.", number=number)
    if number:
        return gettext("With the internet down, %(number)s goes over: %(names)s. After that everything else is tried all the same.", number=number, names=names)
    return (
        gettext("With the internet down, outside calls go over: %(names)s.", names=names)
        if names
        else gettext("With the internet down, no outside call is left.")
    )


def _pieces(changes: Sequence[Any], begin: float, now_s: float) -> list[Piece]:
    """Today from midnight to midnight; before the engine's start and after now nothing is known."""
    marks = [(begin, "unknown"), *((c["at_unix_s"], c["state"]) for c in reversed(changes))]
    # The hours to come first: what is drawn later lies over it, and an outage of a second must be seen.
    found = [Piece("x", (now_s - begin) / DAY_S * 100, max(0.0, 100 - (now_s - begin) / DAY_S * 100))]
    for (at, kind), (end, _) in zip(marks, [*marks[1:], (now_s, "")], strict=True):
        since, until = max(at, begin), min(end, now_s)
        if kind in LANES and until > since:
            found.append(Piece(LANES[kind], (since - begin) / DAY_S * 100, max(0.3, (until - since) / DAY_S * 100)))
    return found
