"""The ways out of a step as people see them: exits that lead to the same place are one, and those that lead nowhere are there as well."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from appliance.callflow.node import Exit
from appliance.site.model.flows import Flow, Step

State = Literal["leads", "ends", "missing", "wrong", "unknown"]
"""leads: to a step. ends: the call ends there. missing: it must lead somewhere. wrong: to a step there is none of. unknown: the step has no such exit."""


@dataclass(frozen=True, slots=True)
class End:
    """`to`: the step it leads to, "" : none. `set`: this exit is written down; else it goes the way of another (`Exit.instead`) or ends the call."""

    name: str
    label: str
    state: State
    to: str
    set: bool
    required: bool


def ends(exits: Sequence[Exit], step: Step, flow: Flow) -> tuple[End, ...]:
    """Every exit of `step`, which has `exits` by its settings, in their order; then those it should not have."""
    named = {exit.name: exit for exit in exits}
    found = []
    for exit in exits:
        way = _way(exit, named, step)
        to = step.exits.get(way.name, "")
        state: State = "leads" if to in flow.steps else "wrong" if way.name in step.exits else "missing" if way.required else "ends"
        found.append(End(exit.name, exit.label, state, to, exit.name in step.exits, exit.required))
    return (*found, *(End(name, name, "unknown", to, True, False) for name, to in step.exits.items() if name not in named))


def _way(exit: Exit, named: dict[str, Exit], step: Step) -> Exit:
    """The exit whose way is taken: the first on the way of `instead` that is written down, else the last."""
    for _ in named:
        other = named.get(exit.instead)
        if exit.name in step.exits or other is None:
            break
        exit = other
    return exit
