"""Places in a site document: paths as people write them, what can stand there, reading and writing. Documents are JSON values, never changed in place."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any, TypeAlias, get_args, get_origin

from pydantic import JsonValue

from appliance.errors import NotFound
from appliance.site.model.base import Part
from appliance.site.model.site import Site
from appliance.site.wording import bare, close, path_of, quoted

Loc: TypeAlias = tuple[str | int, ...]

KINDS: tuple[str, ...] = tuple(name for name, info in Site.model_fields.items() if get_origin(info.annotation) is dict)
"""The kinds of objects: `users`, `devices`, …"""
GROUPS: tuple[str, ...] = tuple(name for name, info in Site.model_fields.items() if isinstance(info.annotation, type) and issubclass(info.annotation, Part))
"""Groups of settings that there is one of: `sip`, `outbound`, `emergency`."""
TOP: tuple[str, ...] = tuple(name for name in Site.model_fields if name not in KINDS and name not in GROUPS)
"""The fields at the top, which together are the object `site`."""
SITE: Loc = ("site",)

_STEP = re.compile(r'\.?([A-Za-z0-9_*#+-]+)|\.?"((?:[^"\\]|\\.)*)"|\[([0-9]{1,6})\]')
_ABSENT = object()


def parse_path(text: str) -> Loc:
    """`users.dana.extension`, `interfaces[0]`, `exits."a b"` as a location. `site`: all fields at the top; `site.name` is `name`. Raises NotFound."""
    loc: list[str | int] = []
    text, at = text.strip(), 0
    while at < len(text):
        step = _STEP.match(text, at)
        if step is None or (at == 0) == text[at].startswith((".", "[")):
            raise NotFound(f"{quoted(text)} is not a path", 'write names with points between: "users.dana.extension", "interfaces[0].address"')
        word, odd, index = step.groups()
        loc.append(int(index) if index is not None else word if word is not None else re.sub(r"\\(.)", r"\1", odd))
        at = step.end()
    return tuple(loc[1:]) if len(loc) > 1 and loc[0] == SITE[0] else tuple(loc)


def check_place(loc: Loc) -> None:
    """Raises NotFound, with what was meant, where no site document can have anything."""
    here: Any = Site
    for depth, part in enumerate(loc if loc != SITE else ()):
        path = path_of(loc[: depth + 1])
        if here is JsonValue or here is Any:
            return
        fields = getattr(here, "model_fields", None)
        if fields is not None:
            if part not in fields:
                raise NotFound(f"{path} is not a known field", close(str(part), fields))
            here = bare(fields[part].annotation)
            continue
        origin, arguments = get_origin(here), get_args(here)
        if (origin is dict) != isinstance(part, str) or origin not in {dict, tuple}:
            held = "a list: write its position in brackets" if origin is tuple else "a single value" if origin is not dict else "a group: write a name"
            raise NotFound(f"{path} cannot be: {path_of(loc[:depth])} is {held}", f"`{path_of(loc[:depth])}` is as far as it goes" if not origin else "")
        here = bare(arguments[1] if origin is dict else arguments[0])


def object_of(loc: Loc) -> Loc:
    """The object `loc` is a part of: `users.dana`, `sip`, `site`; a kind as a whole is its own."""
    if not loc:
        return ()
    if loc[0] in KINDS:
        return loc[:2]
    return loc[:1] if loc[0] in GROUPS else SITE


def read(document: Mapping[str, Any], loc: Loc) -> Any:
    """The value at `loc`. Raises NotFound."""
    found = find(document, loc)
    if found is _ABSENT:
        raise _missing(document, loc)
    return found


def find(document: Any, loc: Loc, default: Any = _ABSENT) -> Any:
    """The value at `loc`, else `default`."""
    if loc == SITE:
        return {name: document[name] for name in TOP if name in document}
    here = document
    for part in loc:
        inside = part in here if isinstance(here, Mapping) else isinstance(here, list) and isinstance(part, int) and part < len(here)
        if not inside:
            return default
        here = here[part]
    return here


def has(document: Mapping[str, Any], loc: Loc) -> bool:
    return find(document, loc) is not _ABSENT


def put(document: Mapping[str, Any], loc: Loc, value: Any) -> dict[str, Any]:
    """A document with `value` at `loc`; groups on the way are made, a list grows by one at its end. Raises NotFound where a list is shorter."""
    if loc == SITE:
        return {**{name: held for name, held in document.items() if name not in TOP}, **value}
    made: dict[str, Any] = _put(document, loc, 0, value)
    return made


def _put(here: Any, loc: Loc, depth: int, value: Any) -> Any:
    if depth == len(loc):
        return value
    part = loc[depth]
    if isinstance(part, int):
        items = list(here) if isinstance(here, list) else []
        if part > len(items):
            raise NotFound(f"{path_of(loc[: depth + 1])} is beyond the end of a list of {len(items)}", f"the next one is {path_of((*loc[:depth], len(items)))}")
        items[part : part + 1] = [_put(items[part] if part < len(items) else None, loc, depth + 1, value)]
        return items
    fields = dict(here) if isinstance(here, Mapping) else {}
    fields[part] = _put(fields.get(part), loc, depth + 1, value)
    return fields


def remove(document: Mapping[str, Any], loc: Loc) -> dict[str, Any]:
    """A document without what is at `loc`. Raises NotFound."""
    if not has(document, loc):
        raise _missing(document, loc)
    if loc == SITE or not loc:
        return {name: held for name, held in document.items() if loc and name not in TOP}
    above, last = loc[:-1], loc[-1]
    holder = find(document, above)
    if isinstance(holder, list):
        return put(document, above, [item for index, item in enumerate(holder) if index != last])
    return put(document, above, {key: item for key, item in holder.items() if key != last})


def version_of(value: Any) -> int:
    """A number that stands for this value: equal for equal values, another for others; 0 for None, that is, nothing there."""
    if value is None:
        return 0
    digest = hashlib.sha256(json.dumps(value, separators=(",", ":")).encode()).digest()
    # 52 bits: a whole number in every JSON reader.
    return int.from_bytes(digest[:7], "big") >> 4 or 1


def _missing(document: Mapping[str, Any], loc: Loc) -> NotFound:
    """Says what there is instead at the first step that leads nowhere."""
    depth = next(depth for depth in range(1, len(loc) + 1) if not has(document, loc[:depth]))
    holder = find(document, loc[: depth - 1])
    names = [str(key) for key in holder] if isinstance(holder, Mapping) else []
    return NotFound(f"There is no {path_of(loc[:depth])}", close(str(loc[depth - 1]), names))
