"""The frame of the first hour: its steps, where to go on, and what every step does the same way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask import abort, redirect, render_template, url_for
from werkzeug.wrappers import Response

from appliance.errors import ControlError, DocumentError, HoldfastError
from webui.areas.welcome import AREA
from webui.engine import engine
from webui.first_hour import DONE, LATER, STEPS, mark, needs, progress
from webui.guard import current
from webui.i18n import gettext
from webui.i18n import lazy_gettext as _l
from webui.place import place
from webui.problems import problem_text, where

LABELS = {
    "place": _l("Place and address"), "network": _l("Network"), "lines": _l("Outside lines"), "people": _l("People and phones"),
    "emergency": _l("Emergency"), "tests": _l("Test calls"),
}  # fmt: skip
NEXT = {
    "place": _l("Next: network"), "network": _l("Next: outside lines"), "lines": _l("Next: people and phones"), "people": _l("Next: emergency"),
    "emergency": _l("Next: test calls"),
}  # fmt: skip
MINUTES = {"place": 3, "network": 1, "lines": 4, "people": 8, "emergency": 4, "tests": 5}
"""What a step takes an installer who sees it for the first time."""
ACTIVATE_S = 20.0


@dataclass(frozen=True, slots=True)
class Step:
    id: str
    label: Any
    how: str
    """DONE, LATER or "" : nobody has seen to it."""


@dataclass(frozen=True, slots=True)
class Needs:
    """The steps that still need somebody; `over`: the first hour was finished without them."""

    over: bool
    open: list[Step]


def page(step: str, **shown: Any) -> str:
    """The page of a step, in its frame."""
    held, at = progress(), STEPS.index(step)
    rest = sum(MINUTES[each] for each in STEPS[at:] if held.steps.get(each) != DONE)
    return render_template(
        f"welcome/{step}.html", step=step, nth=at + 2, of=len(STEPS) + 1, steps=[Step(each, LABELS[each], held.steps.get(each, "")) for each in STEPS],
        before=STEPS[at - 1] if at else "", forward=NEXT.get(step, ""), minutes_left=rest, **shown,
    )  # fmt: skip


def onward(step: str, how: str = DONE) -> Response:
    """`step` is seen to, or left for later: to the one behind it."""
    mark(step, how)
    at = STEPS.index(step)
    return redirect(url_for(f"welcome.{STEPS[at + 1]}") if at + 1 < len(STEPS) else url_for("home.index"), 303)


@AREA.app_context_processor
def _reminder() -> dict[str, Any]:
    """For Home: `first_hour_needs()`, None when nothing is open."""
    return {"first_hour_needs": _needs}


def _needs() -> Needs | None:
    steps, held = needs(), progress()
    return Needs(held.over, [Step(each, LABELS[each], held.steps.get(each, "")) for each in steps]) if steps else None


@AREA.get("/")
def index() -> Response:
    """Where to go on."""
    return redirect(url_for(f"welcome.{progress().next()}"), 303)


@AREA.post("/<step>/later")
def later(step: str) -> Response:
    """Skip for now: Home reminds of it."""
    if step not in STEPS:
        abort(404)
    return onward(step, LATER)


@AREA.post("/<step>/done")
def done(step: str) -> Response:
    if step not in STEPS:
        abort(404)
    return onward(step)


def put_in_force(comment: str) -> list[str]:
    """Apply what is pending, for good: whoever stands at the box sees at once how it goes. What keeps it from that, in sentences; none: it is in force.

    Nothing pending is nothing to do.
    """
    if not len(place().pending()):
        return []
    try:
        place().editor(current().author).commit(comment, 0)
    except DocumentError as error:
        return [f"{where(problem)}: {problem_text(problem)}" for problem in error.problems]
    except HoldfastError as error:
        return [] if error.code == "nothing-to-commit" else [f"{error.sentence}. {error.hint}"]
    try:
        engine().call("site.activate", timeout_s=ACTIVATE_S)
    except ControlError as error:
        return [gettext("It is saved, but the phone engine has not taken it: %(why)s", why=f"{error.sentence}. {error.hint}")]
    return []
