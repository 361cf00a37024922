"""Opening hours (pure but for what time it is): by the clock on the wall, so that the days on which clocks change are days like others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

from appliance.site.model.flows import Holiday, Schedule

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY_MIN = 24 * 60
_WEEK_DAYS = 8
"""Without holidays one week is like the next; eight days hold every change of it from any moment on."""
_AHEAD_DAYS = 400


class State(StrEnum):
    OPEN = "open"
    CLOSED = "closed"
    HOLIDAY = "holiday"
    """Closed, on a day that has hours of its own."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """`state` at a moment (on `holiday`, where that day is one), what it changes to next and when, and when that ends; None: not within a year."""

    state: State
    holiday: Holiday | None
    until: datetime | None = None
    then: State | None = None
    then_until: datetime | None = None

    def as_dict(self) -> dict[str, Any]:
        """As JSON values; moments by the clock on the wall."""
        until, then_until = (moment.isoformat(timespec="minutes") if moment is not None else None for moment in (self.until, self.then_until))
        holiday = self.holiday.name if self.holiday is not None else None
        return {"state": self.state, "holiday": holiday, "until": until, "then": self.then, "then_until": then_until}


@dataclass(frozen=True, slots=True)
class Span:
    """Minutes of a weekday in which it is open, by which of the schedule's periods."""

    first: int
    last: int
    period: int


def zone_of(document: Mapping[str, Any]) -> ZoneInfo:
    """The time zone of a document; UTC where a candidate names one there is none of."""
    try:
        return ZoneInfo(str(document.get("time_zone") or "UTC"))
    except (KeyError, ValueError, OSError):
        return ZoneInfo("UTC")


def wall_clock(document: Mapping[str, Any]) -> datetime:
    """What the clock on the wall of the site shows now."""
    return datetime.now(UTC).astimezone(zone_of(document)).replace(tzinfo=None)


def outlook(schedule: Schedule, at: datetime) -> Outlook:
    """How it stands at `at`, a time in the site's zone, and what comes next, by the clock on the wall there."""
    now, holiday = state(schedule, at), _holiday(schedule, at.date())
    until = _change(schedule, at)
    if until is None:
        return Outlook(now, holiday)
    return Outlook(now, holiday, until, state(schedule, until), _change(schedule, until))


def week(schedule: Schedule) -> dict[str, list[Span]]:
    """Weekday -> when it is open on an ordinary one, what reaches over midnight cut there."""
    days: dict[str, list[Span]] = {day: [] for day in WEEKDAYS}
    for index, period in enumerate(schedule.periods):
        first, last = minutes(period.start), minutes(period.end)
        for day in period.days:
            over = last <= first
            days[day].append(Span(first, DAY_MIN if over else last, index))
            if over and last:
                days[WEEKDAYS[(WEEKDAYS.index(day) + 1) % 7]].append(Span(0, last, index))
    return {day: sorted(spans, key=lambda span: (span.first, span.last)) for day, spans in days.items()}


def state(schedule: Schedule, at: datetime) -> State:
    """Whether `schedule` is open at `at`, a time in the site's zone.

    Hours belong to the day they begin on and may reach into the next. On a holiday its own hours alone count: what began the day before ends at midnight.
    """
    today = at.date()
    minute = at.hour * 60 + at.minute
    holiday = _holiday(schedule, today)
    if holiday is not None:
        return State.OPEN if any(_today(start, end, minute) for start, end in holiday.open) else State.HOLIDAY
    yesterday = today - timedelta(days=1)
    is_open = any(_today(start, end, minute) for start, end in _hours(schedule, today)) or any(
        _from_yesterday(start, end, minute) for start, end in _hours(schedule, yesterday)
    )
    return State.OPEN if is_open else State.CLOSED


def _hours(schedule: Schedule, day: date) -> tuple[tuple[str, str], ...]:
    """The hours that begin on `day`."""
    holiday = _holiday(schedule, day)
    if holiday is not None:
        return holiday.open
    return tuple((period.start, period.end) for period in schedule.periods if WEEKDAYS[day.weekday()] in period.days)


def _holiday(schedule: Schedule, day: date) -> Holiday | None:
    """A day named with its year goes before the same day of every year."""
    for name in (day.isoformat(), day.isoformat()[5:]):
        for holiday in schedule.holidays:
            if holiday.day == name:
                return holiday
    return None


def _today(start: str, end: str, minute: int) -> bool:
    first, last = minutes(start), minutes(end)
    return first <= minute < (last if last > first else DAY_MIN)


def _from_yesterday(start: str, end: str, minute: int) -> bool:
    return minutes(end) <= minutes(start) and minute < minutes(end)


def _change(schedule: Schedule, at: datetime) -> datetime | None:
    """When the state is another one for the first time after `at`."""
    now = state(schedule, at)
    for ahead in range(_AHEAD_DAYS if schedule.holidays else _WEEK_DAYS):
        day = at.date() + timedelta(days=ahead)
        for minute in sorted(set(_edges(schedule, day))):
            moment = datetime.combine(day, time(minute // 60, minute % 60), at.tzinfo)
            if moment.replace(tzinfo=None) > at.replace(tzinfo=None) and state(schedule, moment) is not now:
                return moment
    return None


def _edges(schedule: Schedule, day: date) -> Iterator[int]:
    """The minutes of `day` at which the state can change."""
    yield 0
    for start, end in _hours(schedule, day):
        yield from (edge for edge in (minutes(start), minutes(end)) if edge < DAY_MIN)
    for start, end in _hours(schedule, day - timedelta(days=1)):
        if minutes(end) <= min(minutes(start), DAY_MIN - 1):
            yield minutes(end)


def minutes(time: str) -> int:
    """`09:30` -> minutes since midnight."""
    return int(time[:2]) * 60 + int(time[3:])
