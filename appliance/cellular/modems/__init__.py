"""The modems the box knows, one file each: its MODEL is what is listed here."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from appliance.cellular.model import Model


@cache
def models() -> tuple[Model, ...]:
    """Every model, by file name."""
    names = sorted(found.name for found in iter_modules(__path__))
    return tuple(import_module(f"{__name__}.{name}").MODEL for name in names)


def find(maker: str, model: str) -> Model | None:
    """What answers AT+CGMI and AT+CGMM with these."""
    said = f"{maker} {model}".upper()
    return next((each for each in models() if any(word in said for word in each.names)), None)
