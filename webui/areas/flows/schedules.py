"""Schedules and holidays: the list with what is open now, one as a week that can be seen, a new one, and an end."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from flask import g, redirect, render_template, request, url_for
from markupsafe import Markup
from werkzeug.wrappers import Response

from appliance.errors import Problem
from appliance.site.hours import DAY_MIN, Span, minutes, outlook, week
from appliance.site.model.flows import Period, Schedule
from webui.areas.flows import AREA
from webui.areas.flows.hours import OFFICE, Holidays, Periods, clock
from webui.areas.flows.opening import Told, day_and_time, day_names, days_in_words, readable, site_time, standing, told, zone
from webui.engine import State
from webui.forms import Form, Text
from webui.forms.form import Bound, delete
from webui.i18n import gettext, lazy_gettext, sort_key
from webui.i18n import lazy_gettext as _l
from webui.listing import listed, marks
from webui.live import live, st
from webui.place import place
from webui.uses import Use, used_by, uses_of

AREA.tab("schedules", lazy_gettext("Schedules and holidays"), 20, lambda: len(place().kind("schedules")))
MOST = 100


class ScheduleForm(Form):
    kind = "schedules"
    fields = (
        Text(name="name", label=_l("Name"), help=_l("For example “Front desk hours”."), attributes={"autocomplete": "off", "maxlength": "80"}),
        Periods(name="periods", label=_l("Weekly hours"), help=_l("Outside of these it is closed. An end before the beginning is one on the next day.")),
        Holidays(name="holidays", label=_l("Holidays"), help=_l("Days with hours of their own. Without hours they are closed all day.")),
    )  # fmt: skip

    def arrange(self, act: str) -> str:
        """Do what a button of a line says (`periods:1:remove`, `holidays:0:add`) to what was typed; the id of what gets the focus, or ""."""
        match = re.fullmatch(r"(periods|holidays):([0-9]{1,3}):(remove|add)", act)
        if match is None:
            return ""
        row, at = self[match[1]], int(match[2])
        lines = list(row.value)
        if match[3] == "add":
            new = {**OFFICE, "days": []} if match[1] == "periods" else {"day": "", "yearly": False, "name": "", "open": ""}
            lines, at = [*lines, new], len(lines)
        elif at < len(lines):
            lines.pop(at)
        row.value = lines[:MOST]
        return f"{row.id}-{min(at, len(lines) - 1)}" if lines else f"{row.id}-add"

    def typed(self) -> Schedule | None:
        """What was typed, saved or not; None: it holds mistakes, which the form now shows."""
        read = self._read()
        if not self.errors():
            made = readable({**read, "name": read.get("name") or "-"})
            if made is not None:
                return made
            self.problems.append(Problem(gettext("Hours"), gettext("These hours cannot be read"), gettext("Save them to see what is wrong.")))
        return None


@dataclass(frozen=True, slots=True)
class Row:
    key: str
    name: str
    hours: tuple[str, ...]
    holidays: int
    uses: tuple[Use, ...]
    state: str
    words: str


@dataclass(frozen=True, slots=True)
class Bar:
    """A stretch of a day in the picture of the week: from `first` to `last` in words, made by the line `line`."""

    first: str
    last: str
    line: int
    place: str


@dataclass(frozen=True, slots=True)
class Tried:
    """The moment somebody asked about, and how it stands then; without `told`, what keeps it from being told."""

    words: str
    told: Told | None = None


@live("flows.open")
def open_now(_: State) -> Mapping[str, Markup]:
    """Each schedule as the clock on the wall has it now."""
    now, found = standing()
    words = {key: told(each, now) if each is not None else None for key, each in found.items()}
    return {key: st(each.kind, each.sentence, shape=each.shape) if each is not None else st("warn", gettext("Cannot be read")) for key, each in words.items()}


@AREA.get("/schedules/")
def schedules() -> str:
    return listed("flows/schedules.html", _rows(), zone=zone())


@AREA.route("/schedules/new", methods=["GET", "POST"])
def new_schedule() -> Response | str:
    return _edit(ScheduleForm.new(), "")


@AREA.route("/schedules/<key>", methods=["GET", "POST"])
def schedule(key: str) -> Response | str:
    return _edit(ScheduleForm.at(f"schedules.{key}"), key)


@AREA.post("/schedules/<key>/delete")
def delete_schedule(key: str) -> Response | tuple[str, int]:
    held = place().kind("schedules").get(key, {})
    if used_by("schedules", key):
        g.notice = gettext("It is still used, so it was not deleted. Choose another schedule there first.")
    elif delete(f"schedules.{key}", gettext("%(name)s is deleted, not applied.", name=held.get("name") or key)):
        return redirect(url_for("flows.schedules"), 303)
    return _page(ScheduleForm.at(f"schedules.{key}"), key), 409


def _edit(form: ScheduleForm, key: str) -> Response | str:
    act, focus, tried = request.form.get("act", ""), "", None
    if act == "try":
        tried, focus = _tried(form), "tried"
    elif act:
        focus = form.arrange(act)
    elif form.save():
        return redirect(url_for("flows.schedule", key=form.path.partition(".")[2]), 303)
    return _page(form, key, focus, tried)


def _page(form: ScheduleForm, key: str, focus: str = "", tried: Tried | None = None) -> str:
    now, held, names = site_time(), readable(form.held) if form.exists else None, day_names("wide")
    return render_template(
        "flows/schedule.html", form=form, key=key, focus=focus, tried=tried, zone=zone(), clock=day_and_time(now), at=told_line, week=_week(form),
        changed=place().pending().touches(f"schedules.{key}"), now_told=told(outlook(held, now), now) if held is not None else None,
        uses=used_by("schedules", key) if key else [], days=day_names(), long_days=names,
        try_on=request.form.get("try_on", now.date().isoformat())[:20], try_time=request.form.get("try_time", now.strftime("%H:%M"))[:20],
    )  # fmt: skip


def _tried(form: ScheduleForm) -> Tried:
    """What would be at the moment asked for, by what stands in the form."""
    day, time = request.form.get("try_on", "").strip(), clock(request.form.get("try_time", ""))
    schedule = form.typed()
    try:
        at = datetime.fromisoformat(f"{day}T{time}")
    except ValueError:
        return Tried(gettext("Choose a day and a time, for example 2026-12-24 and 18:00."))
    if schedule is None:
        return Tried(gettext("Correct the hours first."))
    return Tried(day_and_time(at), told(outlook(schedule, at), at))


def told_line(row: Bound, problem: Problem) -> Problem:
    """A problem of the site's check with the line it is in."""
    match = re.search(rf"{re.escape(row.name)}\[([0-9]+)\]", problem.path)
    if match is None:
        return problem
    return Problem(problem.path, gettext("Line %(n)d: %(what)s", n=int(match[1]) + 1, what=problem.sentence), problem.hint)


