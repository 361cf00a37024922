"""Step 4: the way out, and a test call over it."""

from __future__ import annotations

from flask import redirect, render_template, request, url_for
from markupsafe import Markup
from werkzeug.wrappers import Response

from appliance.errors import ControlError
from webui.areas.lines.order import used
from webui.areas.welcome import AREA
from webui.areas.welcome.forms import LinePart, MainNumberPart
from webui.areas.welcome.shell import onward, page, put_in_force
from webui.engine import State, engine
from webui.i18n import gettext
from webui.i18n import lazy_gettext as _l
from webui.live import live
from webui.place import place

LONGEST = 40
STATES = {
    "signing-in": _l("Signing in at the provider…"), "dialling": _l("Calling…"), "ringing": _l("It rings there…"),
    "answered": _l("Answered: a sentence is said there"), "ended": _l("The line works"), "failed": _l("It did not work"),
}  # fmt: skip


@AREA.route("/lines", methods=["GET", "POST"], endpoint="lines")
def step() -> Response | str:
    line, main = _forms()
    if request.method == "POST":
        if not main.save():
            # A line without the number that calls back is not saved: it would hold up everything else. Its mistakes are told all the same.
            line.tell("main_number")
        elif line.save():
            return redirect(url_for("welcome.lines", _anchor="test"), 303) if request.form.get("act") == "stay" else onward("lines")
    return _page(line, main)


@AREA.post("/lines/test")
def line_test() -> Response | tuple[str, int]:
    """Apply what there is so far, then call the number that was typed over the line."""
    to = request.form.get("to", "").strip()[:LONGEST]
    key = _key()
    if not to or key is None:
        return _again(to, gettext("Write the number that shall ring: your mobile, for example.") if key else gettext("Save the line first."))
    refused = put_in_force(gettext("First hour: outside line"))
    if refused:
        return _again(to, "", refused)
    try:
        engine().call("trunks.test", trunk=key, to=to)
    except ControlError as error:
        return _again(to, f"{error.sentence}. {error.hint[:1].upper()}{error.hint[1:]}")
    return redirect(url_for("welcome.lines", to=to, _anchor="test"), 303)


def _key() -> str | None:
    """The line this step is about: the first that outside calls try."""
    return next(iter(used() or place().kind("trunks")), None)


def _forms() -> tuple[LinePart, MainNumberPart]:
    key = _key()
    return LinePart.at(f"trunks.{key}") if key else LinePart.new(), MainNumberPart.at("site")


def _page(line: LinePart, main: MainNumberPart, to: str = "", error: str = "", refused: list[str] | None = None) -> str:
    key = _key()
    waits = place().pending()
    return page(
        "lines", line=line, main=main, key=key, to=to or request.args.get("to", "")[:LONGEST], error=error, refused=refused or [],
        waits=len(waits), fresh=key is not None and waits.touches(f"trunks.{key}"), others=max(0, len(place().kind("trunks")) - 1),
    )  # fmt: skip


def _again(to: str, error: str, refused: list[str] | None = None) -> tuple[str, int]:
    return _page(*_forms(), to, error, refused), 422


@live("welcome.call")
def call(state: State) -> Markup:
    """The test call as it goes, and how it ended."""
    return Markup(render_template("welcome/call.html", test=state.status.get("line_test"), states=STATES, trunks=place().kind("trunks")))  # noqa: S704  (a template's output)
