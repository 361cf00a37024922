"""Which phone asks: by what it asks for, how it introduces itself, and the MAC address its packets come from."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from provisioning.catalogue import MAC, Family, Model, Role, families, family_of, model_named


@dataclass(frozen=True, slots=True)
class Asked:
    """One request. `path` is the file's name alone; `user_agent` "" where the protocol has none; `neighbour`: MAC address in the neighbour table, or ""."""

    path: str
    user_agent: str = ""
    neighbour: str = ""


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of who asks. `role` None: no file of this family."""

    mac: str
    family: Family | None
    model: Model | None
    written: str
    """The model as the phone wrote it, for the list of unassigned phones."""
    firmware: str
    role: Role | None
    agree: bool
    """The file's name, the User-Agent and the neighbour table name the same MAC address, as far as each names one, and the neighbour table does."""


@cache
def _regex(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern.replace("{mac}", MAC), re.IGNORECASE)


def plain_mac(text: str) -> str:
    """`80:5E:C0:11:22:33` -> `805ec0112233`."""
    return re.sub(r"[^0-9a-f]", "", text.casefold())


def _introduced(user_agent: str) -> tuple[Family, dict[str, str]] | None:
    for family in families().values():
        for pattern in family.user_agents:
            if found := _regex(pattern).match(user_agent):
                return family, {name: value or "" for name, value in found.groupdict().items()}
    return None


def _routed(family: Family, path: str) -> tuple[Role, str] | None:
    """(role, MAC address in the name or "")."""
    for route in family.routes:
        for pattern in route.paths:
            if found := _regex(pattern).fullmatch(path):
                return route.role, plain_mac(found.groupdict().get("mac") or "")
    return None


def identify(asked: Asked) -> Known:
    """Pure. The User-Agent decides the family, else the maker's part of a MAC address, else the one family that knows the file."""
    introduced = _introduced(asked.user_agent) if asked.user_agent else None
    said = introduced[1] if introduced else {}
    macs = [each for each in (plain_mac(said.get("mac", "")), asked.neighbour) if each]
    family = introduced[0] if introduced else None
    if family is None:
        inside = _regex(r".*?(?:^|[^0-9a-f]|cfg)" + MAC + r"(?:$|[^0-9a-f]).*").fullmatch(asked.path)
        family = next((found for mac in ([plain_mac(inside["mac"])] if inside else []) + macs if (found := family_of(mac))), None)
    if family is None:
        able = [each for each in families().values() if _routed(each, asked.path)]
        family = able[0] if len(able) == 1 else None
    routed = _routed(family, asked.path) if family else None
    named = [each for each in ([routed[1]] if routed else []) + macs if each]
    written = said.get("model", "")
    if family and not written and (name := _regex(r"snom(?P<model>[a-z]?[0-9]+[a-z]*)[-.].*").fullmatch(asked.path)):
        written = name["model"]
    return Known(
        mac=named[0] if named else "",
        family=family,
        model=model_named(family.id, written) if family and written else None,
        written=written,
        firmware=said.get("firmware", ""),
        role=routed[0] if routed else None,
        agree=bool(asked.neighbour) and len(set(named)) == 1,
    )
