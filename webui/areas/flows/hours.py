"""Opening hours in forms: weekly hours and holidays as lines, read the way people write times."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from werkzeug.datastructures import MultiDict

from appliance.site.hours import WEEKDAYS
from webui.areas.flows.opening import days_in_words
from webui.forms import Field
from webui.forms.fields import Unfit
from webui.i18n import gettext

MOST = 100
OFFICE = {"days": list(WEEKDAYS[:5]), "start": "09:00", "end": "17:00"}
Line = Mapping[str, Any]


def clock(text: str) -> str:
    """A time of day as the site keeps it: `9`, `9.30`, `0930`, `5:30 pm` as `09:00`, `09:30`, `09:30`, `17:30`; "" : it is none."""
    match = re.fullmatch(r"([0-9]{1,2})(?:[:.h ]?([0-9]{2}))?\s*([ap])?\.?(?:m\.?)?", text.strip().lower(), re.ASCII)
    if match is None:
        return ""
    hour, minute = int(match[1]), int(match[2] or 0)
    if match[3]:
        if not 1 <= hour <= 12:
            return ""
        hour = hour % 12 + (12 if match[3] == "p" else 0)
    return f"{hour:02}:{minute:02}" if minute < 60 and (hour < 24 or (hour == 24 and not minute)) else ""


def _time(n: int, text: str) -> str:
    found = clock(text)
    if not found:
        what = gettext("a time is missing") if not text.strip() else gettext("“%(time)s” is not a time of day", time=text.strip())
        raise Unfit(gettext("Line %(n)d: %(what)s", n=n, what=what), gettext("Write hours and minutes: 08:30, or 24:00 for the end of the day."))
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Periods(Field):
    """A list of Period; in the form lines of `days`, `start`, `end`, of which blank ones do not count."""

    def default(self) -> Any:
        return [OFFICE]

    def show(self, value: Any) -> list[Line]:
        held = [line for line in value if isinstance(line, Mapping)] if isinstance(value, list | tuple) else []
        return [{"days": _texts(line.get("days")), "start": str(line.get("start", "")), "end": str(line.get("end", ""))} for line in held]

    def words(self, value: Any) -> str:
        told = [f"{days_in_words(line['days'])} {line['start']}-{line['end']}" for line in self.show(value)]
        return ", ".join(told) or gettext("nothing")

    def raw(self, given: MultiDict[str, str], name: str) -> list[Line]:
        made: list[Line] = [
            {"days": [day for day in given.getlist(f"{at}:day") if day in WEEKDAYS], "start": _text(given, f"{at}:start"), "end": _text(given, f"{at}:end")}
            for at in _lines(given, name, "start")
        ]
        return [line for line in made if line["days"] or line["start"].strip() or line["end"].strip()]

    def read(self, raw: Any) -> Any:
        made = []
        for n, line in enumerate(raw, 1):
            if not line["days"]:
                raise Unfit(gettext("Line %(n)d: %(what)s", n=n, what=gettext("no day is chosen")), gettext("Choose the days these hours are for."))
            made.append({"days": line["days"], "start": _time(n, line["start"]), "end": _time(n, line["end"])})
        return made


@dataclass(frozen=True, slots=True, kw_only=True)
class Holidays(Field):
    """A list of Holiday; in the form lines of `day`, `yearly`, `name`, `open`, of which those without a day and a name do not count."""

    def default(self) -> Any:
        return []

    def show(self, value: Any) -> list[Line]:
        held = [line for line in value if isinstance(line, Mapping)] if isinstance(value, list | tuple) else []
        return [
            {
                "day": (_coming(day) if yearly else day) or day, "yearly": yearly, "name": str(line.get("name", "")),
                "open": ", ".join("-".join(_texts(hours)) for hours in line.get("open") or () if isinstance(hours, list | tuple)),
            }
            for line in held for day in [str(line.get("day", ""))] for yearly in [len(day) == 5]
        ]  # fmt: skip

    def words(self, value: Any) -> str:
        told = [f"{line['day'][5:] if line['yearly'] else line['day']} {line['name']} {line['open'] or gettext('closed')}" for line in self.show(value)]
        return ", ".join(told) or gettext("nothing")

    def raw(self, given: MultiDict[str, str], name: str) -> list[Line]:
        made: list[Line] = [
            {
                "day": _text(given, f"{at}:day"), "yearly": given.get(f"{at}:yearly") == "on", "name": _text(given, f"{at}:name"),
                "open": _text(given, f"{at}:open"),
            }
            for at in _lines(given, name, "day")
        ]  # fmt: skip
        return [line for line in made if any(line[part].strip() for part in ("day", "name", "open"))]

    def read(self, raw: Any) -> Any:
        return [
            {"day": _day(n, line), "name": line["name"].strip(), "open": [list(hours) for hours in _hours(n, line["open"])]} for n, line in enumerate(raw, 1)
        ]


def _day(n: int, line: Line) -> str:
    text = line["day"].strip()
    try:
        day = date.fromisoformat(text).isoformat()
    except ValueError:
        what = gettext("a day is missing") if not text else gettext("“%(day)s” is not a day", day=text)
        raise Unfit(gettext("Line %(n)d: %(what)s", n=n, what=what), gettext("Choose the day from the calendar, or write 2026-12-24.")) from None
    return day[5:] if line["yearly"] else day


def _hours(n: int, text: str) -> Iterator[tuple[str, str]]:
    for part in re.split(r"[,;\n]", text):
        if not part.strip():
            continue
        ends = re.split(r"\s*[-\u2010-\u2015]\s*", part.strip())
        if len(ends) != 2:
            what = gettext("“%(hours)s” are not hours", hours=part.strip())
            raise Unfit(gettext("Line %(n)d: %(what)s", n=n, what=what), gettext("Write from and to, several with commas: 09:00-12:00, 14:00-16:00."))
        yield _time(n, ends[0]), _time(n, ends[1])


def _coming(day: str) -> str:
    """The same day with its year, for a date picker: this year's; 29 February in the next year that has one."""
    for year in range(date.today().year, date.today().year + 9):
        try:
            return date.fromisoformat(f"{year}-{day}").isoformat()
        except ValueError:
            continue
    return ""


def _lines(given: MultiDict[str, str], name: str, part: str) -> Iterator[str]:
    """What the names of the lines that were sent begin with, in their order."""
    return (at for at in (f"{name}:{n}" for n in range(MOST)) if f"{at}:{part}" in given)


def _text(given: MultiDict[str, str], name: str) -> str:
    return given.get(name, "")[:200]


def _texts(value: Any) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list | tuple) else []
