"""The kinds of steps there are: every module in `nodes`, found by listing them."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Any

from appliance.callflow import nodes
from appliance.callflow.node import Node


@cache
def kinds() -> Mapping[str, Node[Any]]:
    """Every kind of step by its name. Imports the modules when first called: not for the loop."""
    found: dict[str, Node[Any]] = {}
    for module in pkgutil.iter_modules(nodes.__path__):
        node: Node[Any] = importlib.import_module(f"{nodes.__name__}.{module.name}").NODE
        if node.kind in found:
            raise RuntimeError(f"two kinds of steps are called {node.kind}")
        found[node.kind] = node
    return MappingProxyType(found)
