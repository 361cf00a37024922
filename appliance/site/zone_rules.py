"""The POSIX TZ rule of a time zone, for phones that know no zone names."""

from __future__ import annotations

import zoneinfo
from functools import cache
from importlib import resources
from pathlib import Path

_SMALLEST = 44


@cache
def posix_rule(name: str) -> str:
    """`Europe/Paris` -> `CET-1CEST,M3.5.0,M10.5.0/3`, from the end of the zone's file (RFC 8536, section 3.3); UTC where there is none. Reads the disk."""
    for folder in zoneinfo.TZPATH:
        file = Path(folder) / name
        if file.is_file() and file.resolve().is_relative_to(Path(folder).resolve()):
            return _footer(file.read_bytes())
    try:
        return _footer(resources.files("tzdata.zoneinfo").joinpath(*name.split("/")).read_bytes())
    except (ModuleNotFoundError, OSError):
        return "UTC0"


def _footer(data: bytes) -> str:
    if len(data) < _SMALLEST or not data.startswith(b"TZif") or not data.endswith(b"\n"):
        return "UTC0"
    return data[:-1].rpartition(b"\n")[2].decode("ascii", "replace") or "UTC0"
