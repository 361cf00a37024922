"""Worker job "kinds": what steps there are and what each asks for, and flows to begin with."""

from __future__ import annotations

from typing import Any

from appliance.callflow.describe import describe
from appliance.callflow.registry import kinds as registered
from appliance.callflow.starters import STARTERS


def kinds(given: dict[str, Any]) -> dict[str, Any]:
    """Returns {"kinds": [`describe`, sorted by title], "starters": [{"id", "title", "help", "flow": named by its title}]}."""
    del given
    found = sorted((describe(node) for node in registered().values()), key=lambda each: str(each["title"]))
    starters = [{"id": s.id, "title": s.title, "help": s.help, "flow": s.flow(s.title).model_dump(mode="json")} for s in STARTERS]
    return {"kinds": found, "starters": starters}
