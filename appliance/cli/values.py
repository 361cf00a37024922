"""A value typed on the command line, as the field it is for wants it: JSON, plain text, or a list with commas."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from typing import Annotated, Any, cast, get_args, get_origin

from pydantic import ConfigDict, TypeAdapter, ValidationError

from appliance.errors import HoldfastError
from appliance.site.model.site import Site
from appliance.site.paths import Loc
from appliance.site.wording import bare

_CONFIG = ConfigDict(str_strip_whitespace=True)
_SECRETS = {("devices", "secret"), ("trunks", "secret"), ("mailboxes", "pin"), ("users", "password")}


def is_secret(loc: Loc) -> bool:
    """Whether what stands at `loc` goes to the vault."""
    return len(loc) == 3 and (loc[0], loc[2]) in _SECRETS


def typed(loc: Loc, text: str) -> Any:
    """What `text` means at `loc`, as a JSON value: the first reading the field takes. Raises HoldfastError for half a group."""
    if is_secret(loc):
        return text
    readings = list(_readings(text))
    wanted = _annotation(loc)
    if wanted is None:
        return readings[0]
    adapter: TypeAdapter[Any] = TypeAdapter(wanted) if hasattr(wanted, "model_fields") else TypeAdapter(wanted, config=_CONFIG)
    for reading in readings:
        try:
            adapter.validate_python(reading)
        except ValidationError:
            continue
        return reading
    # An extension that is too short is text still, and its fault is not that it has no quotes.
    return text if _is_text(wanted) else readings[0]


def _readings(text: str) -> Iterator[Any]:
    try:
        yield json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        if text.lstrip()[:1] in {"{", "["}:
            try:
                yield json.loads(json.dumps(tomllib.loads(f"value = {text}")["value"]))
            except (ValueError, TypeError, RecursionError):
                # Text that only looks like a group would be kept as text, which nobody means.
                hint = """quote it for the shell: '{"name": "Dana", "extension": "203"}'"""
                raise HoldfastError("The value is neither JSON nor TOML", hint, code="value") from None
    yield text
    if "," in text:
        yield [part.strip() for part in text.split(",") if part.strip()]
    yield [text]


def _no_constant(name: str) -> Any:
    raise ValueError(name)


def _annotation(loc: Loc) -> Any:
    """The type at `loc` with its rules; None where the models have none of their own (settings of a step)."""
    here: Any = Site
    wanted: Any = Site
    for part in loc:
        fields = getattr(here, "model_fields", None)
        if fields is not None:
            if part not in fields:
                return None
            info = fields[part]
            wanted = cast(Any, Annotated)[(info.annotation, *info.metadata)] if info.metadata else info.annotation
            here = bare(info.annotation)
        elif get_origin(here) in {dict, tuple} and get_args(here):
            wanted = get_args(here)[1 if get_origin(here) is dict else 0]
            here = bare(wanted)
        else:
            return None
    return wanted


def _is_text(wanted: Any) -> bool:
    plain = bare(wanted)
    return plain is str or getattr(plain, "__origin__", None) is str
