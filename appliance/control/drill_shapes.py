"""What the control socket answers of the outage drill. Sentences come without their full stop."""

from __future__ import annotations

from typing_extensions import TypedDict


class DrillCheck(TypedDict):
    """One thing that was looked at. `key`: "cut", "noticed", "phones", "inside", "emergency", "names", "outbox" or "back".

    `state`: "ok", "bad" or "unknown".
    """

    key: str
    state: str
    sentence: str


class DrillShape(TypedDict):
    """One drill. `state`: "cut" (the internet is cut now), "returning" (it is given back, and watched until it is trusted), or "over".

    `ended`: why it was over before its time, "" where it was not. `left_s`: until the cut ends. `ended_unix_s` None: it goes on.
    """

    id: str
    state: str
    began_unix_s: float
    ended_unix_s: float | None
    seconds: int
    left_s: float
    by: str
    interfaces: list[str]
    ended: str
    checks: list[DrillCheck]


class DrillResult(TypedDict):
    """`unable`: why there can be no drill on this machine, "" where there can.

    `last`: the one under way, or the report of the last one; None: there was none.
    """

    unable: str
    last: DrillShape | None
