"""Worker job "kinds": what steps there are and what each asks for, and flows to begin with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from appliance.callflow.describe import describe
from appliance.callflow.node import Settings
from appliance.callflow.registry import kinds as registered
from appliance.callflow.starters import STARTERS
from appliance.site.salvage import part


def kinds(given: dict[str, Any]) -> dict[str, Any]:
    """Returns {"kinds": [`describe`, sorted by title], "starters": [{"id", "title", "help", "flow": named by its title}]}."""
    del given
    found = sorted((describe(node) for node in registered().values()), key=lambda each: str(each["title"]))
    starters = [{"id": s.id, "title": s.title, "help": s.help, "flow": s.flow(s.title).model_dump(mode="json")} for s in STARTERS]
    return {"kinds": found, "starters": starters}


def words(*_: Any, **__: Any) -> Iterator[tuple[int, None, str, list[str]]]:
    """What is said to people of the kinds of steps, for the catalogues of the pages: an extractor of Babel's (`webui/translations/babel.cfg`)."""
    said = kinds({})
    found = [text for each in (*said["kinds"], *said["starters"]) for text in (each["title"], each["help"])]
    found += [text for each in said["kinds"] for field in each["fields"] for text in _of(field)]
    found += [exit.label for node in registered().values() for exit in node.exits(cast(Settings, part(node.settings, {})))]
    yield from ((1, None, text, []) for text in dict.fromkeys(found) if text)


def _of(field: dict[str, Any]) -> Iterator[str]:
    yield from (field["label"], field["help"], field.get("title", ""))
    yield from (each["label"] for each in field.get("options", ()))
    for inner in field.get("fields", ()):
        yield from _of(inner)
