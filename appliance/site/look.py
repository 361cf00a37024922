"""The site as it is at one moment, read from several files that others may be writing: what is in force, and the candidate."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from appliance.errors import Conflict, HoldfastError, StateError
from appliance.site.candidate import Candidate
from appliance.site.canonical import canonical
from appliance.site.commit import Place
from appliance.site.model.site import Site
from appliance.site.paths import Loc, find, object_of, put, version_of
from appliance.site.store import Revision
from appliance.site.wording import path_of

_RECENT = 5
"""Revisions that are looked through for what somebody read before a conflict."""


@dataclass(frozen=True, slots=True)
class Look:
    """`document` is in force; `seal` breaks when anything changes (`Place.seal`)."""

    revision: Revision
    site: Site
    document: dict[str, Any]
    candidate: Candidate
    seal: tuple[object, ...]


def look(place: Place, tolerant: bool = False) -> Look:
    """Read until nothing has changed meanwhile. `tolerant`: a damaged candidate counts as none. Raises StateError."""
    while True:
        seal = place.seal()
        revision, site = place.store.current()
        document = site.model_dump(mode="json")
        try:
            candidate = place.candidates.read()
        except StateError:
            if not tolerant:
                raise
            candidate = None
        if seal == place.seal():
            return Look(revision, site, document, candidate or Candidate(document), seal)


def version_at(document: Mapping[str, Any], loc: Loc) -> int:
    """The version of what stands at `loc`: of the object it is a part of."""
    return version_of(find(document, object_of(loc), None))


def expect(place: Place, seen: Look, loc: Loc, yours: Any, expected: int | None) -> None:
    """Raises Conflict where the candidate has another version at `loc` than `expected` (None: any will do). `yours`: what was to be written there."""
    if expected is None:
        return
    document = seen.candidate.document
    version = version_at(document, loc)
    if expected != version:
        raise Conflict(path_of(loc), find(document, loc, None), yours, version, _base(place, seen, loc, expected))


def _base(place: Place, seen: Look, loc: Loc, version: int) -> Any:
    """What stood at `loc` when its object had `version`; None where nobody knows any more."""
    whole = object_of(loc)
    past = seen.candidate.earlier(whole, version)
    if past is not None:
        return find(put({}, whole, past), loc, None)
    for revision in (seen.revision, *place.store.history()[:_RECENT]):
        with contextlib.suppress(HoldfastError):
            document = canonical(place.store.read(revision.number).model_dump(mode="json"))
            if version_at(document, loc) == version:
                return find(document, loc, None)
    return None
