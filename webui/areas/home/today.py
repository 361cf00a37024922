"""What happened today, newest first: revisions, emergency calls, what went wrong, starts of the engine."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from flask import url_for

from appliance.errors import HoldfastError
from webui.engine import State
from webui.guard import may_see
from webui.i18n import gettext
from webui.place import place

MOST = 8


@dataclass(frozen=True, slots=True)
class Event:
    """`word`: of the link, where there is one."""

    at_unix_s: float
    kind: str
    text: str
    href: str = ""
    word: str = ""


def today(state: State) -> list[Event]:
    midnight = datetime.now(ZoneInfo(place().time_zone())).replace(hour=0, minute=0, second=0, microsecond=0).timestamp()
    found = [event for event in (*_revisions(), *_emergencies(state), *_alarms(state), *_start(state)) if event.at_unix_s >= midnight]
    return sorted(found, key=lambda event: -event.at_unix_s)[:MOST]


def _revisions() -> list[Event]:
    try:
        entries = place().applied()
    except HoldfastError:
        return []
    shown = may_see("settings.revision")
    return [
        Event(
            entry.time, "info", gettext("%(who)s applied changes: %(why)s", who=entry.author, why=entry.comment) if entry.comment else
            gettext("%(who)s applied changes", who=entry.author),
            url_for("settings.revision", number=entry.number) if shown else "", gettext("revision %(n)d", n=entry.number) if shown else "",
        )
        for entry in entries
    ]  # fmt: skip


def _emergencies(state: State) -> list[Event]:
    link = (url_for("emergency.journal"), gettext("Journal")) if may_see("emergency.journal") else ("", "")
    return [
        Event(
            notice["started_unix_s"], "test" if notice["test"] else "bad",
            gettext("TEST: %(number)s from %(place)s", number=notice["dialled"], place=notice["location"] or notice["extension"] or notice["source_ip"])
            if notice["test"] else
            gettext("%(number)s from %(place)s", number=notice["dialled"], place=notice["location"] or notice["extension"] or notice["source_ip"]), *link,
        )
        for notice in state.notices.get("notices", ())
    ]  # fmt: skip


def _alarms(state: State) -> list[Event]:
    return [Event(alarm["since_unix_s"], "warn", alarm["sentence"]) for alarm in state.status.get("alarms", ())]


def _start(state: State) -> list[Event]:
    """Rounded: the engine says for how long it has run, and its answers and ours do not fall together."""
    if not state.up or "uptime_s" not in state.status:
        return []
    started = time.time() - (state.age_s() or 0.0) - state.status["uptime_s"]
    return [Event(round(started / 60) * 60, "ok", gettext("The phone engine started"))]
