"""Number patterns and regular expressions of steps. Nothing here backtracks: whatever a person writes costs time linear in what it is matched with."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import re2

MAX_MEMORY = 1 << 18
"""Bytes an expression may take when compiled; more is refused."""


@lru_cache(maxsize=4096)
def expression(text: str) -> Any:
    """`text` compiled by RE2. Raises ValueError with a sentence where it is none."""
    options = re2.Options()
    options.max_mem = MAX_MEMORY
    options.log_errors = False
    try:
        return re2.compile(text, options)
    except re2.error as error:
        why = error.args[0] if error.args else ""
        said = why.decode("utf-8", "replace") if isinstance(why, bytes) else str(why)
        raise ValueError(f"is no regular expression: {said}") from None


def matches(pattern: str, number: str) -> bool:
    """Whether `number` fits `pattern`: `x` any digit, `n` 2 to 9, a last `.` one key or more, everything else itself."""
    open_end = pattern.endswith(".")
    body = pattern.removesuffix(".")
    if len(number) <= len(body) if open_end else len(number) != len(body):
        return False
    return all(_fits(key, char) for key, char in zip(body, number, strict=False))


def begins(pattern: str, keys: str) -> bool:
    """Whether more keys after `keys` could make it fit `pattern` (without an open end)."""
    return len(keys) < len(pattern) and all(_fits(key, char) for key, char in zip(pattern, keys, strict=False))


def _fits(key: str, char: str) -> bool:
    if key in "xX":
        return char in "0123456789"
    if key in "nN":
        return char in "23456789"
    return key == char
