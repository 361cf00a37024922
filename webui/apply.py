"""From changes to what is in force: the bar on every page, Review, Apply with its way back, the trial."""

from __future__ import annotations

import logging
import re
import time

from flask import Blueprint, Flask, g, redirect, render_template, request, url_for
from flask_babel import format_datetime
from markupsafe import Markup, escape
from werkzeug.wrappers import Response

from appliance.errors import Conflict, ControlError, DocumentError, HoldfastError
from appliance.site.diff import Change
from appliance.site.editing import Checked, Committed
from webui.engine import State, engine
from webui.guard import current
from webui.i18n import gettext, ngettext
from webui.live import live
from webui.place import Pending, place
from webui.problems import problem_text, where
from webui.saved import take_back, toast

log = logging.getLogger(__name__)

apply = Blueprint("apply", __name__)
MINUTES = (5, 15, 60, 0)
"""How long an apply may be on trial; 0: not at all. The first is the default."""
ACTIVATE_S = 10.0


def set_up(app: Flask) -> None:
    app.register_blueprint(apply)
    app.jinja_env.globals.update(pending=pending, waiting=waiting)
    app.jinja_env.filters["told"] = told


def pending() -> Pending | None:
    """For the bar; None where it cannot be known (the page about that says so)."""
    try:
        return place().pending()
    except HoldfastError:
        return None


def waiting() -> object:
    try:
        return place().waiting()
    except HoldfastError:
        return None


@live("bar")
def bar(_: State) -> Markup:
    """The bar at the bottom, as everybody sees it who may change things."""
    return Markup(render_template("bar.html", pending=pending(), waiting=waiting(), ago=ago))  # noqa: S704  (a template's output)


def told(change: Change) -> Markup:
    """A change's sentence, the old value struck."""
    subject, colon, rest = change.sentence.partition(": ")
    before, arrow, after = rest.partition(" -> ")
    if not (colon and arrow):
        return escape(change.sentence[:1].upper() + change.sentence[1:])
    return Markup('<b>{}</b> <span class="old">{}</span> → {}').format(subject[:1].upper() + subject[1:], before, after)


def ago(unix_s: float) -> str:
    """How long ago, roughly; a time where the clock was set meanwhile."""
    past = time.time() - unix_s
    if not 0 <= past < 86400:
        return str(format_datetime(unix_s))
    if past < 90:
        return gettext("just now")
    minutes = round(past / 60)
    return gettext("%(n)d min ago", n=minutes) if minutes < 90 else gettext("%(n)d h ago", n=round(minutes / 60))


# ---- review ------------------------------------------------------------------------------------------------------


@apply.get("/apply")
def review() -> str:
    """What is pending, at once; the checks follow (`checks`), for they take a second or two."""
    waits = place().pending()
    checked = _check() if request.args.get("checks") else None
    return render_template("apply.html", waits=waits, minutes=MINUTES, checked=checked, revision=place().revision(), refused=[], comment="", chosen=MINUTES[0])


@apply.get("/apply/checks")
def checks() -> str:
    """The checks of a commit, as a part of the page."""
    return render_template("checks.html", checked=_check())


def _check() -> Checked | HoldfastError:
    try:
        return place().editor(current().author).check()
    except HoldfastError as error:
        return error


@apply.post("/apply")
def commit() -> Response | tuple[str, int]:
    comment, minutes = request.form.get("comment", "").strip()[:500], request.form.get("minutes", "")
    chosen = int(minutes) if re.fullmatch(r"[0-9]{1,4}", minutes) and int(minutes) in MINUTES else MINUTES[0]
    seen = request.form.get("version", "")
    try:
        made = place().editor(current().author).commit(comment, chosen, int(seen) if re.fullmatch(r"[0-9]{1,17}", seen) else None)
    except DocumentError as error:
        return _again(comment, chosen, [f"{where(problem)}: {problem_text(problem)}" for problem in error.problems])
    except Conflict:
        return _again(comment, chosen, [gettext("Something was changed since you looked. Look at the changes as they are now, then apply again.")])
    except HoldfastError as error:
        if error.code == "nothing-to-commit":
            toast(gettext("Nothing is left to apply: somebody else has applied or discarded it."))
            return redirect(url_for("apply.review"), 303)
        return _again(comment, chosen, [f"{error.sentence}. {error.hint}"])
    log.warning("%s applied revision %d", current().id, made.revision)
    tell(made)
    return redirect(_back(), 303)


def _again(comment: str, chosen: int, refused: list[str]) -> tuple[str, int]:
    waits = place().pending()
    shown = render_template(
        "apply.html", waits=waits, minutes=MINUTES, checked=_check(), revision=place().revision(), refused=refused, comment=comment, chosen=chosen
    )
    return shown, 422


def tell(made: Committed) -> None:
    """Tell the engine, and the person how it went."""
    try:
        engine().call("site.activate", timeout_s=ACTIVATE_S)
    except ControlError as error:
        if error.code == "not-running":
            toast(gettext("Revision %(n)d is saved. The phone engine does not run; it takes it as soon as it starts.", n=made.revision))
        else:
            toast(gettext("Revision %(n)d is saved, but the phone engine has not taken it: %(why)s", n=made.revision, why=error.sentence))
        return
    calls = len(engine().state.calls.get("calls", ()))
    went_on = ngettext("One call went on.", "%(num)d calls went on.", calls) if calls else gettext("Calls go on.")
    toast(gettext("Revision %(n)d is in force.", n=made.revision) + " " + went_on)


# ---- discard, keep, undo -----------------------------------------------------------------------------------------


@apply.post("/apply/discard")
def discard() -> Response:
    """Drop the changes at the paths named, or all of them where the form says `all`."""
    paths = request.form.getlist("path")
    if not paths and request.form.get("all") != "yes":
        return redirect(url_for("apply.review"), 303)
    try:
        dropped = place().editor(current().author).discard(paths)
        toast(ngettext("One change is discarded.", "%(num)d changes are discarded.", len(dropped)))
    except HoldfastError as error:
        toast(f"{error.sentence}. {error.hint}")
    return redirect(url_for("apply.review") if len(place().pending()) else _back(), 303)


@apply.post("/apply/keep")
def keep() -> Response:
    try:
        toast(gettext("Revision %(n)d is kept.", n=place().editor(current().author).confirm()))
    except HoldfastError:
        toast(gettext("Nothing is on trial any more."))
    return redirect(_back(), 303)


@apply.post("/apply/undo")
def undo() -> Response:
    """Go back now from what is on trial; its changes are pending again."""
    try:
        made = place().editor(current().author).undo()
    except HoldfastError as error:
        toast(gettext("Nothing is on trial any more.") if error.code == "nothing-to-confirm" else f"{error.sentence}. {error.hint}")
    else:
        tell(made)
        toast(gettext("It is undone. The changes are pending again, nothing is lost."))
    return redirect(_back(), 303)


@apply.post("/undo")
def undo_one() -> Response:
    """Take back what was saved last (the toast's button)."""
    toast(take_back(request.form.get("undo", "")))
    return redirect(_back(), 303)


def _back() -> str:
    """The page the button was on, of this box alone."""
    wanted = request.form.get("back", "")
    return wanted if re.fullmatch(r"/(?![/\\])[!-~]*", wanted) else url_for("apply.review") if g.account else "/"
