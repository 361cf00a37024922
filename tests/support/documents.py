"""Random site documents, made from the models themselves: every field of every kind, right by its own rules (hypothesis strategies of JSON values)."""

from __future__ import annotations

import types
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Le
from hypothesis import strategies as st
from pydantic import IPvAnyNetwork, JsonValue, StringConstraints

from appliance.site.model.base import Part
from appliance.site.model.site import Site

# Without what text fields refuse (control characters), and with what files find hard: quotes, backslashes, line separators, emoji.
_LETTERS = st.one_of(st.sampled_from('aZ0 "\\\'#=[].-é\u2028\U0001f600'), st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")))
_TEXT = st.text(_LETTERS, max_size=12).map(str.strip)
EXAMPLES = {
    r"^[a-z0-9][a-z0-9-]{0,62}$": ["a", "b-1", "c", "house", "0d", "z" * 63],
    r"^[0-9]{2,8}$": ["10", "201", "00000000"],
    r"^[A-Za-z0-9._+-]{1,64}$": ["a", "Dana.desk_2+3-4"],
    r"^\+[1-9][0-9]{6,14}$": ["+1202555", "+123456789012345"],
    r"^[A-Za-z0-9]([A-Za-z0-9.:-]{0,252}[A-Za-z0-9])?$": ["a", "pbx.example.net", "2001:db8::1"],
    r"^[0-9*#]{1,12}$": ["1", "*98#", "123456789012"],
    r"^[0-9*#]{0,3}$": ["", "9", "*0#"],
    r"^[A-Z]{2}$": ["US", "DE"],
    r"^[a-z]{2,3}(-[a-z0-9]{2,8}){0,2}$": ["de", "en-us", "zh-latn-01"],
    r"^[a-z][a-z-]{1,30}$": ["dial", "hang-up"],
    r"^[A-Za-z0-9*#][A-Za-z0-9*#_-]{0,39}$": ["1", "*", "no-answer", "2_x#"],
    r"^([01][0-9]|2[0-3]):[0-5][0-9]$|^24:00$": ["00:00", "08:30", "24:00"],
    r"^([0-9]{4}-)?(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$": ["12-25", "2026-12-24", "02-29"],
    r"^[0-9a-f]{64}$": ["0" * 64, "af" * 32],
}
"""Each pattern of the models with texts that fit it; a new one belongs here, too."""
_JSON = st.recursive(
    st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | st.text(st.characters(codec="utf-8"), max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=5), inner, max_size=3),
    max_leaves=6,
)


def documents() -> st.SearchStrategy[dict[str, Any]]:
    """Raw documents that the models take. Ids refer to nothing in particular."""
    return _part(Site).filter(lambda raw: Site.model_validate(raw) is not None)


def objects(kind: str) -> st.SearchStrategy[dict[str, Any]]:
    """Raw objects of one kind, without their ids."""
    return _part(get_args(Site.model_fields[kind].annotation)[1])


def ids() -> st.SearchStrategy[str]:
    """Few enough that they meet."""
    return st.sampled_from(["a", "b-1", "c", "house", "0d"])


def _part(model: type[Part]) -> st.SearchStrategy[dict[str, Any]]:
    fields = {name: _value(info.annotation, info.metadata) for name, info in model.model_fields.items()}
    must = {name for name, info in model.model_fields.items() if info.is_required()}
    return st.fixed_dictionaries({name: fields[name] for name in must}, optional={name: fields[name] for name in fields if name not in must})


def _value(annotation: Any, metadata: list[Any] | tuple[Any, ...] = ()) -> st.SearchStrategy[Any]:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _value(arguments[0], [*arguments[1:], *metadata])
    if annotation is JsonValue:
        return _JSON
    if isinstance(annotation, type) and issubclass(annotation, Part):
        return _part(annotation)
    if origin is Literal:
        return st.sampled_from(arguments)
    if origin in {Union, types.UnionType}:
        return st.one_of(*(st.none() if argument is type(None) else _value(argument) for argument in arguments))
    if origin is dict:
        keys = ids() if "a-z0-9-" in str(arguments[0]) else _value(arguments[0])
        return st.dictionaries(keys, _value(arguments[1]), max_size=3)
    if origin is tuple:
        return st.lists(_value(arguments[0]), max_size=3) if arguments[-1] is Ellipsis else st.tuples(*map(_value, arguments)).map(list)
    if annotation is IPvAnyNetwork:
        return st.sampled_from(["10.0.0.0/8", "192.0.2.0/24", "2001:db8::/32"])
    if annotation is bool:
        return st.booleans()
    if annotation is int:
        return _number(metadata)
    return _text(metadata)


def _number(metadata: list[Any] | tuple[Any, ...]) -> st.SearchStrategy[int]:
    bounds = [bound for entry in metadata for bound in (entry, *getattr(entry, "metadata", ()))]
    least = max((bound.ge for bound in bounds if isinstance(bound, Ge)), default=-1000)
    most = min((bound.le for bound in bounds if isinstance(bound, Le)), default=100_000)
    return st.integers(int(str(least)), int(str(most)))


def _text(metadata: list[Any] | tuple[Any, ...]) -> st.SearchStrategy[str]:
    pattern = next((str(entry.pattern) for entry in metadata if getattr(entry, "pattern", None)), None)
    if pattern is not None:
        return st.sampled_from(EXAMPLES[pattern])
    constraints = next((entry for entry in metadata if isinstance(entry, StringConstraints)), StringConstraints())
    least, most = constraints.min_length or 0, min(constraints.max_length or 12, 12)
    return _TEXT.filter(lambda text: least <= len(text) <= most)
