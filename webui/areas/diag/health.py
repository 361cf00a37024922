"""Health and clock: what the engine measured of the machine last, and the last hour in small pictures; what is wrong around it: lines and phones. All live."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flask import render_template
from markupsafe import Markup

from webui.areas import Badge
from webui.areas.diag import AREA
from webui.areas.diag.checks import cure_of, name_of
from webui.areas.home.needs import around
from webui.engine import State, engine
from webui.i18n import gettext, lazy_gettext
from webui.live import live, st
from webui.place import place

_l = lazy_gettext
AREA.tab("health", _l("Health and clock"), 60)
HOUR_S = 3600.0
ENOUGH = 4
"""Fewer points make no picture."""
WIDTH, HEIGHT = 240, 56
SHAPES = {"ok": "ok", "look": "warn", "bad": "bad"}


@dataclass(frozen=True, slots=True)
class Line:
    """One value over the last hour. `points`: of an SVG polyline; `told`: the picture in words."""

    title: str
    now: str
    points: str
    told: str


@AREA.get("/health")
def health() -> str:
    return render_template("diag/health.html")


@live("diag.health")
def whole(state: State) -> Markup:
    """The page's middle."""
    found = state.health
    return Markup(  # noqa: S704  (a template's output)
        render_template(
            "diag/health-now.html", found=found, checks=[(check, name_of(check["name"]), cure_of(check["name"])) for check in found.get("checks", ())],
            lines=_lines(found.get("history", ())), shapes=SHAPES, zone=place().time_zone(), now_s=time.time() // 60 * 60,
            around=around(state), known=bool(state.status),
        )
    )  # fmt: skip


@live("diag.level")
def level(state: State) -> Markup:
    match state.status.get("health", {}).get("level", "") if state.status.get("health", {}).get("at_unix_s") else "":
        case "ok":
            return st("ok", gettext("The machine is well"))
        case "look":
            return st("warn", gettext("Somebody should look at it"), "soft")
        case "bad":
            return st("bad", gettext("Something is broken"), "soft")
        case _:
            return st("off", gettext("Nothing is known yet"))


@AREA.badged
def broken() -> Badge | None:
    """What is broken of the machine."""
    count = sum(check["level"] == "bad" for check in engine().state.status.get("health", {}).get("problems", ()))
    return Badge(count) if count else None


def _lines(history: Sequence[Mapping[str, Any]]) -> list[Line]:
    """Nothing before there is something to see."""
    if len(history) < ENOUGH:
        return []
    found = [_line(gettext("Processor"), history, "processor", 1.0, _percent), _line(gettext("Memory"), history, "memory", 1.0, _percent)]
    if any(point["temperature_c"] is not None for point in history):
        found.append(_line(gettext("Temperature"), history, "temperature_c", 100.0, lambda value: f"{value:.0f} °C"))
    most = max(point["calls"] for point in history)
    found.append(_line(gettext("Calls"), history, "calls", max(4.0, most), lambda value: f"{value:.0f}"))
    return found


def _line(title: str, history: Sequence[Mapping[str, Any]], name: str, top: float, word: Any) -> Line:
    last = history[-1]["at_unix_s"]
    known = [(point["at_unix_s"], float(point[name])) for point in history if point[name] is not None]
    points = " ".join(
        f"{WIDTH * max(0.0, 1 - (last - at) / HOUR_S):.1f},{HEIGHT - 3 - (HEIGHT - 6) * min(1.0, max(0.0, value / top)):.1f}" for at, value in known
    )
    values = [value for _, value in known]
    told = gettext(
        "%(what)s in the last hour: from %(low)s to %(high)s, now %(now)s", what=title, low=word(min(values)), high=word(max(values)), now=word(values[-1])
    )
    return Line(title, word(values[-1]), points, told)


def _percent(value: float) -> str:
    return f"{value * 100:.0f} %"
