"""Flows compiled for running, and every mistake in a site's flows with its place."""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from appliance.callflow.loops import Edge, Vertex, loops
from appliance.callflow.node import Exit, Node, Settings
from appliance.callflow.refs import references
from appliance.callflow.registry import kinds
from appliance.errors import HoldfastError, Problem
from appliance.site.model.flows import Flow, Step
from appliance.site.model.site import Site
from appliance.site.wording import close, path_of, quoted, translate
from appliance.types import FlowId


class BrokenFlow(HoldfastError):
    """A flow that cannot run."""

    code = "broken-flow"


@dataclass(frozen=True, slots=True)
class Place:
    """A step, ready to run. `exits`: name of an exit -> the step it leads to; exits that lead nowhere are absent."""

    id: str
    node: Node[Any]
    settings: Settings
    exits: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Graph:
    """A flow, ready to run. Never changed."""

    id: FlowId
    name: str
    start: str
    places: Mapping[str, Place]


def compile(flow_id: str, flow: Flow) -> Graph:
    """`flow`, ready to run. Raises BrokenFlow where a part of it cannot be used; what commits let through never does."""
    places: dict[str, Place] = {}
    for step_id, step in flow.steps.items():
        node = kinds().get(step.type)
        if node is None:
            raise BrokenFlow(f"flow {flow_id}: step {step_id} is of the unknown kind {quoted(step.type)}")
        try:
            settings = node.settings.model_validate(step.settings)
        except ValidationError as error:
            raise BrokenFlow(f"flow {flow_id}: {translate(error, (step_id,), node.settings)[0]}") from None
        places[step_id] = Place(step_id, node, settings, _leading(node.exits(settings), step, flow))
    if flow.start not in places:
        raise BrokenFlow(f"flow {flow_id} begins at {quoted(flow.start)}, which is no step of it")
    return Graph(FlowId(flow_id), flow.name, flow.start, places)


def problems(site: Site, media: Collection[str]) -> tuple[Problem, ...]:
    """Every mistake in the flows of `site`, empty when they may be put into force. `media`: SHA-256 of the recordings that are there.

    Passes over "" : in a salvaged site it stands for a field that did not parse. Raises nothing.
    """
    return tuple(_problems(site, media))


def warnings(site: Site) -> tuple[Problem, ...]:
    """What is odd and does no harm: steps that no call can reach."""
    return tuple(warning for flow_id, flow in site.flows.items() for warning in _unreached(flow_id, flow))


# ---- exits ----


def _leading(exits: tuple[Exit, ...], step: Step, flow: Flow) -> dict[str, str]:
    """Where each exit leads at last, by way of `instead` where it leads nowhere itself."""
    named = {exit.name: exit for exit in exits}
    found: dict[str, str] = {}
    for exit in exits:
        here: Exit | None = exit
        for _ in exits:
            if here is None or step.exits.get(here.name) in flow.steps:
                break
            here = named.get(here.instead)
        target = step.exits.get(here.name) if here is not None else None
        if target in flow.steps and target is not None:
            found[exit.name] = target
    return found


def _exit_problems(exits: tuple[Exit, ...], step: Step, flow: Flow, at: tuple[str, ...]) -> Iterator[Problem]:
    named = {exit.name: exit for exit in exits}
    for name, target in step.exits.items():
        if name not in named:
            hint = close(name, named) or "this step has no exits: leave it out"
            yield Problem(path_of((*at, "exits", name)), f"{quoted(name)} is no exit of this step", hint)
        elif target and target not in flow.steps:
            yield Problem(path_of((*at, "exits", name)), f"leads to {quoted(target)}, which is no step of this flow", close(target, flow.steps))
    for exit in exits:
        if exit.required and exit.name not in step.exits:
            yield Problem(path_of((*at, "exits", exit.name)), f"is missing: {quoted(exit.label)} leads nowhere", "name the step it leads to")


# ---- problems ----

Parsed = Mapping[str, Place]


