"""A flow as the picture and the text show it: steps with their ways out, those to the same place as one, and what would cure those that lead nowhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from appliance.errors import Problem
from webui.areas.flows.fields import word
from webui.areas.flows.known import kinds
from webui.i18n import gettext, ngettext

NEW = "new:"
"""Before the name of a kind: a step of it is made and led to."""
_CURES = ("voicemail", "hang-up")
"""Kinds that end a call well: the first that the flow has a step of, and both anew."""
_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Cure:
    """Where a way out can be led with one press. `to`: a step, or `new:<kind>`."""

    to: str
    label: str


@dataclass(frozen=True, slots=True)
class Way:
    """Ways out of a step that lead to the same place. `exits`: those to be led elsewhere together; `each`: all, with their labels. `to`: a step, "" : none."""

    exits: tuple[str, ...]
    each: tuple[tuple[str, str], ...]
    state: str
    to: str
    number: int
    cures: tuple[Cure, ...] = ()

    @property
    def label(self) -> str:
        return ", ".join(label for _, label in self.each)

    @property
    def bad(self) -> bool:
        return self.state in {"missing", "wrong", "unknown"}

    @property
    def words(self) -> str:
        """Where it leads, where that is no step."""
        match self.state:
            case "missing":
                return gettext("leads nowhere")
            case "wrong":
                return gettext("leads to “%(step)s”, which does not exist", step=self.to)
            case "unknown":
                return gettext("is no way out of this step")
            case _:
                return gettext("the call ends")


@dataclass(frozen=True, slots=True)
class Drawn:
    """A step. `text`: what it does, in a few words."""

    id: str
    number: int
    kind: str
    title: str
    icon: str
    text: str
    reached: bool
    ways: tuple[Way, ...]
    problems: tuple[Problem, ...] = field(default=())

    @property
    def name(self) -> str:
        return f"{self.number} {self.title}" + (f": {self.text}" if self.text else "")


def drawn(outline: Mapping[str, Any]) -> list[Drawn]:
    """The steps of an outline."""
    steps = outline["steps"]
    return [
        Drawn(
            step["id"],
            step["number"],
            step["type"],
            word(step["title"]),
            step["icon"],
            step["summary"],
            step["reached"],
            tuple(_ways(step, steps)),
            tuple(Problem(**each) for each in step["problems"]),
        )
        for step in steps
    ]


def _ways(step: Mapping[str, Any], steps: Sequence[Mapping[str, Any]]) -> list[Way]:
    grouped: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for exit in step["exits"]:
        grouped.setdefault((exit["state"], exit["leads_to"]), []).append(exit)
    ways = []
    for (state, to), exits in grouped.items():
        names = tuple(exit["name"] for exit in exits)
        each = tuple((exit["name"], word(exit["label"])) for exit in exits)
        if state in {"missing", "wrong"}:
            # Those that have no way of their own go along.
            names = tuple(exit["name"] for exit in exits if exit["set"] or exit["required"]) or names
        cures = cured(step["id"], steps) if state in {"missing", "wrong"} else ()
        ways.append(Way(names, each, state, to, exits[0]["number"], cures))
    return ways


def cured(of: str, steps: Sequence[Mapping[str, Any]]) -> tuple[Cure, ...]:
    """What an exit of the step `of` can be led to with one press."""
    found = []
    for kind in _CURES:
        there = next((step for step in steps if step["type"] == kind and step["id"] != of), None)
        if there is not None:
            found.append(Cure(there["id"], gettext("Lead to %(step)s", step=brief(f"{there['number']} {word(there['title'])}"))))
        elif kind in kinds():
            found.append(Cure(f"{NEW}{kind}", gettext("Add %(kind)s", kind=word(kinds()[kind]["title"]))))
    return tuple(found)


def brief(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"


def faults(steps: Sequence[Drawn], outline: Mapping[str, Any]) -> int:
    """How many things are to be fixed."""
    return sum(len(step.problems) for step in steps) + len(outline["problems"])


def fixes(count: int) -> str:
    return ngettext("%(num)d thing to fix", "%(num)d things to fix", count) if count else gettext("Nothing to fix")
