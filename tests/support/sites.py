"""Site documents for tests, as plain dicts a test changes before it starts its box."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

Document = dict[str, Any]

MAIN_NUMBER = "+12025550100"
ELINS = ("+12025550111", "+12025550112")


def secret(extension: int | str) -> str:
    """The SIP secret of the device with that extension."""
    return f"secret-{extension}"


def make_site(phones: int = 3, *, first: int = 201) -> Document:
    """`phones` users with one device each: extension, SIP user and `secret(extension)` run from `first`. Two places, no trunk."""
    numbers = [str(first + index) for index in range(phones)]
    return {
        "name": "Test site",
        "domain": "holdfast.test",
        "country": "US",
        "main_number": MAIN_NUMBER,
        "users": {f"user-{n}": {"name": f"User {n}", "extension": n} for n in numbers},
        "devices": {f"phone-{n}": {"owner": f"user-{n}", "sip_user": n, "secret": secret(n), "location": "main"} for n in numbers},
        "trunks": {},
        "numbers": {},
        "outbound": {},
        "locations": {
            "main": {"name": "Main building", "civic": civic("1"), "elins": [ELINS[0]]},
            "annex": {"name": "Annex", "civic": civic("2"), "elins": [ELINS[1]]},
        },
        "emergency": {"default_location": "main"},
        "sip": {},
    }


def make_large_site(*, users: int = 500, devices: int = 700, flows: int = 200, first: int = 2000) -> Document:
    """`make_site` of many users, the first of whom have a second device, and a menu per flow (extensions from 5000): what a large site commits."""
    site = make_site(users, first=first)
    for index in range(devices - users):
        site["devices"][f"second-{index}"] = {"owner": f"user-{first + index}", "sip_user": f"second-{index}", "secret": secret(f"second-{index}")}
    people = [f"user-{first + index}" for index in range(users)]
    site["mailboxes"] = {"reception": {"name": "Reception", "owner": people[0]}}
    site["flows"] = {f"menu-{index}": _menu(index, people[index % users], people[(index + 1) % users]) for index in range(flows)}
    return site


def _menu(index: int, one: str, two: str) -> Document:
    return {
        "name": f"Menu {index}",
        "start": "menu",
        "extensions": [str(5000 + index)],
        "steps": {
            "menu": {
                "type": "prompt",
                "settings": {"text": f"Welcome to department {index}.", "choices": ["1", "2"]},
                "exits": {"1": "one", "2": "both", "timeout": "box", "invalid": "box"},
            },
            "one": {"type": "dial", "settings": {"targets": [{"user": one}]}, "exits": {"no-answer": "box", "busy": "box", "failed": "end"}},
            "both": {"type": "dial", "settings": {"targets": [{"user": one}, {"user": two, "delay_seconds": 5}]}, "exits": {"no-answer": "box"}},
            "box": {"type": "voicemail", "settings": {"mailbox": "reception"}},
            "end": {"type": "hang-up"},
        },
    }


def civic(floor: str) -> dict[str, str]:
    """A complete civic address that differs by floor."""
    return {"country": "US", "A1": "NY", "A3": "Testville", "RD": "Proof", "STS": "Street", "HNO": "12", "FLR": floor, "LOC": f"Floor {floor}", "PC": "12345"}


def add_trunk(site: Document, name: str, host: str, port: int, **fields: Any) -> Document:
    """Add a trunk to `host`:`port` (an address trunk unless `username` and `secret` are given); returns the site."""
    site["trunks"][name] = {"name": name.title(), "host": host, "port": port, **fields}
    return site


def add_number(site: Document, number: str, extension: str) -> Document:
    """An incoming number that rings an extension; returns the site."""
    site["numbers"][f"n{number.lstrip('+')}"] = {"number": number, "destination": extension}
    return site


def write_site(site: Mapping[str, Any], path: Path) -> Path:
    """As a JSON file."""
    path.write_text(json.dumps(site, indent=1), encoding="utf-8")
    return path
