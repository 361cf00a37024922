"""Who refers to an object: places in a document, found by the names of fields, so that nothing but the document is needed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from appliance.site.sentences import DESTINATIONS, REFERS
from appliance.site.wording import Loc


def uses(document: Mapping[str, Any], kind: str, id: str) -> list[Loc]:
    """Every place that names the object `id` of `kind` (`schedules`, `audio`); the candidate may hold anything."""
    return [loc for loc, of, named in references(document) if (of, named) == (kind, id)]


def references(document: Mapping[str, Any]) -> Iterator[tuple[Loc, str, str]]:
    """(place, kind, id) of everything in `document` that names another object by its id."""
    yield from _within(document, ())


def _within(value: Any, at: Loc) -> Iterator[tuple[Loc, str, str]]:
    match value:
        case {"kind": str(to), "target": str(target)} if at and at[-1] == "destination":
            if to in DESTINATIONS:
                yield at, DESTINATIONS[to], target
        case Mapping():
            for key, item in value.items():
                if key != "exits":  # names of steps, under names that authors choose
                    yield from _within(item, (*at, key))
        case list() | tuple():
            for index, item in enumerate(value):
                yield from _within(item, (*at, index))
        case str() if value:
            names = [part for part in at if isinstance(part, str)]
            # At the top of the document names stand for whole kinds.
            if len(names) > 1 and names[-1] in REFERS:
                yield at, REFERS[names[-1]], value
        case _:
            pass