def _problems(site: Site, media: Collection[str]) -> Iterator[Problem]:
    for name, audio in site.audio.items():
        if audio.sha256 and audio.sha256 not in media:
            yield Problem(path_of(("audio", name, "sha256")), "names a recording that is not on this box", "add the recording again with `holdfast audio`")
    known = _known(site)
    parsed: dict[str, Parsed] = {}
    for flow_id, flow in site.flows.items():
        places: dict[str, Place] = {}
        for step_id, step in flow.steps.items():
            place = yield from _step_problems(flow_id, flow, step_id, step, site, known)
            if place is not None:
                places[step_id] = place
        parsed[flow_id] = places
        if not flow.steps:
            yield Problem(path_of(("flows", flow_id, "steps")), "has no step, so a call would go nowhere", 'add a step, for example type = "dial"')
        elif flow.start and flow.start not in flow.steps:
            yield Problem(path_of(("flows", flow_id, "start")), f"is {quoted(flow.start)}, which is no step of this flow", close(flow.start, flow.steps))
    yield from _spinning(site, parsed)


def _step_problems(
    flow_id: str, flow: Flow, step_id: str, step: Step, site: Site, known: Mapping[str, Collection[str]]
) -> Generator[Problem, None, Place | None]:
    """The problems of one step; returns the step, parsed as far as it can be."""
    at = ("flows", flow_id, "steps", step_id)
    node = kinds().get(step.type)
    if node is None:
        if step.type:
            yield Problem(path_of((*at, "type")), f"there is no kind of step {quoted(step.type)}", close(step.type, kinds()))
        return None
    try:
        settings = node.settings.model_validate(step.settings)
    except ValidationError as error:
        yield from translate(error, (*at, "settings"), node.settings)
        return None
    for place, reference in references(settings):
        if reference not in known[reference.kind]:
            hint = close(reference, known[reference.kind]) or f"add the {reference.kind} first"
            yield Problem(path_of((*at, "settings", *place)), f"there is no {reference.kind} {quoted(str(reference))}", hint)
    for mistake in node.mistakes(settings, site):
        yield Problem(path_of((*at, "settings", *mistake.at)), mistake.sentence, mistake.hint)
    exits = node.exits(settings)
    yield from _exit_problems(exits, step, flow, at)
    return Place(step_id, node, settings, _leading(exits, step, flow))


def _known(site: Site) -> dict[str, Collection[str]]:
    """What references may name, by kind."""
    listed: list[str | None] = [user.extension for user in site.users.values()]
    listed += [device.extension for device in site.devices.values()]
    listed += [group.extension for group in site.groups.values()]
    listed += [mailbox.extension for mailbox in site.mailboxes.values()]
    listed += [extension for flow in site.flows.values() for extension in flow.extensions]
    return {
        "user": site.users,
        "device": site.devices,
        "group": site.groups,
        "extension": {extension for extension in listed if extension},
        "mailbox": site.mailboxes,
        "audio": site.audio,
        "schedule": site.schedules,
        "flow": site.flows,
    }


def _spinning(site: Site, parsed: Mapping[str, Parsed]) -> Iterator[Problem]:
    """Ways round that nobody is waited for on: a call would go round them without end."""
    edges: dict[Vertex, list[Edge]] = {}
    for flow_id, places in parsed.items():
        for place in places.values():
            paced = {exit.name for exit in place.node.exits(place.settings) if exit.paced}
            found = [Edge((flow_id, target), name) for name, target in place.exits.items() if name not in paced]
            found += [Edge((other, site.flows[other].start), "") for other in place.node.jumps(place.settings, site) if other in site.flows]
            edges[flow_id, place.id] = found
    for loop in loops(edges):
        (flow_id, step_id), edge = loop[0]
        at = ("flows", flow_id, "steps", step_id)
        way = " -> ".join(step if flow == flow_id else f"{flow}/{step}" for flow, step in (*(vertex for vertex, _ in loop), loop[0][0]))
        yield Problem(
            path_of((*at, "exits", edge.exit) if edge.exit else at),
            f"goes round for ever without waiting for anybody: {way}",
            "lead it elsewhere, or let the caller hear something on the way",
        )


def _unreached(flow_id: str, flow: Flow) -> Iterator[Problem]:
    waiting, seen = [flow.start], {flow.start}
    while waiting:
        step = flow.steps.get(waiting.pop())
        for target in step.exits.values() if step is not None else ():
            if target not in seen:
                seen.add(target)
                waiting.append(target)
    for step_id in flow.steps:
        if step_id not in seen:
            yield Problem(path_of(("flows", flow_id, "steps", step_id)), "is never reached", "lead an exit to it, or delete it")
