"""The description of the API (OpenAPI 3.1), made of the table of operations and of the models of the site themselves."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Callable, Iterator
from importlib.metadata import version
from typing import Any, get_args

from pydantic import BaseModel, TypeAdapter
from typing_extensions import TypedDict

from appliance.site.model.base import Part
from appliance.site.model.site import Site
from appliance.site.secrets import SLOTS, Slot
from appliance.site.tokens import SCOPES
from webui.api.problems import MEDIA
from webui.api.v1.body import FILE_TYPE
from webui.api.v1.caller import ANYBODY
from webui.api.v1.operation import IF_MATCH, IF_NONE_MATCH, ROOT, Document, File, Filled, Media, Operation, operations
from webui.api.v1.paging import Query
from webui.api.v1.shapes import ProblemItem

Schema = dict[str, Any]
Ref = Callable[[Any], Schema]

WORDS = {
    200: "Done.", 201: "Made.", 202: "Begun.", 204: "Done; there is nothing to say.", 304: "You have it already.",
    400: "The body is not what can be kept.", 401: "Nobody is known to ask.", 403: "Who asks may not do this.", 404: "There is no such thing.",
    409: "It does not fit what there is now.", 412: "Somebody changed it meanwhile; `conflict` has both values.", 413: "The body is too large.",
    415: "The body is of another type.", 422: "Something in it is wrong; `problems` says what.", 428: "Say which version is replaced: If-Match.",
    429: "Too many requests; Retry-After says when.", 503: "The engine does not run, or the disk refuses; `hint` says what to do.",
}  # fmt: skip
ABOUT = (
    "Everything the pages of the box do. Objects of the site are edited in the shared candidate and count from a commit on; each has a version (ETag) that a "
    "write gives back (If-Match), so that nobody writes over what somebody else changed. Lists come in pages: `next` is the cursor of the next one."
)
_TAG = {"type": "string", "pattern": '^(\\*|(W/)?"[!#-~]{0,40}")$'}
HEADERS = {
    IF_MATCH: ("The version that is replaced: the ETag it was read with, or * for whatever is there.", _TAG),
    IF_NONE_MATCH: ("On reading: the ETag you have. On writing *: only where nothing is there yet.", _TAG),
}


class ConflictItem(TypedDict):
    """Both values, and the one you had read where it is still known; `version`: what is there now."""

    path: str
    theirs: Any
    yours: Any
    base: Any
    version: int


class ProblemAnswer(TypedDict, total=False):
    """What went wrong (RFC 9457). `code` is stable, for programs; `detail` and `hint` are for people. `problems`: every mistake in what was sent."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    hint: str
    problems: list[ProblemItem]
    conflict: ConflictItem


def description() -> Schema:
    """The whole document."""
    schemas, ref = _schemas()
    paths: dict[str, Schema] = {}
    for each in operations:
        paths.setdefault(each.path, {})[each.method.lower()] = _operation(each, ref)
    scopes = " ".join(f"`{scope}`: {what}." for scope, what in SCOPES.items())
    return {
        "openapi": "3.1.0",
        "info": {"title": "Holdfast", "version": version("holdfast"), "description": ABOUT},
        "servers": [{"url": ROOT}],
        "tags": [{"name": name} for name in dict.fromkeys(each.tag for each in operations)],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": {str(status): _refusal(status, ref) for status in WORDS if status >= 400},
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": f"Made by `holdfast token new NAME --scopes …`. {scopes}"},
                "browser": {
                    "type": "apiKey", "in": "cookie", "name": "__Host-holdfast",
                    "description": "Somebody signed in to the pages; what writes also sends the page's token in the header X-CSRF.",
                },
            },
        },
    }  # fmt: skip


def _operation(each: Operation, ref: Ref) -> Schema:
    words = each.description
    if each.scope and each.scope != ANYBODY:
        words = f"{words} Takes the scope `{each.scope}`.".strip()
    made: Schema = {"operationId": each.id, "tags": [each.tag], "summary": each.summary, "description": words, "parameters": list(_parameters(each, ref))}
    made["security"] = [{"token": []}, {"browser": []}] if each.scope else []
    if each.body is not None:
        made["requestBody"] = _body(each.body, ref)
    made["responses"] = {str(status): _answer(status, shape, ref) for status, shape in each.answers.items()}
    made["responses"] |= {str(status): {"$ref": f"#/components/responses/{status}"} for status in each.statuses()}
    return made


def _parameters(each: Operation, ref: Ref) -> Iterator[Schema]:
    for name, kind in each.places.items():
        schema = {"type": "integer", "minimum": 0} if kind is int else {"minLength": 1, **ref(kind)}
        yield {"name": name, "in": "path", "required": True, "schema": schema}
    query = each.query.model_json_schema() if each.query is not Query else {}
    for name, schema in query.get("properties", {}).items():
        shown = {key: value for key, value in schema.items() if key not in {"title", "description"}}
        yield {"name": name, "in": "query", "required": False, "description": schema.get("description", ""), "schema": shown}
    for name in each.conditions:
        words, schema = HEADERS[name]
        yield {"name": name, "in": "header", "required": False, "description": words, "schema": schema}


