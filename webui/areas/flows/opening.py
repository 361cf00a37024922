"""Opening hours in words: what is open now, until when, and what comes next, by the clock on the wall of the site."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from babel.dates import format_datetime, get_day_names
from flask_babel import get_locale
from pydantic import ValidationError

from appliance.site.hours import WEEKDAYS, Outlook, State, outlook, wall_clock, zone_of
from appliance.site.model.flows import Schedule
from webui.i18n import gettext
from webui.place import Stamp, place

LOOKS = {State.OPEN: ("ok", "ok"), State.CLOSED: ("off", "moon"), State.HOLIDAY: ("info", "info")}
"""Kind and shape of the status."""


@dataclass(frozen=True, slots=True)
class Told:
    """`word` with the kind and shape of its status; `sentence`: now, until when; `after`: what comes then, "" : nothing is known; `holiday`: its name."""

    kind: str
    shape: str
    word: str
    sentence: str
    after: str
    holiday: str


def zone() -> str:
    """The site's time zone as the candidate has it."""
    return str(zone_of(place().document()))


def site_time() -> datetime:
    """What the clock on the wall shows."""
    return wall_clock(place().document())


def readable(held: Mapping[str, Any]) -> Schedule | None:
    """The schedule in the candidate; None: it holds mistakes."""
    try:
        return Schedule.model_validate(held)
    except ValidationError:
        return None


def standing() -> tuple[datetime, Mapping[str, Outlook | None]]:
    """What the clock on the wall shows, and how every schedule stands; None: it cannot be read. Worked out once a minute, however many pages are open."""
    now = site_time().replace(second=0, microsecond=0)
    return now, _standing(place().data, place().stamp(), now)


@lru_cache(maxsize=4)
def _standing(_data: Path, _stamp: Stamp, now: datetime) -> Mapping[str, Outlook | None]:
    read = {key: readable(held) for key, held in place().kind("schedules").items()}
    return {key: outlook(schedule, now) if schedule is not None else None for key, schedule in read.items()}


def told(found: Outlook, at: datetime) -> Told:
    """How a schedule stands at `at`, in words."""
    words = {State.OPEN: gettext("Open"), State.CLOSED: gettext("Closed"), State.HOLIDAY: gettext("Closed: holiday")}
    name = found.holiday.name if found.holiday is not None else ""
    return Told(*LOOKS[found.state], words[found.state], _now(found, at), _after(found, at), name)


def _now(found: Outlook, at: datetime) -> str:
    if found.until is None:
        return gettext("Open, and not closed within a year") if found.state is State.OPEN else gettext("Closed, and not open within a year")
    until = when(found.until, at)
    match found.state:
        case State.OPEN:
            return gettext("Open until %(when)s", when=until)
        case State.CLOSED:
            return gettext("Closed until %(when)s", when=until)
        case State.HOLIDAY:
            return gettext("Closed for a holiday until %(when)s", when=until)


def _after(found: Outlook, at: datetime) -> str:
    until = when(found.then_until, at) if found.then_until is not None else ""
    match found.then:
        case None:
            return ""
        case State.OPEN:
            return gettext("then open until %(when)s", when=until) if until else gettext("then open")
        case State.CLOSED:
            return gettext("then closed until %(when)s", when=until) if until else gettext("then closed")
        case State.HOLIDAY:
            return gettext("then closed for a holiday until %(when)s", when=until) if until else gettext("then closed for a holiday")


def when(moment: datetime, now: datetime) -> str:
    """A moment as short as it is clear to somebody who lives at `now`; both by the wall clock."""
    days = moment.date() - now.date()
    pattern = "HH:mm" if not days else "EEE HH:mm" if timedelta() < days < timedelta(days=7) else "EEE d MMM y, HH:mm"
    return str(format_datetime(moment, pattern, locale=get_locale()))


def day_and_time(moment: datetime) -> str:
    """A moment in full."""
    return str(format_datetime(moment, "EEEE d MMMM y, HH:mm", locale=get_locale()))


def day_names(width: Literal["abbreviated", "wide"] = "abbreviated") -> dict[str, str]:
    """mon -> Mon, in the language of the page."""
    names = get_day_names(width, locale=get_locale())
    return {day: str(names[index]) for index, day in enumerate(WEEKDAYS)}


def days_in_words(days: Collection[str]) -> str:
    """`Mon-Fri`, `Mon, Wed`: days that follow each other as a range."""
    names, runs = day_names(), list[list[int]]()
    for index in [index for index, day in enumerate(WEEKDAYS) if day in days]:
        if runs and runs[-1][-1] == index - 1:
            runs[-1].append(index)
        else:
            runs.append([index])
    few = [[index] for run in runs if len(run) == 2 for index in run]
    parts = sorted([*few, *(run for run in runs if len(run) != 2)])
    return ", ".join(names[WEEKDAYS[run[0]]] if len(run) == 1 else f"{names[WEEKDAYS[run[0]]]}-{names[WEEKDAYS[run[-1]]]}" for run in parts)
