"""What the control socket answers of the internet connection. Sentences come without their full stop."""

from __future__ import annotations

from typing_extensions import TypedDict


class WanSummary(TypedDict):
    """`state`: "unknown", "up", "poor" (somebody outside answers, and somebody does not) or "down". `interface` "": no way out has a link."""

    state: str
    since_unix_s: float
    why: str
    interface: str
    gateway: str


class WanEvidence(TypedDict):
    """One thing that is known. `state`: "ok", "bad" or "unknown"; `since_unix_s` None: not known since when."""

    source: str
    state: str
    sentence: str
    since_unix_s: float | None


class WanChange(TypedDict):
    at_unix_s: float
    state: str
    before: str
    why: str


class UplinkShape(TypedDict):
    """A default route. `state`: "outside" (somebody outside answers over it), "gateway" (its gateway alone), "silent", "cut" (no link) or "unknown"."""

    interface: str
    gateway: str
    state: str
    used: bool


class WayShape(TypedDict):
    """A way out. `kind`: "trunk", "gateway" (on the site's own network) or "modem"; `standing`: "works", "unknown", "failing" or "cut" (nothing can leave)."""

    id: str
    name: str
    kind: str
    standing: str
    reason: str
    enabled: bool


class WaysResult(TypedDict):
    """The ways out as calls take them now, best first, and those that would be left without internet. `number`: an emergency number of the country."""

    number: str
    emergency: list[WayShape]
    outside: list[WayShape]
    emergency_without_internet: list[WayShape]
    outside_without_internet: list[WayShape]


class WanResult(WanSummary):
    """All of it.

    `uplinks`: the default routes by their metrics; `uplinks_note`: which of several is used, and why, or "".
    `trusted_in_s`: it is better, and believed so soon; None: nothing is awaited. `changes`: the newest first, since `started_unix_s` at most.
    """

    evidence: list[WanEvidence]
    ways: WaysResult
    uplinks: list[UplinkShape]
    uplinks_note: str
    changes: list[WanChange]
    trusted_in_s: float | None
    started_unix_s: float
    link_seconds: float
    silence_seconds: float
    trust_seconds: float
