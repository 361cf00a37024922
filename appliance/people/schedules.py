"""Opening hours (pure): by the clock on the wall, so that the days on which clocks change are days like others."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from enum import StrEnum

from appliance.site.model.flows import Holiday, Schedule

_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY_MIN = 24 * 60


class State(StrEnum):
    OPEN = "open"
    CLOSED = "closed"
    HOLIDAY = "holiday"
    """Closed, on a day that has hours of its own."""


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
    return tuple((period.start, period.end) for period in schedule.periods if _WEEKDAYS[day.weekday()] in period.days)


def _holiday(schedule: Schedule, day: date) -> Holiday | None:
    """A day named with its year goes before the same day of every year."""
    for name in (day.isoformat(), day.isoformat()[5:]):
        for holiday in schedule.holidays:
            if holiday.day == name:
                return holiday
    return None


def _today(start: str, end: str, minute: int) -> bool:
    first, last = _minutes(start), _minutes(end)
    return first <= minute < (last if last > first else _DAY_MIN)


def _from_yesterday(start: str, end: str, minute: int) -> bool:
    return _minutes(end) <= _minutes(start) and minute < _minutes(end)


def _minutes(time: str) -> int:
    return int(time[:2]) * 60 + int(time[3:])
