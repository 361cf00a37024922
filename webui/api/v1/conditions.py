"""Versions as entity tags: what a write expects to find, and whether somebody has what they ask for already (RFC 9110 section 13)."""

from __future__ import annotations

import re

from flask import request

from appliance.errors import Conflict
from webui.api.problems import Refused

_TAG = re.compile(r'(W/)?"([^"\x00-\x20\x7f]*)"')


def tag(version: int) -> str:
    return f'"{version}"'


def not_modified(version: int) -> bool:
    """Whether the one who asks has this version (weak comparison)."""
    written = request.headers.get("If-None-Match", "")
    return written.strip() == "*" or str(version) in {value for _, value in _TAG.findall(written)}


def expected(path: str, current: int, *, needed: bool) -> int | None:
    """The version that a write to `path` is to find, by the request's headers; `current`: what it has (0: nothing there). None: any.

    `needed`: what is there is replaced as a whole, so somebody must say that they know it. Raises Refused (428), Conflict.
    """
    match, none = request.headers.get("If-Match"), request.headers.get("If-None-Match")
    if match is not None:
        if match.strip() == "*":
            if not current:
                raise Conflict(path, None, None, 0)
            return current
        versions = [int(value) for weak, value in _TAG.findall(match) if not weak and re.fullmatch(r"[0-9]{1,17}", value)]
        # One that cannot be: the editor then tells what is there.
        return current if current in versions else versions[0] if versions else -1
    if none is not None:
        return 0 if none.strip() == "*" else -1 if not_modified(current) else current
    if needed and current:
        raise Refused(428, "precondition", f"{path} is there already", "read it and send its ETag as If-Match, or If-Match: * to replace it whatever it is")
    return None if not needed else current
