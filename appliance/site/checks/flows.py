"""Cross references within flows and schedules; what a step's settings mean is checked where steps are known (callflow/graph.py)."""

from __future__ import annotations

import calendar
import math
from collections.abc import Iterator
from typing import Any

from appliance.errors import Problem
from appliance.site.checks.common import known, twice
from appliance.site.model.flows import Holiday
from appliance.site.model.site import Site
from appliance.site.wording import Loc, path_of, quoted


def flows(site: Site) -> Iterator[Problem]:
    for key, flow in site.flows.items():
        if flow.start:
            yield from known(path_of(("flows", key, "start")), "step", flow.start, flow.steps)
        for name, step in flow.steps.items():
            at = ("flows", key, "steps", name)
            for exit_name, target in step.exits.items():
                if target:
                    yield from known(path_of((*at, "exits", exit_name)), "step", target, flow.steps)
            yield from _values((*at, "settings"), step.settings)


def _values(at: Loc, value: Any) -> Iterator[Problem]:
    """Settings are written to JSON and TOML and read back: neither may lose a part of them."""
    if isinstance(value, float) and not math.isfinite(value):
        yield Problem(path_of(at), f"{value} is not a number that can be kept", "write an ordinary number")
    elif value is None and isinstance(at[-1], int):
        yield Problem(path_of(at), "is nothing, which has no place in a list", "leave it out")
    elif isinstance(value, dict | list):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _values((*at, key), item)


def schedules(site: Site) -> Iterator[Problem]:
    for key, schedule in site.schedules.items():
        for index, period in enumerate(schedule.periods):
            at = ("schedules", key, "periods", index)
            if not period.days:
                yield Problem(path_of((*at, "days")), "names no day", 'for example ["mon", "tue", "wed", "thu", "fri"]')
            yield from _start((*at, "start"), period.start)
        seen: dict[str, str] = {}
        for index, holiday in enumerate(schedule.holidays):
            path = path_of(("schedules", key, "holidays", index, "day"))
            yield from _real(path, holiday)
            yield from twice(seen, holiday.day, path, f"{holiday.day} is listed already", "list each day once")
            for number, hours in enumerate(holiday.open):
                if hours:
                    yield from _start(("schedules", key, "holidays", index, "open", number), hours[0])


def _real(path: str, holiday: Holiday) -> Iterator[Problem]:
    if not holiday.day:
        return
    *year, month, day = (int(part) for part in holiday.day.split("-"))
    # Every year: 29 February comes in some.
    last = calendar.monthrange(year[0] if year and year[0] else 2000, month)[1]
    if day > last:
        meant = holiday.day[:-2] + f"{last:02}"
        yield Problem(path, f"{quoted(holiday.day)} is not a day of the calendar", f'the last of that month is "{meant}"')


def _start(at: Loc, start: str) -> Iterator[Problem]:
    if start == "24:00":
        yield Problem(path_of(at), "24:00 is the end of a day", 'begin the next day at "00:00"')
