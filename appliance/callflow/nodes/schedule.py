"""Schedule: open, closed or a holiday."""

from __future__ import annotations

from pydantic import Field

from appliance.callflow.facts import Facts
from appliance.callflow.node import Decision, Exit, Settings, Way
from appliance.callflow.refs import ScheduleRef
from appliance.site.hours import State, state


class ScheduleSettings(Settings):
    schedule: ScheduleRef = Field(title="Opening hours", description="The opening hours that decide.")


class ScheduleStep(Decision[ScheduleSettings]):
    """Looks at the time in the site's time zone."""

    kind = "schedule"
    title = "Schedule"
    help = "Goes one way during opening hours, another when closed, and a third on holidays."
    icon = "clock"
    settings = ScheduleSettings

    def exits(self, settings: ScheduleSettings) -> tuple[Exit, ...]:
        return (
            Exit(State.OPEN, "open", required=True),
            Exit(State.CLOSED, "closed", required=True),
            Exit(State.HOLIDAY, "on a holiday", instead=State.CLOSED),
        )

    def decide(self, facts: Facts, settings: ScheduleSettings) -> Way:
        schedule = facts.snapshot.site.schedules.get(settings.schedule)
        return State.CLOSED if schedule is None else state(schedule, facts.now)


NODE = ScheduleStep()
