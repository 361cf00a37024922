"""What a program sent as JSON, read strictly: nothing that is said twice, that cannot be kept, or that is larger or deeper than anything of ours."""

from __future__ import annotations

import json
import math
from collections import Counter
from typing import IO, Any, NoReturn, TypeVar

from flask import request
from pydantic import BaseModel, ValidationError

from appliance.errors import DocumentError, Problem
from appliance.site.wording import path_of, quoted
from webui.api.problems import Refused

LARGEST = 1024 * 1024
LARGEST_SITE = 8 * 1024 * 1024
"""As for a site file."""
DEEPEST = 40
TYPES = ("application/json",)
FILE_TYPE = "application/octet-stream"
PATCH_TYPES = ("application/merge-patch+json", "application/json")

M = TypeVar("M", bound=BaseModel)


def read_json(types: tuple[str, ...] = TYPES, largest: int = LARGEST) -> Any:
    """The JSON value of the request's body; None: it has no body. Raises Refused (400, 413, 415), DocumentError for keys that stand twice."""
    data = request.stream.read(largest + 1)
    if len(data) > largest:
        drain()
        raise _too_large(largest)
    if not data.strip():
        return None
    if request.mimetype not in types:
        raise Refused(415, "media-type", f"{quoted(request.mimetype)} is not taken here", f"send Content-Type: {types[0]}")
    try:
        value = json.loads(data.decode("utf-8"), object_pairs_hook=_object, parse_constant=_constant)
    except RecursionError:
        raise _too_deep() from None
    except UnicodeDecodeError:
        raise Refused(400, "json", "The body is not UTF-8", "send JSON as UTF-8") from None
    except ValueError as error:
        raise Refused(400, "json", f"The body is not JSON: {error}"[:300], "correct that place") from None
    _look(value)
    return value


def open_file(types: tuple[str, ...], largest: int) -> IO[bytes]:
    """The body as a stream, once it is known to be a file of those types and not too large. Raises Refused (400, 413, 415)."""
    if (request.content_length or 0) > largest:
        drain()
        raise _too_large(largest)
    if request.mimetype not in {"", FILE_TYPE} and not request.mimetype.startswith(types):
        drain()
        raise Refused(415, "media-type", f"{quoted(request.mimetype)} is not taken here", f"send Content-Type: {FILE_TYPE}")
    if not request.content_length and not request.headers.get("Transfer-Encoding"):
        raise Refused(400, "empty", "The body is empty", "send the file as the body of the request")
    return request.stream


def drain() -> None:
    """Read what is left of the body: a client that still sends would not hear the answer."""
    while request.stream.read(1 << 16):
        pass


def checked(model: type[M], value: Any, what: str = "body") -> M:
    """`value` as `model`. Raises DocumentError with every mistake."""
    try:
        return model.model_validate({} if value is None else value)
    except ValidationError as error:
        problems = tuple(Problem(path_of(each["loc"]) or what, _words(each["msg"])) for each in error.errors(include_url=False, include_input=False)[:20])
        raise DocumentError(f"The {what} is not what this takes", problems) from None


def as_object(value: Any) -> dict[str, Any]:
    """`value`, which must be a JSON object. Raises DocumentError."""
    if not isinstance(value, dict):
        raise DocumentError("The body is not what this takes", (Problem("body", "must be an object", 'for example {"name": "Front desk"}'),))
    return value


def _words(text: str) -> str:
    return text[:1].lower() + text[1:]


class _Twice(ValueError):
    """A key stands twice: silently taking the last would lose something."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        key = next(key for key, count in Counter(key for key, _ in pairs).items() if count > 1)
        raise _Twice(f"{quoted(key)} stands twice in one object")
    return found


def _constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _look(value: Any) -> None:
    """Refuse what JSON can say and nothing of ours can keep."""
    todo = [(value, 1)]
    while todo:
        here, depth = todo.pop()
        if depth > DEEPEST:
            raise _too_deep()
        match here:
            case dict():
                todo += [(part, depth + 1) for pair in here.items() for part in pair]
            case list():
                todo += [(part, depth + 1) for part in here]
            case str():
                try:
                    here.encode()
                except UnicodeEncodeError:
                    raise Refused(400, "json", "The body holds half a character", "write characters whole: a surrogate never stands alone") from None
            case float() if not math.isfinite(here):
                raise Refused(400, "json", "The body holds a number that is too large", "use a smaller one")
            case _:
                pass


def _too_deep() -> Refused:
    return Refused(400, "json", "The body is nested too deeply", f"at most {DEEPEST} levels")


def _too_large(largest: int) -> Refused:
    return Refused(413, "too-large", "The body is too large", f"at most {largest // 1024} kB")
