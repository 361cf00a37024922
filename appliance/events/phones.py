"""Events of desk phones that ask for their settings."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PhoneAsked:
    """A phone was seen for the first time, was judged otherwise than before, or took its settings. `reason` "": it got what it asked for."""

    at_unix_s: float
    mac: str
    reason: str
