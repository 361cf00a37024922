"""The cellular modem in words, for every page that speaks of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from webui.i18n import gettext


def modem_state(found: Mapping[str, Any]) -> tuple[str, str]:
    """(shape, word): how it is, of `control.machine_shapes.CellularShape`."""
    if found.get("fault"):
        return "bad", _faults().get(found["fault"], found["fault"])
    return _states().get(found.get("state", ""), ("off", gettext("Unknown")))


def _states() -> dict[str, tuple[str, str]]:
    return {
        "none": ("off", gettext("There is none")), "absent": ("off", gettext("Not there")), "starting": ("wait", gettext("Starting")),
        "no-sim": ("bad", gettext("No SIM card")), "pin-needed": ("bad", gettext("Asks for its PIN")),
        "puk-needed": ("bad", gettext("Locked, asks for its PUK")),
        "searching": ("wait", gettext("Searching a network")), "denied": ("bad", gettext("The network refuses it")),
        "home": ("bad", gettext("On its network, without calls")), "roaming": ("bad", gettext("On a foreign network, without calls")),
        "ready": ("ok", gettext("Ready")),
    }  # fmt: skip


def _faults() -> dict[str, str]:
    return {
        "missing": gettext("Not there"), "no-permission": gettext("May not be opened"), "busy": gettext("In use by another program"),
        "wrong-port": gettext("Does not answer"), "unplugged": gettext("Unplugged"), "hung": gettext("No longer answers"),
        "unknown-model": gettext("Of an unknown make"),
    }  # fmt: skip
