"""Events as plain data, for the control socket's `events` topic and everything behind it."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from appliance.types import Address


def to_wire(event: Any) -> dict[str, Any]:
    """`{"type": class name, field: value…}` of an event dataclass; addresses as text, tuples as lists, bytes left out."""
    shape: dict[str, Any] = {"type": type(event).__name__}
    for field in fields(event):
        value = getattr(event, field.name)
        if not isinstance(value, bytes):
            shape[field.name] = _plain(value)
    return shape


def _plain(value: Any) -> Any:
    if isinstance(value, Address):
        return str(value)
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, set | frozenset):
        return sorted(_plain(item) for item in value)
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if hasattr(value, "__dataclass_fields__"):
        return to_wire(value)
    if value is None or isinstance(value, bool | int | float):
        return value
    return str(value)
