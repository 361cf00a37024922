"""The POSIX TZ rule taken apart, for phones that want offsets and changes instead of it."""

from __future__ import annotations

import re
from dataclasses import dataclass

_NAME = r"(?:<[A-Za-z0-9+-]+>|[A-Za-z]{3,})"
_TIME = r"[+-]?\d{1,3}(?::\d{2}){0,2}"
_CHANGE = rf"M(\d{{1,2}})\.(\d)\.(\d)(?:/({_TIME}))?"
_RULE = re.compile(rf"^{_NAME}({_TIME})(?:{_NAME}({_TIME})?,{_CHANGE},{_CHANGE})?$")


@dataclass(frozen=True, slots=True)
class Change:
    """When the clock is put forward or back, each year, in local time."""

    month: int
    week: int
    """1 to 4; 5: the last."""
    weekday: int
    """0 is Sunday."""
    hour: int
    """0 to 23. Rules outside of that day (a few zones have them) are moved to its edge: the phone is wrong for some hours a year."""


@dataclass(frozen=True, slots=True)
class Zone:
    """Seconds east of UTC, and what summer adds."""

    offset_s: int
    save_s: int = 0
    start: Change | None = None
    end: Change | None = None

    @property
    def hours(self) -> str:
        """East of UTC as phones write it: -3:30, +2."""
        hours, minutes = divmod(abs(self.offset_s) // 60, 60)
        return f"{'-' if self.offset_s < 0 else '+'}{hours}" + (f":{minutes:02d}" if minutes else "")


def _seconds(text: str) -> int:
    sign = -1 if text.startswith("-") else 1
    hours, minutes, seconds = [*map(int, text.lstrip("+-").split(":")), 0, 0][:3]
    return sign * (hours * 3600 + minutes * 60 + seconds)


def _change(month: str, week: str, weekday: str, time: str | None) -> Change:
    hour = _seconds(time) // 3600 if time else 2
    return Change(int(month), int(week), int(weekday), min(max(hour, 0), 23))


def zone(rule: str) -> Zone:
    """Take a rule apart (POSIX 1003.1, section 8.3, the M form). ValueError for anything else."""
    found = _RULE.match(rule)
    if not found:
        raise ValueError(f"{rule!r} is no TZ rule of the M form")
    standard, summer, *changes = found.groups()
    offset = -_seconds(standard)
    if not changes[0]:
        return Zone(offset)
    save = (-_seconds(summer) if summer else offset + 3600) - offset
    start, end = _change(*changes[:4]), _change(*changes[4:])
    if save < 0:  # Ireland keeps its standard time in summer and goes back for winter
        return Zone(offset + save, -save, end, start)
    return Zone(offset, save, start, end)
