"""The box's log over the API, read from the data folder: also while the engine does not run."""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from typing_extensions import TypedDict

from appliance.site.logbook import Wanted, newest
from webui.api.v1.operation import Ask, Filled, Reply, operation
from webui.api.v1.paging import PageQuery, cursor, read_cursor
from webui.place import place


class LogEntry(TypedDict):
    """A line of the log, secrets masked. `process`: "engine", "web" or "supervisor"; `logger`: the part of it that speaks."""

    at_unix_s: float
    process: str
    level: str
    logger: str
    text: str


class LogQuery(PageQuery):
    level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="Lines of this level and worse.")
    process: str = Field(default="", max_length=40, description="Lines of one process alone; empty: all.")
    search: str = Field(default="", max_length=100, description="Lines that hold every one of these words, whatever the case.")


@operation("GET", "/logs", id="logs", tag="Box", scope="read", query=LogQuery, answers={200: Filled(LogEntry, listed=True)})
def logs(ask: Ask) -> Reply:
    """What the box wrote down, newest first. Passwords and tokens are masked."""
    wanted = Wanted(ask.query.level, ask.query.process, ask.query.search)
    found = newest(place().data, wanted, ask.query.limit + 1, read_cursor(ask.query.cursor) if ask.query.cursor else "")
    here = found[: ask.query.limit]
    return Reply({"items": [entry.as_dict() for entry in here], "next": cursor(here[-1].key) if len(found) > len(here) else None})
