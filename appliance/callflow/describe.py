"""Kinds of steps as data for forms: the fields of their settings read off the JSON schema, so that a new kind has a form by itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from appliance.callflow.node import Node
from appliance.site.sentences import Names
from appliance.site.wording import quoted

LONG = 200
"""Characters from which on a text gets several lines to write in."""
_KINDS = {"user": "users", "device": "devices", "group": "groups", "mailbox": "mailboxes", "audio": "audio", "schedule": "schedules", "flow": "flows"}
_BRIEF = 60

Schema = Mapping[str, Any]


def describe(node: Node[Any]) -> dict[str, Any]:
    """What the kind says of itself, and "fields" (see `fields`)."""
    said = node.describe()
    return {**said, "fields": fields(said["settings"], said["settings"].get("$defs", {}))}


def fields(schema: Schema, known: Mapping[str, Schema]) -> list[dict[str, Any]]:
    """{"name", "label", "help", "control", "required", "default"} of every property, and what its control needs.

    "control": "text" and "lines" ("longest"), "number" ("minimum", "maximum", "unit"), "switch", "choice" ("options": {value, label}), "ref" ("refers"),
    "list" of texts ("refers" where they are references), "rows" ("fields", "one_of", "title"), else "json".
    """
    required = schema.get("required", ())
    return [_field(name, held, name in required, known) for name, held in schema.get("properties", {}).items()]


def _field(name: str, held: Schema, required: bool, known: Mapping[str, Schema]) -> dict[str, Any]:
    inner = _plain(held, known)
    title = str(held.get("title", ""))
    label = title if title and title != name.replace("_", " ").title() else name.removesuffix("_seconds").replace("_", " ").capitalize()
    made = {"name": name, "label": label, "help": held.get("description", ""), "required": required, "default": held.get("default")}
    return {**made, **_control(name, {**inner, **{key: held[key] for key in ("words",) if key in held}}, known)}


def _control(name: str, inner: Schema, known: Mapping[str, Schema]) -> dict[str, Any]:
    kind = inner.get("type")
    if "refers" in inner:
        return {"control": "ref", "refers": inner["refers"]}
    if "enum" in inner:
        words = inner.get("words", {})
        return {"control": "choice", "options": [{"value": str(value), "label": words.get(value, str(value))} for value in inner["enum"]]}
    if kind == "boolean":
        return {"control": "switch"}
    if kind == "integer":
        unit = "seconds" if name.endswith("_seconds") else ""
        return {"control": "number", "minimum": inner.get("minimum"), "maximum": inner.get("maximum"), "unit": unit}
    if kind == "string":
        longest = inner.get("maxLength")
        return {"control": "lines" if longest is not None and longest >= LONG else "text", "longest": longest}
    if kind == "array":
        item = _plain(inner.get("items", {}), known)
        if item.get("type") == "object":
            return {"control": "rows", "fields": fields(item, known), "one_of": list(item.get("one_of", ())), "title": item.get("title", "")}
        if item.get("type") == "string":
            return {"control": "list", "refers": item.get("refers", "")}
    return {"control": "json"}


def _plain(held: Schema, known: Mapping[str, Schema]) -> Schema:
    """A property without "or nothing", references followed."""
    if "$ref" in held:
        return _plain(known[str(held["$ref"]).rpartition("/")[2]], known)
    some = [each for each in held.get("anyOf", ()) if each.get("type") != "null"]
    return _plain(some[0], known) if len(some) == 1 else held


def summary(node: Node[Any], settings: Mapping[str, Any], names: Names) -> str:
    """What one step of the kind does, in a few words: whom it rings, what it says. `settings` may hold anything."""
    schema = node.settings.model_json_schema()
    return ", ".join(_told(fields(schema, schema.get("$defs", {})), settings, names))


def _told(known: list[dict[str, Any]], settings: Mapping[str, Any], names: Names) -> list[str]:
    told: list[str] = []
    for field in known:
        value = settings.get(field["name"])
        match field["control"]:
            case "ref" if isinstance(value, str):
                told.append(called(field["refers"], value, names))
            case "choice" if value not in (None, field["default"]):
                told += [each["label"] for each in field["options"] if each["value"] == value]
            case "text" | "lines" if isinstance(value, str) and value:
                told.append(quoted(value if len(value) <= _BRIEF else f"{value[: _BRIEF - 1]}…") if field["control"] == "lines" else value)
            case "list" if isinstance(value, list) and field["refers"]:
                told += [called(field["refers"], str(item), names) for item in value]
            case "switch" if value is True:
                told.append(str(field["label"]))
            case "rows" if isinstance(value, list):
                told += [word for item in value if isinstance(item, Mapping) for word in _told(field["fields"], item, names)[:1]]
            case _:
                pass
    return told


def called(refers: str, id: str, names: Names) -> str:
    """What people call an object that settings refer to."""
    return names.of(_KINDS[refers], id) if refers in _KINDS else id