def _week(form: ScheduleForm) -> dict[str, list[Bar]]:
    """The picture of what stands in the form, lines with mistakes left out."""
    lines = [(n, line["days"], clock(line["start"]), clock(line["end"])) for n, line in enumerate(form["periods"].value)]
    fine = [(n, Period(days=days, start=start, end=end)) for n, days, start, end in lines if days and start and end and start != "24:00"]
    found = week(Schedule(name="-", periods=tuple(period for _, period in fine)))
    return {day: [_bar(span, fine[span.period][0]) for span in spans] for day, spans in found.items()}


def _bar(span: Span, line: int) -> Bar:
    first, last = (f"{minute // 60:02}:{minute % 60:02}" for minute in (span.first, span.last))
    return Bar(first, last, line, f"--a:{100 * minutes(first) / DAY_MIN:.2f}%;--w:{100 * (span.last - span.first) / DAY_MIN:.2f}%")


def _rows() -> list[Row]:
    uses, changes = uses_of("schedules"), marks("schedules")
    rows = []
    for key, held in place().kind("schedules").items():
        name, holidays = str(held.get("name") or key), held.get("holidays")
        hours = tuple(f"{days_in_words(line['days'])} {line['start']}-{line['end']}" for line in Periods(name="", label="").show(held.get("periods")))
        rows.append(Row(key, name, hours, len(holidays) if isinstance(holidays, list) else 0, tuple(uses.get(key, ())), changes.get(key, ""), f"{key} {name}"))
    return sorted(rows, key=lambda row: sort_key(row.name))
