"""Events of trunks: one became usable or stopped being so. Times are wall clock (Unix seconds)."""

from __future__ import annotations

from dataclasses import dataclass

from appliance.types import TrunkId


@dataclass(frozen=True, slots=True)
class TrunkChanged:
    """`works` None: nothing is known yet. `registered` None: it does not register. `reachable` None: it has neither answered nor stayed silent so far.

    `code`, `reason`: what the carrier said last, or why nothing could be asked (code 0).
    """

    at_unix_s: float
    trunk: TrunkId
    name: str
    works: bool | None
    registered: bool | None
    reachable: bool | None
    code: int
    reason: str


@dataclass(frozen=True, slots=True)
class LineTested:
    """A test call over a trunk is in another state (`control.shapes.LineTestShape`); `code`: the carrier's answer, 0: none so far."""

    at_unix_s: float
    trunk: TrunkId
    state: str
    code: int
