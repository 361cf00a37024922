"""Events of the site document: what is in force, and for how long. Times are wall clock (Unix seconds)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SiteActivated:
    """Revision `revision` is in force in the engine; before it was `previous`."""

    at_unix_s: float
    revision: int
    previous: int


@dataclass(frozen=True, slots=True)
class CommitUnconfirmed:
    """`revision` goes back to the content of `previous` in `seconds_left` unless somebody confirms it."""

    at_unix_s: float
    revision: int
    previous: int
    seconds_left: float


@dataclass(frozen=True, slots=True)
class CommitSettled:
    """The unconfirmed commit of `revision` is over: `confirmed`, or taken back (then `current` is the revision that was made of the one before it)."""

    at_unix_s: float
    revision: int
    confirmed: bool
    current: int
