"""The API about itself: who asks, its description for programs (OpenAPI) and for people."""

from __future__ import annotations

import json
import re
from functools import cache
from typing import Any

from flask import Response, render_template
from markupsafe import Markup, escape

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
    """All of it for people to read."""
    return Response(_page(), content_type="text/html; charset=utf-8")


def _page() -> str:
    shown = described()
    tags: dict[str, list[dict[str, Any]]] = {}
    for path, methods in shown["paths"].items():
        for method, each in methods.items():
            tags.setdefault(each["tags"][0], []).append({"method": method.upper(), "path": path, **each})
    schemas = {name: schema for name, schema in sorted(shown["components"]["schemas"].items()) if "properties" in schema}
    more = {"words": WORDS, "usual": USUAL, "headers": HEADERS, "kind": _kind, "marked": _marked}
    return render_template("api.html", root=ROOT, info=shown["info"], tags=tags, schemas=schemas, **more)


def _marked(text: str) -> Markup:
    """`words` as code."""
    return Markup(re.sub(r"`([^`]*)`", r"<code>\1</code>", escape(text)))  # noqa: S704  (escaped)


def _kind(schema: dict[str, Any]) -> str:
    """What a field takes, in a few words; a name is that of a schema."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if choices := schema.get("anyOf"):
        return " or ".join(map(_kind, choices))
    if "enum" in schema:
        return ", ".join(map(json.dumps, schema["enum"]))
    kind = schema.get("type", "any value")
    if kind == "array":
        return f"list of {_kind(schema['items'])}" if "items" in schema else "list"
    return " or ".join(kind) if isinstance(kind, list) else str(kind)
