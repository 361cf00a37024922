"""Changes of a flow's graph: pure functions from one flow to the next, and how they are saved beside what others change meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from appliance.errors import Conflict
from appliance.site.wording import path_of
from webui.forms import slug
from webui.guard import current
from webui.place import place
from webui.saved import remember

Flow = Mapping[str, Any]
_TRIES = 5


class Changed(Exception):
    """Somebody else changed the very same thing; `now`: what it is."""

    def __init__(self, now: Any) -> None:
        super().__init__()
        self.now = now


def change(key: str, make: Callable[[Flow], Flow], sentence: str = "") -> None:
    """Save what `make` makes of the flow as it stands now. What others changed elsewhere in it stays. Raises HoldfastError, and what `make` raises."""
    path = path_of(("flows", key))
    editor = place().editor(current().author)
    for last in range(_TRIES, 0, -1):
        shown = editor.show(path)
        before: Flow = shown.value
        try:
            written = editor.set(path, make(before), shown.version)
        except Conflict:
            if last == 1:
                raise
            continue
        remember(path, before, written.version, sentence)
        return


def steps_of(flow: Flow) -> dict[str, Any]:
    held = flow.get("steps")
    return dict(held) if isinstance(held, Mapping) else {}


def exits_of(flow: Flow, step: str) -> dict[str, Any]:
    held = steps_of(flow).get(step, {}).get("exits")
    return dict(held) if isinstance(held, Mapping) else {}


def with_step(flow: Flow, kind: str, settings: Mapping[str, Any]) -> tuple[Flow, str]:
    """The flow with one step more, and the id of that; the first step of a flow is where it starts."""
    steps = steps_of(flow)
    id = slug(kind, "steps", steps)
    made = {**flow, "steps": {**steps, id: {"type": kind, "settings": dict(settings), "exits": {}}}}
    return ({**made, "start": id} if not steps else made), id


def led(flow: Flow, step: str, exit: str, to: str) -> Flow:
    """The flow with an exit of a step leading to `to`, or nowhere."""
    steps = steps_of(flow)
    exits = {**exits_of(flow, step), exit: to}
    if not to:
        del exits[exit]
    return {**flow, "steps": {**steps, step: {**steps[step], "exits": exits}}}


def without(flow: Flow, step: str) -> Flow:
    """The flow without a step. What led to it goes on where the step's only way went, if it had one, else nowhere."""
    steps = steps_of(flow)
    after = {str(to) for to in exits_of(flow, step).values()} - {step}
    instead = after.pop() if len(after) == 1 else ""
    del steps[step]
    for id, held in steps.items():
        exits = {name: instead if to == step else to for name, to in exits_of(flow, id).items()}
        steps[id] = {**held, "exits": {name: to for name, to in exits.items() if to}}
    start = flow.get("start")
    return {**flow, "steps": steps, "start": (instead or next(iter(steps), "")) if start == step else start}
