"""Field errors in plain words: pydantic's findings translated into a path, what is wrong and a value that would work."""

from __future__ import annotations

import difflib
import ipaddress
import re
import types
from collections.abc import Iterable, Mapping
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from appliance.errors import Problem
from appliance.site.model.site import Site

Loc = tuple[int | str, ...]

EXPECTED: dict[str, tuple[str, str]] = {
    r"^[a-z0-9][a-z0-9-]{0,62}$": ("is not an id", 'small letters, digits and hyphens, at most 63, beginning with a letter or digit: "front-desk"'),
    r"^[0-9]{2,8}$": ("is not an extension", '2 to 8 digits: "205"'),
    r"^[A-Za-z0-9._+-]{1,64}$": ("is not a SIP user name", 'letters, digits and . _ + - without spaces, at most 64: "desk-205"'),
    r"^\+[1-9][0-9]{6,14}$": ("is not a full telephone number", 'write + and the country code, 7 to 15 digits, no spaces: "+12125550123"'),
    r"^[A-Za-z0-9]([A-Za-z0-9.:-]{0,252}[A-Za-z0-9])?$": ("is not a host name or address", 'a name or an address, without sip: or a port: "sip.example.net"'),
    r"^[0-9*#]{1,12}$": ("is not a number that can be dialled", '1 to 12 of the digits 0-9, * and #: "5555"'),
    r"^[0-9*#]{0,3}$": ("is not an outside prefix", 'up to 3 of the digits 0-9, * and #, or nothing: "9"'),
    r"^[A-Z]{2}$": ("is not a country", 'two capital letters (ISO 3166): "US"'),
    r"^[a-z]{2,3}(-[a-z0-9]{2,8}){0,2}$": ("is not a language", 'small letters: "en-us", "de", "fr"'),
    r"^[a-z][a-z-]{1,30}$": ("is not a kind of step", 'small letters and hyphens: "dial", "hang-up"'),
    r"^[A-Za-z0-9*#][A-Za-z0-9*#_-]{0,39}$": ("is not the name of an exit", 'letters, digits, * # _ and -, at most 40: "no-answer", "1"'),
    r"^([01][0-9]|2[0-3]):[0-5][0-9]$|^24:00$": ("is not a time of day", 'hours and minutes, two digits each: "08:30", "24:00" for the end of the day'),
    r"^([0-9]{4}-)?(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$": ("is not a day", 'month and day for every year, "12-25", or with the year, "2026-12-24"'),
    r"^[0-9a-f]{64}$": ("is not the SHA-256 of a recording", "64 hexadecimal digits; `holdfast audio` adds recordings"),
}
"""Each pattern of the models with what it stands for and a value that fits."""


def path_of(loc: Iterable[int | str]) -> str:
    """`("users", "dana", "extension")` as `users.dana.extension`; list positions in brackets, odd keys in quotes."""
    path = ""
    for part in loc:
        if isinstance(part, int):
            path += f"[{part}]"
        else:
            word = part if re.fullmatch(r"[A-Za-z0-9_-]+", part) else quoted(re.sub(r'(["\\])', r"\\\1", part))
            path += f".{word}" if path else word
    return path


def quoted(value: object) -> str:
    """A value for a sentence: in quotes when it is text, shortened, and safe to print whatever it holds."""
    text = str(value)
    text = "".join(c if c.isprintable() else "\ufffd" for c in (text if len(text) <= 40 else text[:39] + "…"))
    return f'"{text}"' if isinstance(value, str) else text


def close(word: str, known: Iterable[str]) -> str:
    """A hint naming what was probably meant, or what there is; "" when there is nothing to name."""
    names = sorted(known)
    matches = difflib.get_close_matches(word, names, 1, 0.6) or difflib.get_close_matches(word.lower(), names, 1, 0.6)
    if matches:
        return f'did you mean "{matches[0]}"?'
    return f"there is {', '.join(names[:8])}{' and more' if len(names) > 8 else ''}" if names else ""


def translate(error: ValidationError, at: Loc = (), root: type[BaseModel] | None = None) -> tuple[Problem, ...]:
    """Every finding of `error`, which comes of validating the part of a Site at `at`, in the order of the document.

    `root`: the model that was validated, where it is none of Site's own (the settings of a step).
    """
    found: dict[str, Problem] = {}
    for detail in error.errors(include_url=False):
        if detail["type"] == "too_short" and len(detail["input"]) >= detail["ctx"]["min_length"]:
            continue  # It counts only the entries that are right; the others have their own words.
        problem = _problem(detail, at, root)
        # A field of two types is reported once for each: one sentence, and what either would take.
        if detail["loc"] and _is_choice(detail["loc"][-1]) and (first := found.get(problem.path)):
            problem = Problem(first.path, first.sentence, f"{first.hint}; or {problem.hint}")
        found[problem.path] = problem
    return tuple(found.values())


def _is_choice(part: int | str) -> bool:
    """Whether a part of a finding's place names one type of several, which is no place in the document."""
    return part == "constrained-str" or str(part).startswith("literal[")


def _problem(detail: ErrorDetails, at: Loc, root: type[BaseModel] | None) -> Problem:
    loc: Loc = (*at, *detail["loc"])
    if loc and (loc[-1] == "[key]" or _is_choice(loc[-1])):
        loc = loc[:-1]
    sentence, hint = _words(detail, loc, Site) if root is None else _words(detail, loc[len(at) :], root)
    return Problem(path_of(loc) or "document", sentence, hint)


