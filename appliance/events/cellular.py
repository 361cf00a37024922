"""Events of the cellular modem. Times are wall clock (Unix seconds)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ModemStateChanged:
    """The modem is in another `state`, or has another `fault` ("": none); the words are those of `control.machine_shapes.CellularShape`."""

    at_unix_s: float
    state: str
    fault: str


@dataclass(frozen=True, slots=True)
class ModemUsed:
    """A call over the modem, or a text, is in another state."""

    at_unix_s: float
