"""What can be read of a document with field errors, so that cross references are checked in the same breath."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, cast, get_args, get_origin

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from appliance.site.model.base import Part
from appliance.site.model.people import HOUSE_FLOW
from appliance.site.model.site import Site, house_flow

_CONFIG = ConfigDict(str_strip_whitespace=True)


def salvage(raw: Mapping[str, Any]) -> Site:
    """A Site of every field that parses. One that does not holds "" where text belongs, else its default; checks pass over "".

    Objects keep their ids even when nothing of them can be read, so that what refers to them is not reported as well.
    """
    site = cast(Site, part(Site, raw))
    return site if HOUSE_FLOW in site.flows else site.model_copy(update={"flows": {HOUSE_FLOW: house_flow(), **site.flows}})


def part(model: type[Part], raw: object) -> Part:
    """What can be read of one part, in the same way."""
    try:
        return model.model_validate(raw)
    except ValidationError:
        pass  # field by field, then
    fields = raw if isinstance(raw, Mapping) else {}
    values = {name: _field(info, fields[name]) if name in fields else _absent(info) for name, info in model.model_fields.items()}
    return model.model_construct(**values)


def _absent(info: FieldInfo) -> Any:
    return "" if info.is_required() else info.get_default(call_default_factory=True)


def _field(info: FieldInfo, value: object) -> Any:
    annotation = info.annotation
    origin, arguments = get_origin(annotation), get_args(annotation)
    if isinstance(annotation, type) and issubclass(annotation, Part):
        return part(annotation, value)
    if origin is dict and isinstance(value, Mapping):
        if isinstance(arguments[1], type) and issubclass(arguments[1], Part):
            return {str(key): part(arguments[1], item) for key, item in value.items()}
        return {str(key): _value(arguments[1], item, "") for key, item in value.items()}
    if origin is tuple and isinstance(value, list | tuple):
        if isinstance(arguments[0], type) and issubclass(arguments[0], Part):
            return tuple(part(arguments[0], item) for item in value)
        return tuple(_value(arguments[0], item, "") for item in value)
    default = _absent(info)
    blank = "" if default is None or isinstance(default, str) else default
    constraints = tuple(info.metadata)
    return _value(cast(Any, Annotated)[(annotation, *constraints)] if constraints else annotation, value, blank)


def _value(annotation: Any, value: object, blank: Any) -> Any:
    adapter: TypeAdapter[Any] = TypeAdapter(annotation, config=_CONFIG)
    try:
        return adapter.validate_python(value)
    except ValidationError:
        return blank
