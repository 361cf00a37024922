"""What is spoken to netd: one JSON object a line, `{"verb": …, "args": {…}}`, answered in order by `{"result": …}` or `{"error": {code, sentence, hint}}`."""

from __future__ import annotations

import json
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from appliance.errors import HoldfastError

MAX_FRAME = 1 << 20
"""Bytes of one line."""


class NetdError(HoldfastError):
    """netd is not there, or did not do it."""

    code = "netd"


class Args(BaseModel):
    """What a verb takes; anything else is refused."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


_A = TypeVar("_A", bound=Args)


def encode(message: dict[str, Any]) -> bytes:
    """One line."""
    return json.dumps(message, separators=(",", ":"), allow_nan=False).encode() + b"\n"


def decode(line: bytes) -> dict[str, Any]:
    """The object in one line. Raises NetdError "protocol"."""
    try:
        message = json.loads(line.decode())
    except (ValueError, RecursionError) as error:
        raise NetdError("This is not JSON", "one JSON object per line", code="protocol") from error
    if not isinstance(message, dict):
        raise NetdError("This is not a JSON object", "one JSON object per line", code="protocol")
    return message


def checked(kind: type[_A], given: Any) -> _A:
    """Raises NetdError "parameters" that names every mistake."""
    try:
        return kind.model_validate_json(json.dumps(given))
    except (ValidationError, TypeError, ValueError) as error:
        wrong = str(error)
        if isinstance(error, ValidationError):
            wrong = "; ".join(f"{'.'.join(map(str, each['loc'])) or 'arguments'}: {each['msg']}" for each in error.errors()[:10])
        raise NetdError(f"Wrong arguments: {wrong}"[:1000], "netd takes typed arguments and nothing else", code="parameters") from error
