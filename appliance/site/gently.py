"""Large JSON read in small steps: parsing in one go holds the interpreter, and with it the SIP thread, for as long as it takes."""

from __future__ import annotations

import json
import re
from typing import Any

_BLANK = re.compile(r"[ \t\n\r]*")
_DECODER = json.JSONDecoder()


def parse_json(text: str, depth: int = 3) -> Any:
    """`json.loads(text)`, the outer `depth` levels of objects entry by entry. Raises ValueError."""
    value, end = _value(text, _skip(text, 0), depth)
    if _skip(text, end) != len(text):
        raise ValueError("there is more after the end")
    return value


def _value(text: str, at: int, depth: int) -> tuple[Any, int]:
    if not depth or text[at : at + 1] != "{":
        return _DECODER.raw_decode(text, at)
    made: dict[str, Any] = {}
    at = _skip(text, at + 1)
    if text[at : at + 1] == "}":
        return made, at + 1
    while True:
        if text[at : at + 1] != '"':
            raise ValueError(f"a name is missing at {at}")
        key, at = _DECODER.raw_decode(text, at)
        at = _expect(text, at, ":")
        made[key], at = _value(text, at, depth - 1)
        at = _skip(text, at)
        if text[at : at + 1] == "}":
            return made, at + 1
        at = _expect(text, at, ",")


def _expect(text: str, at: int, what: str) -> int:
    at = _skip(text, at)
    if text[at : at + 1] != what:
        raise ValueError(f"{what} is missing at {at}")
    return _skip(text, at + 1)


def _skip(text: str, at: int) -> int:
    blank = _BLANK.match(text, at)
    return blank.end() if blank is not None else at
