"""The sample site of a box nobody has configured yet, with secrets of its own."""

from __future__ import annotations

import secrets
import tomllib
from importlib import resources

from appliance.site.document import parse
from appliance.site.model.site import Site

_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
"""Without characters that look alike (1 l i, 0 o): a person reads these off a screen and types them into a phone."""


def new_secret() -> str:
    """A random SIP secret of 20 characters, 99 bits."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(20))


def sample_site() -> Site:
    """The embedded sample, each device with a fresh random secret: no two boxes share one, and none is in the product."""
    raw = tomllib.loads(resources.files("appliance.site").joinpath("sample.toml").read_text(encoding="utf-8"))
    for device in raw["devices"].values():
        device["secret"] = new_secret()
    return parse(raw)
