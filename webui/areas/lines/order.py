"""In which order outside calls try the lines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from webui.place import place


def outbound() -> Mapping[str, Any]:
    """The settings of outside dialling in the candidate."""
    held = place().document().get("outbound")
    return held if isinstance(held, Mapping) else {}


def used() -> list[str]:
    """The ids of the lines that outside calls try, the first first."""
    chosen, there = outbound().get("trunks"), place().kind("trunks")
    named = [key for key in chosen if key in there] if isinstance(chosen, list | tuple) else []
    return named or [key for key, trunk in there.items() if trunk.get("enabled", True)]


def in_order() -> list[tuple[str, str]]:
    """(id, name) of every line, those that outside calls try first in their order."""
    there, first = place().kind("trunks"), used()
    return [(key, str(there[key].get("name") or key)) for key in (*first, *(key for key in there if key not in first))]


def moved(order: list[str], key: str, where: str) -> list[str]:
    """`order` with `key` one place "up" or "down", or at its end ("add")."""
    if key not in order:
        return [*order, key]
    at = order.index(key)
    to = max(0, min(len(order) - 1, at + {"up": -1, "down": 1}.get(where, 0)))
    rest = [each for each in order if each != key]
    return [*rest[:to], key, *rest[to:]]
