"""The editor of one flow: picture and text, a panel for what is chosen, every change by a form; the script only spares the page's turning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flask import abort, g, jsonify, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from appliance.errors import HoldfastError, NotFound, Problem
from appliance.site.paths import version_of
from appliance.site.wording import path_of
from webui.areas.flows import AREA, changes, drawing
from webui.areas.flows.changes import Changed, change, exits_of, steps_of
from webui.areas.flows.drawing import NEW, Drawn, drawn
from webui.areas.flows.fields import KINDS, Rows, word
from webui.areas.flows.flows import callers_of, users_of
from webui.areas.flows.forms import SettingsForm, StepForm
from webui.areas.flows.known import fault, kinds, outline
from webui.areas.flows.trial import DOINGS, asked, people, recent, trial
from webui.forms.form import Bound
from webui.guard import by_script
from webui.i18n import gettext, ngettext
from webui.listing import page
from webui.place import place
from webui.saved import latest

MOST_STEPS = 500


# ---- the page ----------------------------------------------------------------------------------------------------


@AREA.get("/flow/<key>")
def flow(key: str) -> Response | str:
    """The page; for its script the steps, which take the worker a moment."""
    _flow(key)
    return _steps(key) if by_script() else show(key)


def show(key: str, panel: str = "flow", **more: Any) -> str:
    """The editor with a panel. `?whole`: with the steps as text, for those without scripts."""
    held = _flow(key)
    text, why = None, ""
    if "whole" in request.args:
        try:
            text = _text(key)
        except HoldfastError as error:
            why = fault(error)
    tried, path = trial(key), path_of(("flows", key))
    values = {
        "key": key, "held": held, "name": str(held.get("name") or key), "count": len(steps_of(held)), "uses": users_of(key), "panel": panel, "text": text,
        "why": why, "trial": tried, "marks": tried.marks(key) if tried is not None else None, "kept": asked(), "people": people, "doings": DOINGS,
        "undo": latest(path), "changed": place().pending().touches(path), "version": version_of(held), "step": "", "form": None, "here": here, "word": word,
    }  # fmt: skip
    return render_template("flows/flow.html", **{**values, **more})


def here(endpoint: str, **values: Any) -> str:
    """An address of the editor, with what is tried."""
    return url_for(f"flows.{endpoint}", **{**values, **asked()})


def _flow(key: str) -> Mapping[str, Any]:
    held = place().kind("flows").get(key)
    if held is None:
        abort(404, description=gettext("There is no flow %(id)s. It may have been deleted.", id=key[:80]))
    found: Mapping[str, Any] = held
    return found


def _text(key: str) -> str:
    said = outline(key)
    steps = drawn(said)
    problems = [Problem(**each) for each in said["problems"]]
    return render_template("flows/steps.html", key=key, rows=page(steps), problems=problems, here=here, start=said["start"])


def _steps(key: str) -> Response:
    """What the script draws, and the text."""
    try:
        said = outline(key)
    except HoldfastError as error:
        return jsonify(fault=fault(error))
    steps = drawn(said)
    count = drawing.faults(steps, said)
    uses = [*callers_of(key), *(gettext("extension %(n)s", n=each) for each in said["extensions"])]
    begins = ", ".join(uses[:2]) + (" " + gettext("and %(n)d more", n=len(uses) - 2) if len(uses) > 2 else "")
    return jsonify(
        start={"to": said["start"], "title": gettext("Begins"), "text": begins or gettext("Nothing leads here yet"), "url": here("flow_settings", key=key)},
        steps=[_node(key, step) for step in steps],
        text=_text(key),
        faults=count,
        fixes=drawing.fixes(count),
    )


def _node(key: str, step: Drawn) -> dict[str, Any]:
    name = step.name + (", " + ngettext("%(num)d thing to fix", "%(num)d things to fix", len(step.problems)) if step.problems else "")
    ends = [
        {
            "exits": way.exits, "label": way.label, "to": way.to if way.state == "leads" else "", "was": way.to, "bad": way.bad, "words": way.words,
            "url": here("flow_exit", key=key, step=step.id, exit=way.exits[0]), "cures": [{"to": cure.to, "label": cure.label} for cure in way.cures],
        }
        for way in step.ways
    ]  # fmt: skip
    url = here("flow_step", key=key, step=step.id)
    return {"id": step.id, "name": name, "title": step.title, "icon": step.icon, "text": step.text, "url": url, "bad": bool(step.problems), "ends": ends}


# ---- panels ------------------------------------------------------------------------------------------------------


@AREA.route("/flow/<key>/steps/<step>", methods=["GET", "POST"])
def flow_step(key: str, step: str) -> Response | str:
    """The settings of a step, its ways out, and what is wrong with it."""
    held = _flow(key)
    if request.method == "GET" and step not in steps_of(held):
        abort(404, description=gettext("There is no step %(id)s in this flow. It may have been deleted.", id=step[:80]))
    try:
        form, focus = StepForm.of(key, step), ""
        if request.form.get("act"):
            focus = form.arrange(request.form["act"])
        elif form.save():
            return redirect(here("flow_step", key=key, step=step), 303)
    except HoldfastError as error:
        return show(key, "fault", step=step, fault=fault(error))
    return _step(key, step, form, focus)


def _step(key: str, step: str, form: StepForm, focus: str = "") -> str:
    try:
        said = outline(key)
    except HoldfastError as error:
        return show(key, "fault", step=step, fault=fault(error))
    if form.given is None:
        form.judge(said)
    mine = next((each for each in drawn(said) if each.id == step), None)
    return show(
        key, "step", step=step, form=form, mine=mine, focus=focus, rest=_rest(mine, form), offered=form.offered(), is_rows=_is_rows,
        step_version=version_of(steps_of(_flow(key)).get(step)),
    )  # fmt: skip


def _is_rows(row: Bound) -> bool:
    return isinstance(row.field, Rows)


def _rest(mine: Drawn | None, form: StepForm) -> Sequence[Problem]:
    """Problems of the step that neither a field nor an exit of the panel shows."""
    if mine is None:
        return ()
    return [problem for problem in mine.problems if not problem.path.startswith((f"{form.path}.settings", f"{form.path}.exits"))]


@AREA.route("/flow/<key>/steps/<step>/exits/<exit>", methods=["GET", "POST"])
def flow_exit(key: str, step: str, exit: str) -> Response | str:
    """Where one way out leads. POST `to`: a step, `new:<kind>`, or nothing; `was`: what it was when the page was shown; `also`: exits that go along."""
    held = _flow(key)
    if step not in steps_of(held):
        abort(404, description=gettext("There is no step %(id)s in this flow. It may have been deleted.", id=step[:80]))
    clash: Mapping[str, str] | None = None
    if request.method == "POST":
        to, was = request.form.get("to", "")[:80], request.form.get("was", "")
        try:
            led = lead(key, step, [exit, *request.form.getlist("also")], to, was)
            return redirect(here("flow_step", key=key, step=led), 303)
        except Changed as changed:
            clash = {"theirs": str(changed.now or ""), "mine": to}
        except HoldfastError as error:
            g.notice = fault(error)
    try:
        said = outline(key)
    except HoldfastError as error:
        return show(key, "fault", step=step, fault=fault(error))
    steps = drawn(said)
    mine = next(each for each in steps if each.id == step)
    found = next((each for each in said["steps"] if each["id"] == step), {"exits": ()})
    way = next((each for each in found["exits"] if each["name"] == exit), None)
    if way is None:
        abort(404, description=gettext("There is no such way out of this step."))
    return show(
        key, "exit", step=step, mine=mine, exit=exit, way=way, label=word(way["label"]), targets=[each for each in steps if each.id != step], all=steps,
        was=exits_of(held, step).get(exit, ""), kinds=_choices(), new=NEW, clash=clash, names={each.id: drawing.brief(each.name) for each in steps},
    )  # fmt: skip


def lead(key: str, step: str, exits: Sequence[str], to: str, was: str) -> str:
    """Lead exits of a step to `to`; the step to look at next. Raises Changed where somebody led the first elsewhere meanwhile, NotFound."""
    after = step

    def make(flow: changes.Flow) -> changes.Flow:
        nonlocal after
        if step not in steps_of(flow):
            raise NotFound(gettext("Somebody deleted this step meanwhile"))
        now = str(exits_of(flow, step).get(exits[0], ""))
        if now not in (was, to):
            raise Changed(now)
        made, target = _target(flow, to)
        after = target if to.startswith(NEW) else step
        for exit in dict.fromkeys(exits):
            if target or exit in exits_of(made, step):
                made = changes.led(made, step, exit, target)
        return made

    change(key, make)
    return after


def _target(flow: changes.Flow, to: str) -> tuple[changes.Flow, str]:
    """The flow, with a new step where one is asked for, and the step meant."""
    kind = to.removeprefix(NEW)
    if to.startswith(NEW) and kind in kinds():
        _room(flow)
        return changes.with_step(flow, kind, _first(kind))
    if to and to not in steps_of(flow):
        raise NotFound(gettext("There is no step %(id)s in this flow", id=to[:80]), gettext("Somebody may have deleted it; choose another."))
    return flow, to


def _first(kind: str) -> dict[str, Any]:
    """Settings of a new step: what must be chosen and there is only one of."""
    found: dict[str, Any] = {}
    for each in kinds()[kind]["fields"]:
        if each["control"] == "ref" and each["required"] and each["refers"] in KINDS and len(only := list(place().kind(KINDS[each["refers"]]))) == 1:
            found[each["name"]] = only[0]
    return found


def _room(flow: changes.Flow) -> None:
    if len(steps_of(flow)) >= MOST_STEPS:
        raise HoldfastError(gettext("This flow has %(n)d steps, which is as many as fit", n=MOST_STEPS), gettext("Put a part of it into a flow of its own."))


def _choices() -> list[Mapping[str, Any]]:
    """Kinds of steps as they are offered."""
    return sorted(({**each, "title": word(each["title"]), "help": word(each["help"])} for each in kinds().values()), key=lambda each: str(each["title"]))


@AREA.route("/flow/<key>/add", methods=["GET", "POST"])
def add_step(key: str) -> Response | str:
    """A new step that nothing leads to yet."""
    _flow(key)
    try:
        kind = request.form.get("kind", "")
        if request.method == "POST" and kind in kinds():
            added = ""

            def make(flow: changes.Flow) -> changes.Flow:
                nonlocal added
                _room(flow)
                made, added = changes.with_step(flow, kind, _first(kind))
                return made

            change(key, make, gettext("%(kind)s is added, not applied.", kind=word(kinds()[kind]["title"])))
            return redirect(here("flow_step", key=key, step=added), 303)
        return show(key, "add", kinds=_choices())
    except HoldfastError as error:
        return show(key, "fault", fault=fault(error))


@AREA.post("/flow/<key>/steps/<step>/delete")
def delete_step(key: str, step: str) -> Response | str:
    """Delete a step in the version that was shown; what led to it goes on where it led."""
    _flow(key)

    def make(flow: changes.Flow) -> changes.Flow:
        held = steps_of(flow).get(step)
        if held is not None and str(version_of(held)) != request.form.get("version", ""):
            raise Changed(held)
        return changes.without(flow, step) if held is not None else flow

    try:
        change(key, make, gettext("The step is deleted, not applied."))
    except Changed:
        g.notice = gettext("Somebody changed this step meanwhile. Look at it as it is now, then delete it again.")
        shown = place().show(path_of(("flows", key, "steps", step)))
        return _step(key, step, StepForm(shown.path, shown.value, shown.version))
    return redirect(here("flow", key=key), 303)


@AREA.route("/flow/<key>/settings", methods=["GET", "POST"])
def flow_settings(key: str) -> Response | str:
    """Name, extensions, and where it begins."""
    try:
        form = SettingsForm.at(path_of(("flows", key)))
        if form.save():
            return redirect(here("flow", key=key), 303)
    except HoldfastError as error:
        return show(key, "fault", fault=fault(error))
    return show(key, "settings", form=form)


@AREA.get("/flow/<key>/calls")
def flow_calls(key: str) -> str:
    """Real calls that came through here, to see their way."""
    _flow(key)
    calls, why = recent(key)
    return show(key, "calls", calls=calls, fault=why)