def _words(detail: ErrorDetails, loc: Loc, root: type[BaseModel]) -> tuple[str, str]:
    kind, value, context = detail["type"], detail["input"], detail.get("ctx") or {}
    match kind:
        case "extra_forbidden":
            return "is not a known field", close(str(loc[-1]), _fields_at(loc[:-1], root))
        case "missing":
            return "is missing", _example(loc, root)
        case "string_pattern_mismatch":
            what, example = EXPECTED[str(context["pattern"])]
            return f"{quoted(value)} {what}", example
        case "string_type" if isinstance(value, int | float) and not isinstance(value, bool):
            return "must be text, and is a number", f'put it in quotes: "{quoted(value)}"'
        case "string_type" | "string_unicode":
            return f"must be text, and is {kind_of(value)}", _example(loc, root) or "write text in quotes"
        case "string_too_short":
            least = context["min_length"]
            return ("is empty", "write something here") if not value else (f"is shorter than {least} characters", f"use at least {least}")
        case "string_too_long":
            return f"is longer than {context['max_length']} characters", f"use at most {context['max_length']}"
        case "literal_error":
            return f"{quoted(value)} is not one of the choices", f"use {str(context['expected']).replace(chr(39), chr(34))}"
        case "greater_than_equal":
            return f"{quoted(value)} is too small", f"use {context['ge']} or more"
        case "less_than_equal":
            return f"{quoted(value)} is too large", f"use {context['le']} or less"
        case "ip_any_network":
            return f"{quoted(value)} is not a network", _network_hint(value)
        case "too_short":
            return "is empty" if not value else f"has fewer than {context['min_length']} entries", f"write at least {context['min_length']}"
        case "too_long":
            return f"has {context['actual_length']} entries and takes {context['max_length']}", f"write {context['max_length']}"
        case "invalid-json-value":
            return f"cannot be used here: {kind_of(value)}", "write text, a number, true or false, a list or a group of these"
        case "value_error":
            return str(context.get("error", detail["msg"])), ""
        case _:
            return _wrong_type(kind, value)


def _wrong_type(kind: str, value: object) -> tuple[str, str]:
    """A value of a type that does not belong there at all."""
    if kind.startswith("int"):
        return f"must be a whole number, and is {kind_of(value)}", "write digits without quotes, for example 30"
    if kind.startswith("bool"):
        return f"must be true or false, and is {kind_of(value)}", "write true or false without quotes"
    if kind in {"tuple_type", "list_type"}:
        return f"must be a list, and is {kind_of(value)}", 'write a list in brackets: ["…", "…"]'
    if kind in {"model_type", "model_attributes_type", "dict_type"}:
        return f"must be a group of fields, and is {kind_of(value)}", "write its fields under a heading of their own"
    return f"cannot be used here: {kind_of(value)}", ""


def kind_of(value: object) -> str:
    """What sort of JSON or TOML value it is, for a sentence; never the value."""
    match value:
        case None:
            return "nothing"
        case bool():
            return "true or false"
        case int():
            return "a number"
        case float():
            return "a number with a point"
        case str():
            return "text"
        case Mapping():
            return "a group of fields"
        case list() | tuple():
            return "a list"
        case _:
            return "a date or time"


def _network_hint(value: object) -> str:
    try:
        meant = ipaddress.ip_network(str(value), strict=False)
    except ValueError:
        return 'write an address and a prefix length: "192.168.10.0/24"'
    return f'the network of that address is "{meant}"'


def _example(loc: Loc, root: type[BaseModel]) -> str:
    """What a missing field wants, from the pattern of its type."""
    annotation = _annotation_at(loc, root)
    for pattern, (_, example) in EXPECTED.items():
        if pattern in str(annotation):
            return example
    return ""


def _fields_at(loc: Loc, root: type[BaseModel]) -> tuple[str, ...]:
    fields = getattr(_annotation_at(loc, root), "model_fields", {})
    return tuple(fields)


def _annotation_at(loc: Loc, root: type[BaseModel]) -> Any:
    """The type `root` and the models in it have at `loc`, constraints included as text can show them; None where the models have nothing."""
    here: Any = root
    for part in loc:
        fields = getattr(here, "model_fields", None)
        if fields is not None:
            field = fields.get(part)
            if field is None:
                return None
            here = bare(field.annotation)
            if not hasattr(here, "model_fields") and get_origin(here) is None:
                here = (here, *field.metadata)
        else:
            arguments = get_args(here)
            if not arguments:
                return None
            here = bare(arguments[1] if get_origin(here) is dict else arguments[0])
    return here


def bare(annotation: Any) -> Any:
    """`X` of `X | None`."""
    if get_origin(annotation) in {Union, types.UnionType}:
        return next(argument for argument in get_args(annotation) if argument is not type(None))
    return annotation


def size(count: int) -> str:
    """`812 bytes`, `3.4 MB`."""
    if count < 1000:
        return f"{count} bytes"
    for unit, above in (("kB", 1e6), ("MB", 1e9)):
        if count < above:
            return f"{count / above * 1000:.1f} {unit}"
    return f"{count / 1e9:.1f} GB"
