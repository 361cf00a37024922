"""Go to flow: continues in another flow."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import Field

from appliance.callflow.facts import Facts
from appliance.callflow.node import Decision, Exit, Jump, Settings, Way
from appliance.callflow.refs import FlowRef
from appliance.site.model.site import Site
from appliance.types import FlowId


class GoToFlowSettings(Settings):
    flow: FlowRef = Field(description="The flow that goes on from here.")


class GoToFlow(Decision[GoToFlowSettings]):
    """There is no way back from there."""

    kind = "go-to-flow"
    title = "Go to flow"
    help = "Goes on at the start of another flow."
    settings = GoToFlowSettings

    def exits(self, settings: GoToFlowSettings) -> tuple[Exit, ...]:
        return ()

    def decide(self, facts: Facts, settings: GoToFlowSettings) -> Way:
        return Jump(FlowId(settings.flow))

    def jumps(self, settings: GoToFlowSettings, site: Site) -> Iterator[FlowId]:
        yield FlowId(settings.flow)


NODE = GoToFlow()
