"""Flows: graphs of steps that decide what becomes of a call. What a step's settings and exits may be stands with the step (callflow/nodes)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, JsonValue, StringConstraints

from appliance.site.model.base import Extension, Id, Name, Part, Text

StepType = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z-]{1,30}$")]
ExitName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9*#][A-Za-z0-9*#_-]{0,39}$")]
TimeOfDay = Annotated[str, StringConstraints(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$|^24:00$")]
Day = Annotated[str, StringConstraints(pattern=r"^([0-9]{4}-)?(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$")]
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


def _without_nothing(value: JsonValue) -> JsonValue:
    """A setting that is null is one that is not set: TOML, in which people keep sites, has no null."""
    if "None" not in repr(value):  # nearly always, and found out much faster
        return value
    if isinstance(value, dict):
        return {key: _without_nothing(held) for key, held in value.items() if held is not None}
    return [_without_nothing(held) for held in value] if isinstance(value, list) else value


class Step(Part):
    """One node of a flow. `type` names a kind of step; `exits`: name of an exit -> the step it leads to. `at`: where the editor draws it, in pixels."""

    type: StepType
    settings: Annotated[dict[str, JsonValue], AfterValidator(_without_nothing)] = Field(default_factory=dict)
    exits: dict[ExitName, Id] = Field(default_factory=dict)
    at: tuple[int, int] | None = None


class Flow(Part):
    """A graph of steps. It runs for the extensions it has, for incoming numbers that name it, and when a user whose flow it is dials (rows E5, K6)."""

    name: Name
    start: Id
    steps: dict[Id, Step] = Field(default_factory=dict)
    extensions: tuple[Extension, ...] = ()


class Period(Part):
    """Opening hours on some days, in the site's time zone. `end` before or at `start`: into the next day."""

    days: tuple[Weekday, ...]
    start: TimeOfDay
    end: TimeOfDay


class Holiday(Part):
    """A day with hours of its own: `12-25` every year, `2026-12-24` once. Without periods it is closed all day."""

    day: Day
    name: Text = ""
    open: tuple[tuple[TimeOfDay, TimeOfDay], ...] = ()


class Schedule(Part):
    """When it is open: weekly periods, and days that differ."""

    name: Name
    periods: tuple[Period, ...] = ()
    holidays: tuple[Holiday, ...] = ()


class Audio(Part):
    """A recording that flows and mailboxes play. `sha256` names the file in the box's media folder, so that a rollback has the old one."""

    name: Name
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
