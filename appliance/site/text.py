"""Parts of a site document as TOML for people: headings from the document's top, one line per field, nothing that stands at its default."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, get_args, get_origin

from pydantic import TypeAdapter

from appliance.site.model.base import Part
from appliance.site.model.flows import Flow
from appliance.site.model.people import HOUSE_FLOW
from appliance.site.model.site import Site, house_flow
from appliance.site.wording import Loc, bare

WIDTH = 100
"""A group of fields that fits into so many columns stands on one line."""
_HEADED = 2
"""Objects (`users.dana`) always have a heading of their own, however short they are."""


def to_toml(value: Any, loc: Loc = (), *, complete: bool = False) -> str:
    """The JSON value at `loc` of a document as TOML, with `loc` as its heading, so that it reads back to the same place.

    Fields at their default are left out unless `complete`. TOML has no null: a field without a value is left out, too.
    """
    if loc == ("site",):
        loc = ()  # its fields stand at the top
    shown = value if complete else _changed(value, _model_at(loc))
    if not loc and not complete:
        shown = _without_house(shown)
    # A position in a list cannot be a heading: what stands there is written bare.
    names = [str(part) for part in loc] if not any(isinstance(part, int) for part in loc) else []
    if isinstance(shown, Mapping):
        lines = list(_table(names, shown, whole=bool(names)))
    elif names:
        lines = [*([f"[{_dotted(names[:-1])}]"] if names[:-1] else []), _line(names[-1], shown)]
    else:
        lines = [_list(shown) if _is_long_list(shown) else _value(shown)]
    return "\n".join(lines).strip("\n") + "\n"


def inline(value: Any) -> str:
    """Any JSON value on one line, for people: what stands behind the `=`."""
    return _value(value)


def _table(names: list[str], table: Mapping[str, Any], *, whole: bool) -> Iterator[str]:
    """The lines of a group: first what stands on one line, then the groups with headings. `whole`: it has a heading even when it is empty."""
    groups = {key: value for key, value in table.items() if isinstance(value, Mapping) and value}
    # All or none: between them, their order stays.
    headed = len(names) < _HEADED or any(len(_line(key, value)) > WIDTH for key, value in groups.items())
    lines = [_line(key, value) for key, value in table.items() if value is not None and not (headed and key in groups)]
    if names and (lines or (whole and not (headed and groups))):
        yield f"\n[{_dotted(names)}]"
    yield from lines
    if headed:
        for key, value in groups.items():
            yield from _table([*names, key], value, whole=len(names) + 1 == _HEADED)


def _line(key: str, value: Any) -> str:
    return f"{_key(key)} = {_list(value) if _is_long_list(value) else _value(value)}"


def _is_long_list(value: Any) -> bool:
    return isinstance(value, list) and (any(isinstance(item, Mapping) for item in value) or len(_value(value)) > WIDTH)


def _list(items: list[Any]) -> str:
    return "[\n" + "".join(f"    {_value(item)},\n" for item in items) + "]"


def _value(value: Any) -> str:
    """Any value on one line."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return f"[{', '.join(_value(item) for item in value if item is not None)}]"
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_key(key)} = {_value(held)}" for key, held in value.items() if held is not None) + " }" if value else "{}"
    return _quoted(value)


def _dotted(names: list[str]) -> str:
    return ".".join(_key(name) for name in names)


def _key(key: str) -> str:
    return key if key and all(c.isascii() and (c.isalnum() or c in "_-") for c in key) else _quoted(key)


def _quoted(value: Any) -> str:
    """JSON's escapes are TOML's, but for surrogate pairs, which ensure_ascii=False avoids, and DEL."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


# ---- what stands at its default ----------------------------------------------------------------------------------


def _changed(value: Any, model: Any) -> Any:
    """`value` without the fields that are as their model has them; what is no such model, or does not fit it, is left whole."""
    if isinstance(value, list):
        return [_changed(item, _inside(model)) for item in value]
    if not isinstance(value, Mapping):
        return value
    if not (isinstance(model, type) and issubclass(model, Part)):
        return {key: _changed(held, _inside(model)) for key, held in value.items()}
    kept = {}
    for key, held in value.items():
        field = model.model_fields.get(key)
        if field is None or held != _default(model, key):
            kept[key] = _changed(held, bare(field.annotation) if field is not None else None)
    return kept


@cache
def _default(model: type[Part], name: str) -> Any:
    """The default of a field as a JSON value; for one that must be given, something no JSON value equals."""
    field = model.model_fields[name]
    return ... if field.is_required() else TypeAdapter(Any).dump_python(field.get_default(call_default_factory=True), mode="json")


def _without_house(document: Any) -> Any:
    """House dialling as every site has it is made where it is missing."""
    flows = document.get("flows")
    if not isinstance(flows, Mapping) or flows.get(HOUSE_FLOW) != _changed(house_flow().model_dump(mode="json"), Flow):
        return document
    others = {key: flow for key, flow in flows.items() if key != HOUSE_FLOW}
    return {**document, "flows": others} if others else {key: held for key, held in document.items() if key != "flows"}


def _inside(model: Any) -> Any:
    """The model of a dictionary's or list's entries."""
    arguments = get_args(model)
    if get_origin(model) is dict:
        return bare(arguments[1])
    return bare(arguments[0]) if get_origin(model) is tuple else None


def _model_at(loc: Loc) -> Any:
    here: Any = Site
    for part in loc:
        fields = getattr(here, "model_fields", None)
        field = fields.get(part) if fields is not None else None
        here = _inside(here) if fields is None else bare(field.annotation) if field is not None else None
    return here
