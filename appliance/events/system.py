"""Events of the box itself: it started, something is wrong or is right again. Times are wall clock (Unix seconds)."""

from __future__ import annotations

from dataclasses import dataclass

from appliance.types import Address


@dataclass(frozen=True, slots=True)
class EngineStarted:
    """SIP is up on `addresses`, running site revision `revision`. `rescue`: the last revision that ran well, emergency and local calls only."""

    at_unix_s: float
    version: str
    revision: int
    addresses: tuple[Address, ...]
    rescue: bool = False
    crashes: int = 0


@dataclass(frozen=True, slots=True)
class Alarm:
    """Something a person should know. `code` is stable and names the matter (`trunk-down:acme`); `cleared`: the matter of that code is over."""

    at_unix_s: float
    code: str
    sentence: str
    hint: str = ""
    cleared: bool = False


@dataclass(frozen=True, slots=True)
class HealthChanged:
    """The check `name` of the machine's health went from one level ("ok", "look", "bad") to another; `cure` "" where it is well again."""

    at_unix_s: float
    name: str
    level: str
    before: str
    sentence: str
    cure: str
