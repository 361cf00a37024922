"""The table of everything the API does: each operation says what it takes, what it answers and who may use it; routes and the description are made of it."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any, NewType

from flask import Blueprint, Response, request
from pydantic import BaseModel
from werkzeug.exceptions import HTTPException

from appliance.errors import DocumentError, Problem
from webui.api.problems import Refused
from webui.api.v1 import body as bodies
from webui.api.v1.body import as_object, checked, read_json
from webui.api.v1.caller import Caller, gate
from webui.api.v1.conditions import not_modified, tag
from webui.api.v1.paging import Query
from webui.guard import take_large, unguarded

ROOT = "/api/v1"
Slashed = NewType("Slashed", str)
"""What stands in a path and may have slashes itself, as a network has: 2001:db8::/64."""
IF_MATCH, IF_NONE_MATCH = "If-Match", "If-None-Match"


@dataclass(frozen=True, slots=True)
class Ask:
    """A request that was let in. `query`, `body`: as the operation says they are."""

    who: Caller
    query: Any = None
    body: Any = None


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer. `version` goes into the ETag; `location`: the path of what was made."""

    value: Any = None
    status: int = 200
    version: int | None = None
    location: str = ""


@dataclass(frozen=True, slots=True)
class Document:
    """A body that is a part of the site, checked by the site itself. `schema`: the type it should have; `merge`: a merge patch of it (RFC 7396)."""

    schema: Any
    merge: bool = False
    largest: int = bodies.LARGEST


@dataclass(frozen=True, slots=True)
class File:
    """A body that is a file and no JSON; the view reads it from `Ask.body`, a binary stream. `types`: media types beside application/octet-stream, by their
    beginning. `largest` 0: what the disk has room for.
    """

    types: tuple[str, ...] = ()
    largest: int = bodies.LARGEST


@dataclass(frozen=True, slots=True)
class Filled:
    """An answer of type `shape` whose field `value` is a `value`, or, `listed`, a page of such answers."""

    shape: Any
    value: Any = None
    listed: bool = False


@dataclass(frozen=True, slots=True)
class Media:
    """An answer that is no JSON."""

    type: str


View = Callable[..., Reply | Response]


@dataclass(frozen=True, slots=True)
class Operation:
    """`scope` "" : open to everybody. `answers`: status -> type of its JSON value (None: empty), Filled or Media. `refusals`: statuses beside those that follow
    from the rest. `conditions`: the headers of RFC 9110 section 13 it heeds.
    """

    method: str
    path: str
    id: str
    tag: str
    scope: str
    summary: str
    description: str
    view: View
    query: type[Query]
    body: type[BaseModel] | Document | File | None
    answers: Mapping[int, Any]
    refusals: frozenset[int]
    conditions: tuple[str, ...] = ()
    places: Mapping[str, Any] = field(default_factory=dict)
    """What stands in the path, by name: its type."""
    heavy: bool = False
    """It starts a process."""

    def statuses(self) -> list[int]:
        """Every refusal it may answer with."""
        found = {422, *self.refusals}
        if self.scope:
            found |= {401, 403, 429, 503}
        if self.body is not None:
            found |= {400, 413, 415}
        if self.places:
            found.add(404)
        if self.conditions and self.method != "GET":
            found.add(412)
        return sorted(found)


operations: list[Operation] = []
_HEAVY = threading.BoundedSemaphore(2)
TURN_S = 20.0


def operation(
    method: str,
    path: str,
    *,
    tag: str,
    scope: str,
    answers: Mapping[int, Any],
    id: str,
    words: str = "",
    query: type[Query] = Query,
    body: type[BaseModel] | Document | File | None = None,
    refusals: Sequence[int] = (),
    conditions: tuple[str, ...] = (),
    places: Mapping[str, Any] | None = None,
    heavy: bool = False,
) -> Callable[[View], View]:
    """Put a view into the table. Its docstring (or `words`) describes it, the first sentence in short."""

    def add(view: View) -> View:
        text = re.sub(r"\s*\n\s*", " ", words or view.__doc__ or "").strip()
        summary, _, rest = text.partition(". ")
        named = re.findall(r"\{(\w+)\}", path)
        typed = {name: (places or {}).get(name, str) for name in named}
        short = summary.rstrip(".")
        operations.append(Operation(method, path, id, tag, scope, short, rest, view, query, body, answers, frozenset(refusals), conditions, typed, heavy))
        return view

    return add


def add_routes(blueprint: Blueprint) -> None:
    """Make every operation of the table a route."""
    for each in operations:
        rule = each.path
        for name, kind in each.places.items():
            converter = "int:" if kind is int else "path:" if kind is Slashed else ""
            rule = rule.replace(f"{{{name}}}", f"<{converter}{name}>")
        blueprint.add_url_rule(rule, each.id.replace(".", "-"), unguarded(_Served(each)), methods=[each.method], provide_automatic_options=False)


class _Served:
    """An operation as Flask calls it."""

    def __init__(self, served: Operation) -> None:
        self._operation = served
        self.__name__ = served.id.replace(".", "_")

    def __call__(self, **places: Any) -> Response:
        each = self._operation
        try:
            who = gate().admit(each.scope) if each.scope else Caller("", frozenset())
        except (Refused, HTTPException):
            bodies.drain()
            raise
        ask = Ask(who, self._query(), self._body())
        try:
            with _turn() if each.heavy else nullcontext():
                reply = each.view(ask, **places)
        finally:
            if isinstance(each.body, File):
                bodies.drain()
        return reply if isinstance(reply, Response) else respond(reply)

    def _query(self) -> Query:
        for name, values in request.args.lists():
            if len(values) > 1:
                raise DocumentError("The query is not what this takes", (Problem(name, "stands twice", "give it once"),))
        return checked(self._operation.query, request.args.to_dict(), "query")

    def _body(self) -> Any:
        wanted = self._operation.body
        match wanted:
            case None:
                return None
            case Document():
                return as_object(read_json(bodies.PATCH_TYPES if wanted.merge else bodies.TYPES, wanted.largest))
            case File():
                return bodies.open_file(wanted.types, wanted.largest or take_large())
            case _:
                return checked(wanted, read_json())


@contextmanager
def _turn() -> Iterator[None]:
    """What starts a process waits for its turn. Raises Refused."""
    if not _HEAVY.acquire(timeout=TURN_S):
        raise Refused(503, "busy", "Too much is being worked out at once", "ask again in a moment", headers={"Retry-After": "5"})
    try:
        yield
    finally:
        _HEAVY.release()


def respond(reply: Reply) -> Response:
    """A reply in JSON; 304 without a body where the one who asks has this version."""
    headers = {}
    if reply.version is not None:
        headers["ETag"] = tag(reply.version)
    if reply.location:
        headers["Location"] = f"{ROOT}{reply.location}"
    if reply.version is not None and request.method in {"GET", "HEAD"} and not_modified(reply.version):
        return Response(status=304, headers=headers)
    if reply.value is None:
        return Response(status=reply.status, headers=headers)
    return Response(json.dumps(reply.value), reply.status, headers=headers, content_type="application/json")
