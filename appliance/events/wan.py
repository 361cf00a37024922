"""Events of the internet connection. Times are wall clock (Unix seconds)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class WanChanged:
    """The internet went from one state ("unknown", "up", "poor", "down") to another; `why` is a sentence without its full stop."""

    at_unix_s: float
    state: str
    before: str
    why: str


@dataclass(frozen=True, slots=True)
class DrillChanged:
    """Something is new about the outage drill `id`; `state` is "cut", "returning" or "over"."""

    at_unix_s: float
    id: str
    state: str
