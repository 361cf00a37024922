"""Worker job "outline": a flow in words, step by step with every way out, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, cast

from pydantic import ValidationError

from appliance.callflow import graph
from appliance.callflow.describe import summary
from appliance.callflow.ends import ends
from appliance.callflow.node import Exit, Settings
from appliance.callflow.registry import kinds
from appliance.errors import DocumentError, NotFound, Problem
from appliance.site.model.flows import Flow, Step
from appliance.site.model.site import Site
from appliance.site.salvage import part, salvage
from appliance.site.sentences import Names
from appliance.site.text import inline
from appliance.site.validation import validate
from appliance.site.wording import close, path_of, quoted, translate


def get_ready() -> None:
    kinds()


def outline(given: dict[str, Any]) -> dict[str, Any]:
    """`given`: {"flow": an id, "document", "media": SHA-256 of the recordings there are, absent: not looked at}. Only the flow named must be readable.

    Returns {"id", "name", "start", "extensions", "steps": [{"number", "id", "type", "title", "icon", "settings": one line, "summary", "exits": [{"name",
    "label", "leads_to", "number", "state", "set", "required"}], "reached", "problems"}], "problems": those of no step}, steps in the order a call meets
    them, exits in the kind's (`callflow.ends`); `number` 0: there is no such step. Raises NotFound, DocumentError.
    """
    document = given["document"]
    flows = document.get("flows")
    wanted = given["flow"]
    if not isinstance(flows, Mapping) or wanted not in flows:
        raise NotFound(f"There is no flow {quoted(wanted)}", close(wanted, flows) if isinstance(flows, Mapping) else "")
    try:
        flow = Flow.model_validate(flows[wanted])
    except ValidationError as error:
        raise DocumentError(f"the flow {wanted} cannot be read", translate(error, ("flows", wanted))) from None
    met = _order(flow)
    numbers = {step: number for number, step in enumerate((*met, *(step for step in flow.steps if step not in met)), 1)}
    problems = _problems(wanted, document, given.get("media"))
    names = Names(document)
    steps = []
    for step_id in numbers:
        at = path_of(("flows", wanted, "steps", step_id))
        mine = [problem for problem in problems if _within(problem.path, at)]
        problems = [problem for problem in problems if problem not in mine]
        steps.append({**_step(step_id, flow, numbers, names), "reached": step_id in met, "problems": [problem.as_dict() for problem in mine]})
    said = {"id": wanted, "name": flow.name, "start": flow.start, "extensions": list(flow.extensions)}
    return {**said, "steps": steps, "problems": [problem.as_dict() for problem in problems]}


def _problems(flow_id: str, document: Mapping[str, Any], media: Sequence[str] | None) -> list[Problem]:
    """What a commit would refuse in the flow, one for each place."""
    site, mistakes = validate(document)
    whole: Site = site or salvage(document)
    known: Collection[str] = media if media is not None else {audio.sha256 for audio in whole.audio.values()}
    at = path_of(("flows", flow_id))
    found: dict[str, Problem] = {}
    for problem in (*mistakes, *graph.problems(whole, known)):
        if _within(problem.path, at):
            found.setdefault(problem.path, problem)
    return list(found.values())


def _within(path: str, at: str) -> bool:
    return path == at or path.startswith((f"{at}.", f"{at}["))


def _order(flow: Flow) -> list[str]:
    """The steps a call can reach, each right after the one that leads to it first."""
    met: dict[str, None] = {}
    waiting = [flow.start]
    while waiting:
        here = waiting.pop(0)
        if here in flow.steps and here not in met:
            met[here] = None
            waiting += flow.steps[here].exits.values()
    return list(met)


def _step(step_id: str, flow: Flow, numbers: Mapping[str, int], names: Names) -> dict[str, Any]:
    step = flow.steps[step_id]
    node = kinds().get(step.type)
    exits = [
        {
            "name": end.name,
            "label": end.label,
            "leads_to": end.to,
            "number": numbers.get(end.to, 0),
            "state": end.state,
            "set": end.set,
            "required": end.required,
        }
        for end in ends(_exits(step), step, flow)
    ]
    return {
        "number": numbers[step_id],
        "id": step_id,
        "type": step.type,
        "title": node.title if node is not None else step.type,
        "icon": node.icon if node is not None else "flow",
        "settings": ", ".join(f"{name} = {inline(value)}" for name, value in step.settings.items()),
        "summary": summary(node, step.settings, names) if node is not None else "",
        "exits": exits,
    }


def _exits(step: Step) -> tuple[Exit, ...]:
    """By the settings as far as they can be read; `holdfast site check` says what is wrong with them."""
    node = kinds().get(step.type)
    return node.exits(cast(Settings, part(node.settings, step.settings))) if node is not None else ()
