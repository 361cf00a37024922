"""Walks a call or a text message through graphs, step by step, within bounds, and never into silence."""

from __future__ import annotations

import logging
from collections.abc import Callable

from appliance.callflow.graph import Graph, Place
from appliance.callflow.library import Library
from appliance.callflow.node import Jump, Way
from appliance.callflow.run import Run
from appliance.callflow.text import TextRun
from appliance.calls.plan import Outcome
from appliance.calls.program import CallerGone

log = logging.getLogger(__name__)

MAX_STEPS = 200
FAULT = Outcome(500, "A Step Of The Flow Failed", "error", 41)
ENDLESS = Outcome(482, "Loop Detected In The Flow", "error", 25)

Watch = Callable[[Graph, Place, Way], None]
"""Told each step that was taken, and the way out of it."""


async def walk(run: Run, graph: Graph, library: Library, watch: Watch | None = None) -> None:
    """Take `run`'s caller from the start of `graph` to the end. Raises CallerGone, and CancelledError when the call is taken down."""
    place = graph.places[graph.start]
    for _ in range(MAX_STEPS):
        try:
            way: Way = await place.node.run(run, place.settings)
        except CallerGone:
            raise
        except Exception:
            log.exception("call %s: step %s of flow %s failed", run.port.call_id, place.id, graph.id)
            run.port.note(f"{place.id}: failed, see the log")
            await _apologise(run, "fault", FAULT)
            return
        run.port.note(_line(place, way))
        if watch is not None:
            watch(graph, place, way)
        if way is None:
            return
        if isinstance(way, Jump):
            found = library.flow(way.flow)
            if found is None:
                log.error("call %s: flow %s cannot run", run.port.call_id, way.flow)
                run.port.note(f"flow {way.flow} cannot run")
                await _apologise(run, "fault", FAULT)
                return
            if way.user is not None:
                run.become(way.user)
            graph, place = found, found.places[found.start]
        elif way in place.exits:
            place = graph.places[place.exits[way]]
        else:
            await run.over()
            return
    log.error("call %s: %d steps without an end, the last in flow %s", run.port.call_id, MAX_STEPS, graph.id)
    run.port.note(f"ended after {MAX_STEPS} steps")
    await _apologise(run, "too-long", ENDLESS)


async def walk_text(run: TextRun, graph: Graph, library: Library) -> None:
    """The same for a text message: what nobody took is answered so."""
    place = graph.places[graph.start]
    for _ in range(MAX_STEPS):
        way: Way = await place.node.text(run, place.settings)
        run.port.note(_line(place, way))
        if isinstance(way, Jump):
            found = library.flow(way.flow)
            if found is None:
                run.port.note(f"flow {way.flow} cannot run")
                return
            if way.user is not None:
                run.become(way.user)
            graph, place = found, found.places[found.start]
        elif way is not None and way in place.exits:
            place = graph.places[place.exits[way]]
        else:
            return
    run.port.note(f"ended after {MAX_STEPS} steps")


def _line(place: Place, way: Way) -> str:
    if isinstance(way, Jump):
        return f"{place.id}: flow {way.flow}" + (f" as {way.user}" if way.user is not None else "")
    if way is None:
        return place.id
    return f"{place.id}: {way} -> {place.exits.get(way, 'end')}"


async def _apologise(run: Run, words: str, outcome: Outcome) -> None:
    """Say why it ends, without cost where nothing was answered yet, and end it."""
    port = run.port
    try:
        if not port.answered:
            await port.early()
        await run.play(await run.words(words))
        await run.over(outcome)
    except CallerGone:
        raise
    except Exception:
        log.exception("call %s: not even an apology could be played", port.call_id)
        port.hang_up(outcome)
