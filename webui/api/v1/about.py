"""The API about itself: who asks, its description for programs (OpenAPI) and for people."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from flask import Response, abort, render_template
from markupsafe import Markup, escape

from appliance.site.tokens import SCOPES
from webui.api.v1.caller import ANYBODY
from webui.api.v1.openapi import HEADERS, WORDS, description
from webui.api.v1.operation import ROOT, Ask, Reply, operation
from webui.api.v1.shapes import MeAnswer
from webui.guard import unguarded

TAG = "About"
USUAL = ("401", "403", "422", "429", "503")
"""What nearly everything may answer."""


@operation("GET", "/me", id="me", tag=TAG, scope=ANYBODY, answers={200: MeAnswer})
def me(ask: Ask) -> Reply:
    """Who asks, as the box writes it down, and what they may do."""
    return Reply({"name": ask.who.name, "scopes": sorted(ask.who.scopes), "expires_unix_s": ask.who.expires_unix_s})


@operation("GET", "/openapi.json", id="openapi", tag=TAG, scope="", answers={200: dict[str, Any]})
def openapi(ask: Ask) -> Reply:
    """This description. For programs that make clients of it."""
    return Reply(described())


@cache
def described() -> dict[str, Any]:
    """Made once, when somebody first asks."""
    return description()


@unguarded
def page() -> Response:
    """All of it for people to read, in short."""
    parts = {tag: each for tag, (each, _) in _parts().items()}
    shown = described()
    more = {"words": WORDS, "usual": USUAL, "headers": HEADERS, "problem": shown["components"]["schemas"]["ProblemAnswer"], "scopes": SCOPES}
    return _html("api/index.html", info=shown["info"], parts=parts, id_of=_id_of, **more)


@unguarded
def part(name: str) -> Response:
    """What belongs together, with every field of it."""
    tag = next((tag for tag in _parts() if _id_of(tag) == name), None)
    if tag is None:
        abort(404)
    here, schemas = _parts()[tag]
    return _html("api/part.html", tag=tag, operations=here, schemas=schemas, usual=USUAL, tags={each: _id_of(each) for each in _parts()})


def _html(template: str, **shown: Any) -> Response:
    return Response(render_template(template, root=ROOT, kind=_kind, marked=_marked, **shown), content_type="text/html; charset=utf-8")


def _id_of(tag: str) -> str:
    return tag.lower().replace(" ", "-")


@cache
def _parts() -> dict[str, tuple[list[dict[str, Any]], dict[str, Any]]]:
    """Each part of the API: its operations, and the schemas that they name, whatever these name in turn."""
    found: dict[str, tuple[list[dict[str, Any]], dict[str, Any]]] = {}
    for path, methods in described()["paths"].items():
        for method, each in methods.items():
            found.setdefault(each["tags"][0], ([], {}))[0].append({"method": method.upper(), "path": path, **each})
    known = described()["components"]["schemas"]
    for here, schemas in found.values():
        left = list(_named([{key: value for key, value in each.items() if key != "responses"} | {"ok": _good(each)} for each in here]))
        while left:
            name = left.pop()
            if name not in schemas and "properties" in known.get(name, {}):
                schemas[name] = known[name]
                left += _named(known[name])
    return {tag: (here, dict(sorted(schemas.items()))) for tag, (here, schemas) in found.items()}


def _good(each: dict[str, Any]) -> list[Any]:
    """What a success answers."""
    return [answer for status, answer in each["responses"].items() if status < "300"]


def _named(value: Any) -> Iterator[str]:
    """Names of the schemas that `value` refers to."""
    if isinstance(value, dict):
        if "$ref" in value:
            yield str(value["$ref"]).rpartition("/")[2]
        for held in value.values():
            yield from _named(held)
    elif isinstance(value, list):
        for held in value:
            yield from _named(held)


def _marked(text: str) -> Markup:
    """`words` as code. Markup itself would escape what is put into it."""
    return Markup(re.sub(r"`([^`]*)`", r"<code>\1</code>", str(escape(text))))  # noqa: S704  (escaped)


def _kind(schema: dict[str, Any]) -> Markup:
    """What a value is, in a few words; a name leads to its schema."""
    if "$ref" in schema:
        name = str(schema["$ref"]).rpartition("/")[2]
        listed = "properties" in described()["components"]["schemas"].get(name, {})
        return Markup('<a href="#s-{0}">{0}</a>').format(name) if listed else Markup("any value")
    if choices := schema.get("anyOf"):
        return Markup(" or ").join(map(_kind, choices))
    if whole := schema.get("allOf"):
        return _kind(whole[0])
    if "enum" in schema:
        return Markup(", ").join(map(json.dumps, schema["enum"]))
    if "next" in schema.get("properties", {}):
        return Markup("a page of {}").format(_kind(schema["properties"]["items"]["items"]))
    kind = schema.get("type", "any value")
    if kind == "array":
        return Markup("list of {}").format(_kind(schema["items"])) if "items" in schema else Markup("list")
    if kind == "object" and isinstance(each := schema.get("additionalProperties"), dict) and each:
        return Markup("object, each value {}").format(_kind(each))
    return Markup(" or ").join(kind if isinstance(kind, list) else [kind])
