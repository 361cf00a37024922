"""holdfast schedule: opening hours, what is open now or at any moment, and who uses them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import click
from pydantic import ValidationError

from appliance.cli.completion import complete_schedule
from appliance.cli.local import Desk, edits
from appliance.cli.output import Screen, print_json
from appliance.cli.times import moment_of
from appliance.errors import DocumentError, NotFound
from appliance.site.hours import WEEKDAYS, Outlook, State, outlook, wall_clock, week, zone_of
from appliance.site.model.flows import Schedule
from appliance.site.uses import uses
from appliance.site.wording import close, path_of, quoted, translate

WORDS = {State.OPEN: "open", State.CLOSED: "closed", State.HOLIDAY: "closed for a holiday"}
UNREADABLE = "cannot be read: see `holdfast site check`"


@click.group(name="schedule")
def schedule() -> None:
    """Look at opening hours, and try what is open when. They are changed with `holdfast site`."""


@schedule.command("list")
@edits
def list_(desk: Desk) -> None:
    """List the schedules, pending changes included, with what is open now."""
    document = desk.editor.show("").value
    now = wall_clock(document)
    rows = []
    for id, held in (document.get("schedules") or {}).items():
        found = _read(id, held, tolerant=True)
        view = outlook(found, now) if found is not None else None
        rows.append((id, str(held.get("name", "")) if isinstance(held, Mapping) else "", view, _paths(document, id)))
    if desk.as_json:
        print_json({"time_zone": str(zone_of(document)), "schedules": [{"id": id, "name": name, **_shape(view), "uses": by} for id, name, view, by in rows]})
    elif not rows:
        desk.screen.line("No schedules.")
    else:
        cells = [(id, name, _sentence(view, now) if view else UNREADABLE, ", ".join(by) or "nothing") for id, name, view, by in rows]
        desk.screen.table(("Id", "Name", "Now", "Used by"), cells)


@schedule.command()
@click.argument("schedule", shell_complete=complete_schedule)
@edits
def show(desk: Desk, schedule: str) -> None:
    """Show the week and the holidays of SCHEDULE, by the clock of the site."""
    document = desk.editor.show("").value
    found = _found(document, schedule)
    days = {day: [_hours(span.first, span.last) for span in spans] for day, spans in week(found).items()}
    now = wall_clock(document)
    if desk.as_json:
        holidays = [holiday.model_dump(mode="json") for holiday in found.holidays]
        shown = {"id": schedule, "name": found.name, "time_zone": str(zone_of(document)), "week": days, "holidays": holidays}
        print_json({**shown, **_shape(outlook(found, now)), "uses": _paths(document, schedule)})
        return
    screen = desk.screen
    screen.line(f"{found.name} ({schedule}), times of {zone_of(document)}", "bold")
    for day in WEEKDAYS:
        screen.line(f"  {day.capitalize()}  {', '.join(days[day]) or 'closed'}")
    for holiday in found.holidays:
        hours = ", ".join(f"{start}-{end}" for start, end in holiday.open) or "closed"
        screen.line(f"  {holiday.day if len(holiday.day) > 5 else f'{holiday.day} every year'}  {holiday.name}: {hours}".replace("  :", ":"))
    _tell(outlook(found, now), now, screen)
    screen.line(f"Used by {', '.join(_paths(document, schedule)) or 'nothing'}.")


@schedule.command()
@click.argument("schedule", shell_complete=complete_schedule)
@click.argument("time", default="")
@edits
def at(desk: Desk, schedule: str, time: str) -> None:
    """Say whether SCHEDULE is open at TIME (18:30, 2026-12-24T18:30, by the clock of the site; none: now), until when, and what comes then."""
    document = desk.editor.show("").value
    found = _found(document, schedule)
    moment = moment_of(time, document) if time else wall_clock(document)
    if desk.as_json:
        print_json({"id": schedule, "time": moment.isoformat(timespec="minutes"), "time_zone": str(zone_of(document)), **_shape(outlook(found, moment))})
    else:
        _tell(outlook(found, moment), moment, desk.screen)


def _tell(found: Outlook, moment: datetime, screen: Screen) -> None:
    screen.line(f"{_when(moment)}: {_sentence(found, moment)}", "bold")


def _sentence(found: Outlook, now: datetime) -> str:
    said = WORDS[found.state]
    if found.holiday is not None and found.holiday.name:
        said = f"{said} ({found.holiday.name})"
    if found.until is None or found.then is None:
        return f"{said}, and that does not change within a year"
    said = f"{said} until {_when(found.until, now)}, then {WORDS[found.then]}"
    return f"{said} until {_when(found.then_until, now)}" if found.then_until is not None else said


def _when(moment: datetime, now: datetime | None = None) -> str:
    return f"{moment:%H:%M}" if now is not None and moment.date() == now.date() else f"{moment:%a %Y-%m-%d %H:%M}"


def _shape(found: Outlook | None) -> dict[str, Any]:
    return {"state": None} if found is None else found.as_dict()


def _found(document: Mapping[str, Any], id: str) -> Schedule:
    held = document.get("schedules") or {}
    if id not in held:
        raise NotFound(f"There is no schedule {quoted(id)}", close(id, held) or "`holdfast schedule list` lists them")
    found = _read(id, held[id])
    assert found is not None
    return found


def _read(id: str, held: Any, tolerant: bool = False) -> Schedule | None:
    """None where it holds mistakes and that is tolerated. Raises DocumentError."""
    try:
        return Schedule.model_validate(held)
    except ValidationError as error:
        if tolerant:
            return None
        raise DocumentError(f"the schedule {id} cannot be read", translate(error, ("schedules", id))) from None


def _paths(document: Mapping[str, Any], id: str) -> list[str]:
    return [path_of(loc) for loc in uses(document, "schedules", id)]


def _hours(first: int, last: int) -> str:
    return f"{first // 60:02}:{first % 60:02}-{last // 60:02}:{last % 60:02}"
