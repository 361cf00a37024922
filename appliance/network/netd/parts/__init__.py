"""The verbs, a file for those that belong together; a new file is found by itself."""

from __future__ import annotations

import pkgutil
from importlib import import_module

from appliance.network.netd.part import Part, Tools


def load(tools: Tools) -> tuple[Part, ...]:
    """Every part there is."""
    return tuple(import_module(f"{__name__}.{each.name}").make(tools) for each in pkgutil.iter_modules(__path__))