def _body(body: type[BaseModel] | Document | File, ref: Ref) -> Schema:
    if isinstance(body, File):
        return {"required": True, "content": {FILE_TYPE: {"schema": {"type": "string", "format": "binary", "minLength": 1}}}}
    if isinstance(body, Document):
        if body.merge:
            patch = {"type": "object", "description": f"Some of the fields of {body.schema.__name__}, null for those that go.", "additionalProperties": True}
            return {"required": True, "content": {kind: {"schema": patch} for kind in ("application/merge-patch+json", "application/json")}}
        return {"required": True, "content": {"application/json": {"schema": ref(body.schema)}}}
    needed = any(field.is_required() for field in body.model_fields.values())
    return {"required": needed, "content": {"application/json": {"schema": ref(body)}}}


def _answer(status: int, shape: Any, ref: Ref) -> Schema:
    made: Schema = {"description": WORDS[status]}
    if isinstance(shape, Media):
        made["content"] = {shape.type: {"schema": {"type": "string", "format": "binary"}}}
    elif shape is not None:
        made["content"] = {"application/json": {"schema": _shape(shape, ref)}}
    return made


def _shape(shape: Any, ref: Ref) -> Schema:
    if not isinstance(shape, Filled):
        return ref(shape)
    one = ref(shape.shape)
    if shape.value is not None:
        one = {"allOf": [one, {"properties": {"value": {"anyOf": [ref(shape.value), {"description": "A value with mistakes: see problems."}]}}}]}
    if not shape.listed:
        return one
    after = {"type": ["string", "null"], "description": "The cursor of the next page; null: this is the last."}
    return {"type": "object", "properties": {"items": {"type": "array", "items": one}, "next": after}, "required": ["items", "next"]}


def _refusal(status: int, ref: Ref) -> Schema:
    made: Schema = {"description": WORDS[status], "content": {MEDIA: {"schema": ref(ProblemAnswer)}}}
    if status == 401:
        made["headers"] = {"WWW-Authenticate": {"schema": {"type": "string"}}}
    if status == 429:
        made["headers"] = {"Retry-After": {"description": "Seconds.", "schema": {"type": "integer"}}}
    return made


# ---- schemas -----------------------------------------------------------------------------------------------------


def _schemas() -> tuple[dict[str, Schema], Ref]:
    """The components, and what looks up the schema of any type that the operations use."""
    types = dict.fromkeys([ProblemAnswer, Site])
    for each in operations:
        types |= dict.fromkeys(kind for kind in each.places.values() if kind is not int)
        for shape in (each.body.schema if isinstance(each.body, Document) else each.body, *each.answers.values()):
            parts = (shape.shape, shape.value) if isinstance(shape, Filled) else () if isinstance(shape, File | Media) else (shape,)
            types |= dict.fromkeys(part for part in parts if part is not None)
    inputs: list[tuple[str, Any, TypeAdapter[Any]]] = [(str(index), "validation", TypeAdapter(each)) for index, each in enumerate(types)]
    made, whole = TypeAdapter.json_schemas(inputs, ref_template="#/components/schemas/{model}")
    found: dict[str, Schema] = whole.get("$defs", {})
    models = {model.__name__: model for model in _parts(Part)}
    for name, schema in found.items():
        if name in models:
            _describe(models[name], schema)
        _tidy(schema)
    for slot in SLOTS:
        _add_secret(found[_holder(slot).__name__], slot.field)
    known = {each: made[(str(index), "validation")] for index, each in enumerate(types)}
    return found, lambda wanted: known[wanted]


def _holder(slot: Slot) -> Any:
    """The model of what a secret belongs to."""
    annotation = Site.model_fields[slot.kind].annotation
    if not slot.only:
        return get_args(annotation)[1]
    assert isinstance(annotation, type) and issubclass(annotation, Part)
    return annotation.model_fields[slot.only].annotation


def _parts(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    for each in model.__subclasses__():
        yield each
        yield from _parts(each)


def _describe(model: type[BaseModel], schema: Schema) -> None:
    """What stands beneath a field in the source says what it is."""
    if not model.__module__.startswith("appliance."):
        return
    (body,) = ast.parse(textwrap.dedent(inspect.getsource(model))).body
    assert isinstance(body, ast.ClassDef)
    for field, words in zip(body.body, body.body[1:], strict=False):
        match field, words:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))) if name in schema.get("properties", {}):
                schema["properties"][name]["description"] = " ".join(text.split())
            case _:
                pass


def _tidy(schema: Schema) -> None:
    """Without what says nothing here: titles made of names, references to our own inventory."""
    for part in (schema, *schema.get("properties", {}).values()):
        part.pop("title", None)
        if words := part.get("description"):
            part["description"] = re.sub(r"\s*\(rows? [A-Z][0-9]+(, [A-Z][0-9]+)*\)", "", " ".join(words.split()))


def _add_secret(schema: Schema, field: str) -> None:
    words = "Kept in the vault and never shown; left out, it stays as it is."
    schema["properties"][field] = {"type": ["string", "null"], "writeOnly": True, "maxLength": 128, "description": words}
