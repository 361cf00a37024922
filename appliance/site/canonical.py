"""The one form in which documents are kept and compared: what fits its model as the model writes it, defaults included; what does not, as it was given."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, cast, get_args, get_origin

from pydantic import ConfigDict, TypeAdapter, ValidationError

from appliance.errors import Problem
from appliance.site.model.base import Part
from appliance.site.model.people import HOUSE_FLOW
from appliance.site.model.site import Site, house_flow
from appliance.site.paths import SITE, TOP, Loc
from appliance.site.wording import translate

_CONFIG = ConfigDict(str_strip_whitespace=True)


def canonical(raw: Mapping[str, Any]) -> dict[str, Any]:
    """A whole document in the one form, complete with defaults; fields that do not fit stay as they are. JSON values in and out."""
    try:
        return Site.model_validate(raw).model_dump(mode="json")
    except ValidationError:
        return cast(dict[str, Any], _part(Site, raw))


@cache
def form() -> str:
    """Stands for the fields this version knows: a document put into the one form under the same needs no second time."""
    known: dict[str, tuple[str, ...]] = {}

    def note(annotation: Any) -> None:
        if isinstance(annotation, type) and issubclass(annotation, Part):
            if annotation.__name__ not in known:
                known[annotation.__name__] = tuple(annotation.model_fields)
                for info in annotation.model_fields.values():
                    note(info.annotation)
        else:
            for argument in get_args(annotation):
                note(argument)

    note(Site)
    return hashlib.sha256(repr(sorted(known.items())).encode()).hexdigest()[:16]


def canonical_object(loc: Loc, raw: Any) -> tuple[Any, tuple[Problem, ...]]:
    """One object (`paths.object_of`) in the one form, and what is wrong with its own fields."""
    if loc == SITE:
        fields = raw if isinstance(raw, Mapping) else {}
        made = {name: _field(Site, name, fields[name]) if name in fields else _default(Site, name) for name in TOP}
        return {**made, **{key: value for key, value in fields.items() if key not in made}}, _problems(fields)
    name = str(loc[0])
    alone = {loc[1]: raw} if len(loc) == 2 else raw
    held = _field(Site, name, alone)
    return held[loc[1]] if len(loc) == 2 else held, _problems({name: alone})


def _problems(fields: Mapping[str, Any]) -> tuple[Problem, ...]:
    try:
        Site.model_validate(fields)
    except ValidationError as error:
        return translate(error)
    return ()


def _part(model: type[Part], raw: Any) -> Any:
    """Field by field where the whole does not fit."""
    try:
        return model.model_validate(raw).model_dump(mode="json")
    except ValidationError:
        if not isinstance(raw, Mapping):
            return raw
    fields = {}
    for name, info in model.model_fields.items():
        if name in raw:
            fields[name] = _field(model, name, raw[name])
        elif not info.is_required():
            fields[name] = _default(model, name)
    return {**fields, **{key: value for key, value in raw.items() if key not in fields}}


def _field(model: type[Part], name: str, raw: Any) -> Any:
    adapter = _adapter(model, name)
    try:
        return adapter.dump_python(adapter.validate_python(raw), mode="json")
    except ValidationError:
        annotation = model.model_fields[name].annotation
    arguments = get_args(annotation)
    if isinstance(annotation, type) and issubclass(annotation, Part):
        return _part(annotation, raw)
    if get_origin(annotation) is dict and isinstance(raw, Mapping) and isinstance(arguments[1], type) and issubclass(arguments[1], Part):
        made = {key: _part(arguments[1], item) for key, item in raw.items()}
        missing = model is Site and name == "flows" and HOUSE_FLOW not in made  # as the model itself adds it where all flows fit
        return {HOUSE_FLOW: house_flow().model_dump(mode="json"), **made} if missing else made
    return raw


def _default(model: type[Part], name: str) -> Any:
    return _adapter(model, name).dump_python(model.model_fields[name].get_default(call_default_factory=True), mode="json")


@cache
def _adapter(model: type[Part], name: str) -> TypeAdapter[Any]:
    info = model.model_fields[name]
    annotation: Any = info.annotation
    if isinstance(annotation, type) and issubclass(annotation, Part):
        return TypeAdapter(annotation)  # a model has its own configuration
    return TypeAdapter(cast(Any, Annotated)[(annotation, *info.metadata)] if info.metadata else annotation, config=_CONFIG)
