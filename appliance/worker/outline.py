"""Worker job "outline": a flow in words, step by step, whether it is right or not."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from appliance.callflow.registry import kinds
from appliance.errors import DocumentError, NotFound
from appliance.site.model.flows import Flow, Step
from appliance.site.text import inline
from appliance.site.wording import close, quoted, translate


def outline(given: dict[str, Any]) -> dict[str, Any]:
    """`given`: {"flow": an id, "document"}. Only the flow named must be readable.

    Returns {"id", "name", "start", "extensions", "steps": [{"number", "id", "type", "title", "settings": one line, "exits": [{"name", "label", "leads_to",
    "number"}], "reached"}]}, steps in the order a call meets them; `number` 0: there is no such step. Raises NotFound, DocumentError.
    """
    flows = given["document"].get("flows")
    wanted = given["flow"]
    if not isinstance(flows, Mapping) or wanted not in flows:
        raise NotFound(f"There is no flow {quoted(wanted)}", close(wanted, flows) if isinstance(flows, Mapping) else "")
    try:
        flow = Flow.model_validate(flows[wanted])
    except ValidationError as error:
        raise DocumentError(f"the flow {wanted} cannot be read", translate(error, ("flows", wanted))) from None
    met = _order(flow)
    numbers = {step: number for number, step in enumerate((*met, *(step for step in flow.steps if step not in met)), 1)}
    steps = [_step(step_id, flow.steps[step_id], numbers) | {"reached": step_id in met} for step_id in numbers]
    return {"id": wanted, "name": flow.name, "start": flow.start, "extensions": list(flow.extensions), "steps": steps}


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


def _step(step_id: str, step: Step, numbers: Mapping[str, int]) -> dict[str, Any]:
    node = kinds().get(step.type)
    labels: dict[str, str] = {}
    if node is not None:
        # Where the settings are wrong (`holdfast site check` says so), exits are shown by their names.
        with contextlib.suppress(ValidationError):
            labels = {exit.name: exit.label for exit in node.exits(node.settings.model_validate(step.settings))}
    exits = [
        {"name": name, "label": labels.get(name, name), "leads_to": target, "number": numbers.get(target, 0)}
        for name, target in sorted(step.exits.items(), key=lambda item: list(labels).index(item[0]) if item[0] in labels else len(labels))
    ]
    return {
        "number": numbers[step_id],
        "id": step_id,
        "type": step.type,
        "title": node.title if node is not None else step.type,
        "settings": ", ".join(f"{name} = {inline(value)}" for name, value in step.settings.items()),
        "exits": exits,
    }
